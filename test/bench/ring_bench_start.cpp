// SPDX-License-Identifier: Apache-2.0
// How long a ring of a million series takes to open, left in order or by a kill. Another process fills it and is gone:
// what this one maps it has not touched before.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "made_load.h"
#include "ring_bench.h"
#include "ring_feed.h"

namespace ring_bench {
namespace {

constexpr std::size_t kTargets = 50;
constexpr std::size_t kSeriesEach = 20'000;
constexpr std::size_t kRoundsMost = 80;
constexpr double kFull = 0.95;
constexpr int kMeasurements = 5;

std::size_t series_each(const Options& options) { return options.quick ? kSeriesEach / 10 : kSeriesEach; }

core::ring::MappedRingOptions ring_to_open(const Options& options) {
  return ring_options(options.ring_file, kTargets * series_each(options), core::ring::kBytesPerSeriesDefault);
}

// Ends as a kill would: no destructor runs, nothing is closed in order.
[[noreturn]] void die() {
  std::fflush(stdout);
  ::_exit(0);
}

}  // namespace

int fill_child(const Options& options) {
  MadeLoad source(kTargets, series_each(options), 5000);
  auto ring = core::ring::open_mapped_ring(ring_to_open(options));
  if (!ring) give_up(ring.error().message);
  RingFeed feed(**ring, source);
  for (std::size_t k = 0; k < kRoundsMost; ++k) {
    feed.round();
    const core::ring::RingUsage usage = (*ring)->reader().usage();
    if (static_cast<double>(usage.bytes) >= kFull * static_cast<double>(usage.bytes_limit)) break;
  }
  feed.leave_torn();
  const core::ring::RingUsage usage = (*ring)->reader().usage();
  fmt::print("= {}\n", 100 * static_cast<double>(usage.bytes) / static_cast<double>(usage.bytes_limit));
  die();
}

// Prints how long it took, or nothing if it is not the ring that was to be opened. Leaves it in order with --filled, as
// a killed process does otherwise.
int open_child(const Options& options) {
  const Stopwatch watch;
  auto ring = core::ring::open_mapped_ring(ring_to_open(options));
  const double seconds = watch.wall_ns() / 1e9;
  if (!ring) give_up(ring.error().message);
  const core::ring::RingRecovery& recovery = (*ring)->recovery();
  const bool as_left = recovery.series == options.ring_series && recovery.series_dropped == 0;
  fmt::print("{}, {} series, {} dropped\n", core::ring::to_string(recovery.found), recovery.series,
             recovery.series_dropped);
  if (as_left) fmt::print("= {}\n", seconds);
  if (!options.filled) die();
  return 0;
}

void bench_start(Report& report) {
  if (!report.wants_any("start-1m")) return;
  const std::filesystem::path file = new_ring_file(report.options());
  const std::size_t series = kTargets * series_each(report.options());
  const std::vector<std::string> ring = {"--ring", file.string(), "--ring-series", std::to_string(series)};
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), ring.begin(), ring.end());
    return run_child(report.options(), arguments);
  };
  const double filled = run({"--only", "fill-child"}).value_or(0);
  report.note(fmt::format("start: {} series, {:.0f} % of the ring in use", series, filled));

  const auto open_often = [&](const std::string& figure, const std::vector<std::string>& arguments) {
    std::vector<double> seconds;
    for (int i = 0; i < kMeasurements; ++i) {
      const std::optional<double> took = run(arguments);
      if (took) seconds.push_back(*took);
    }
    if (seconds.empty()) report.note(figure + ": what was opened is not the ring that was left");
    report.line(figure, seconds, "s", at_most(1));
  };
  if (report.wants("start-1m-killed")) open_often("start-1m-killed", {"--only", "open-child"});
  if (report.wants("start-1m-clean")) {
    run({"--only", "open-child", "--filled"});  // opens what a killed one left, and closes it in order
    open_often("start-1m-clean", {"--only", "open-child", "--filled"});
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
}

}  // namespace ring_bench
