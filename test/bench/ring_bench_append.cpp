// SPDX-License-Identifier: Apache-2.0
// What appending a sample costs the thread that does it, once the ring has been written for a while.
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "made_load.h"
#include "ring_bench.h"
#include "ring_feed.h"

namespace ring_bench {
namespace {

constexpr Bar kAppendBar = at_most(25);

struct Size {
  const char* name;
  std::size_t series;
  std::size_t load_targets;
  std::size_t warm_rounds;
  std::size_t rounds_at_a_time;  // that one measurement takes: some milliseconds' worth
  // After the warm rounds the ring is still being filled for the first time, which costs more: each of its pages is got
  // from the kernel. So many more, and it has been written once round. 0: it has been.
  std::size_t filling_rounds;
};

constexpr std::array<Size, 3> kSizes = {{
    {"6k", 6'000, 6, 400, 40, 0},
    {"100k", 100'000, 50, 150, 3, 150},
    {"1m", 1'000'000, 50, 50, 1, 150},
}};
constexpr std::size_t kMeasurements = 15;

std::unique_ptr<SampleSource> source_of(const Options& options, DataSet set, const Size& size) {
  const std::size_t series = options.quick ? size.series / 10 : size.series;
  if (set == DataSet::kLoad) {
    return std::make_unique<MadeLoad>(size.load_targets, series / size.load_targets, 5000);
  }
  return std::make_unique<Replay>(load(options, set), series);
}

// Reads the last five minutes of one series after the other, as an evaluation does, for as long as it lives.
class BusyReader {
 public:
  BusyReader(const core::ring::Reader& reader, const RingFeed& feed) : reader_(reader) {
    for (std::size_t i = 0; i < feed.targets(); ++i) {
      series_.insert(series_.end(), feed.series(i).begin(), feed.series(i).end());
    }
    thread_ = std::thread([this] { run(); });
  }
  BusyReader(const BusyReader&) = delete;
  BusyReader& operator=(const BusyReader&) = delete;
  ~BusyReader() {
    // Relaxed: nothing else is handed over.
    stop_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  void run() {
    constexpr std::int64_t kWindowMs = 300'000;
    std::vector<core::ring::Sample> samples;
    for (std::size_t i = 0; !stop_.load(std::memory_order_relaxed); i = (i + 1) % series_.size()) {
      const auto last = reader_.last(series_[i]);
      if (last) reader_.read(series_[i], last->time_ms - kWindowMs, last->time_ms, samples);
    }
  }

  const core::ring::Reader& reader_;
  std::vector<core::ring::SeriesRef> series_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

void measure(Report& report, const std::string& name, RingFeed& feed, std::size_t rounds_at_a_time, Bar bar,
             const std::string& files) {
  std::vector<double> cpu;
  std::vector<double> wall;
  for (std::size_t i = 0; i < kMeasurements; ++i) {
    Spent spent;
    for (std::size_t k = 0; k < rounds_at_a_time; ++k) spent += feed.round();
    cpu.push_back(spent.cpu_ns_per_sample());
    wall.push_back(spent.wall_ns_per_sample());
  }
  report.line(name + "-cpu", cpu, "ns/sample", bar, files);
  report.line(name + "-wall", wall, "ns/sample", kNoBar, files);
}

}  // namespace

void bench_append(Report& report) {
  for (const DataSet set : {DataSet::kRecorded, DataSet::kLoad}) {
    for (const Size& size : kSizes) {
      const std::string group = fmt::format("append-{}-{}", to_string(set), size.name);
      if (!report.wants_any(group)) continue;
      // A recording of a load test is too short and too small to play at these sizes: it is always made.
      const std::string files = set == DataSet::kLoad ? "" : files_option(report.options(), set);
      const std::unique_ptr<SampleSource> source = source_of(report.options(), set, size);
      const TemporaryRing ring(report.options(), series_of(*source), core::ring::kBytesPerSeriesDefault);
      RingFeed feed(*ring, *source);
      feed.warm_up(size.warm_rounds);
      // A recording would be played from its beginning again meanwhile, where all its series jump.
      const std::size_t filling_rounds = set == DataSet::kLoad ? size.filling_rounds : 0;
      if (filling_rounds != 0 && report.wants_any(group + "-filling")) {
        measure(report, group + "-filling", feed, size.rounds_at_a_time, kNoBar, files);
      }
      for (std::size_t i = 0; i < filling_rounds; ++i) feed.round();
      if (report.wants_any(group + "-alone"))
        measure(report, group + "-alone", feed, size.rounds_at_a_time, kAppendBar, files);
      if (report.wants_any(group + "-reader")) {
        const BusyReader reader(ring->reader(), feed);
        measure(report, group + "-reader", feed, size.rounds_at_a_time, kAppendBar, files);
      }
      const core::ring::RingUsage usage = ring->reader().usage();
      report.note(fmt::format("{}: {} series, {} samples, {} of {} MB in use, {} series reclaimed", group, usage.series,
                              usage.samples_appended, usage.bytes >> 20, usage.bytes_limit >> 20,
                              usage.series_reclaimed));
    }
  }
}

}  // namespace ring_bench
