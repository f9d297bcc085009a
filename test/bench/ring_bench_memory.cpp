// SPDX-License-Identifier: Apache-2.0
// What a series takes of the machine's memory: pages of the mapped file as well as ordinary ones. Two processes do the
// same, one with an empty ring beside it; the difference is the ring's.
#include <array>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "made_load.h"
#include "ring_bench.h"
#include "ring_feed.h"

namespace ring_bench {
namespace {

constexpr std::size_t kTargets = 50;
constexpr std::size_t kSeriesEach = 2000;
constexpr std::size_t kScrapes = 54;  // as many as the peers were measured at
constexpr std::int64_t kIntervalMs = 15'000;
// Room for every sample: a ring that had to drop some would look small.
constexpr std::uint64_t kBytesPerSeries = 1024;

std::size_t targets(const Options& options) { return options.quick ? kTargets / 10 : kTargets; }

// Resident pages of all writable mappings, shared ones too: proc(5), smaps.
std::uint64_t resident_writable_bytes() {
  std::ifstream smaps("/proc/self/smaps");
  bool writable = false;
  std::uint64_t kilobytes = 0;
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream fields(line);
    std::string first;
    std::string second;
    fields >> first >> second;
    if (first == "Rss:" && writable) kilobytes += std::stoull(second);
    // A mapping begins with its addresses and permissions: 7f00-7f10 rw-p.
    if (first.find('-') != std::string::npos && second.size() == 4) writable = second[1] == 'w';
  }
  return kilobytes * 1024;
}

// Everything the feeding does, but for the ring.
void feed_nothing(SampleSource& source) {
  std::vector<std::vector<core::ring::SeriesRef>> refs;
  for (std::size_t i = 0; i < source.targets(); ++i) {
    refs.emplace_back();
    for (std::size_t j = 0; j < source.series(i); ++j) {
      refs.back().push_back(core::ring::SeriesRef{source.labels(i, j).size()});
    }
  }
  std::vector<double> row(kSeriesEach);
  for (std::size_t k = 0; k < kScrapes; ++k) {
    for (std::size_t i = 0; i < source.targets(); ++i) source.scrape(i, static_cast<std::int64_t>(k), row);
  }
}

}  // namespace

int memory_child(const Options& options) {
  MadeLoad source(targets(options), kSeriesEach, kIntervalMs);
  const TemporaryRing ring(options, series_of(source), kBytesPerSeries);
  if (!options.filled) {
    feed_nothing(source);
    fmt::print("= {}\n", resident_writable_bytes());
    return 0;
  }
  RingFeed feed(*ring, source);
  for (std::size_t k = 0; k < kScrapes; ++k) feed.round();
  fmt::print("= {}\n", resident_writable_bytes());
  return 0;
}

void bench_memory(Report& report) {
  if (!report.wants_any("memory-per-series")) return;
  const double series = static_cast<double>(targets(report.options()) * kSeriesEach);
  const std::vector<std::string> arguments = {"--only", "memory-child", "--dir", report.options().folder.string()};
  std::vector<std::string> filled = arguments;
  filled.push_back("--filled");
  std::vector<double> difference;
  std::vector<double> whole;
  for (int i = 0; i < 3; ++i) {
    const double with = run_child(report.options(), filled).value_or(0);
    const double without = run_child(report.options(), arguments).value_or(0);
    difference.push_back((with - without) / series);
    whole.push_back(with / series);
  }
  report.line("memory-per-series", difference, "B/series", at_most(325, 250));
  report.line("memory-per-series-whole-process", whole, "B/series", kNoBar);
}

}  // namespace ring_bench
