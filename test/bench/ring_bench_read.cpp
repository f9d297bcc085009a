// SPDX-License-Identifier: Apache-2.0
// How fast samples come out again: an hour of one series at a time, out of the cache.
#include <array>

#include <fmt/format.h>

#include "made_series.h"
#include "ring_bench.h"
#include "ring_feed.h"

namespace ring_bench {
namespace {

constexpr std::size_t kSamplesRead = 720;  // an hour at 5 s
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kIntervalMs = 5000;
// So few that what they take stays in the second-level cache; so many that no one series decides.
constexpr std::size_t kSeriesOfKind = 8;
constexpr int kMeasurements = 15;
constexpr int kPassesAtATime = 200;

struct ReadKind {
  const char* figure;
  MadeKind kind;
};
constexpr std::array<ReadKind, 7> kReadKinds = {{{"read-hour-busy-counter", MadeKind::kBusyCounter},
                                                 {"read-hour-gauge", MadeKind::kBusyGauge},
                                                 {"read-hour-decimal", MadeKind::kDecimal},
                                                 {"read-hour-float-sum", MadeKind::kBusySum},
                                                 {"read-hour-score", MadeKind::kScore},
                                                 {"read-hour-rare", MadeKind::kRareCounter},
                                                 {"read-hour-constant", MadeKind::kConstant}}};

void read_kind(Report& report, const ReadKind& each) {
  const std::vector<MadeKind> kinds(kSeriesOfKind, each.kind);
  // Older samples before the hour that is read, as there are in a ring that has run for a while.
  Replay source({make_target("read:9100", kinds, 2 * kSamplesRead, kIntervalMs, 1)}, kSeriesOfKind);
  const TemporaryRing ring(report.options(), kSeriesOfKind, 0);
  RingFeed feed(*ring, source);
  for (std::size_t k = 0; k < 2 * kSamplesRead; ++k) feed.round();

  const core::ring::Reader& reader = ring->reader();
  std::vector<core::ring::Sample> samples;
  std::vector<double> millions_per_second;
  for (int i = 0; i < kMeasurements; ++i) {
    std::size_t read = 0;
    const Stopwatch watch;
    for (int pass = 0; pass < kPassesAtATime; ++pass) {
      for (const core::ring::SeriesRef ref : feed.series(0)) {
        const std::int64_t newest_ms = reader.last(ref)->time_ms;
        reader.read(ref, newest_ms - kHourMs + kIntervalMs / 2, newest_ms, samples);
        read += samples.size();
      }
    }
    millions_per_second.push_back(static_cast<double>(read) * 1000 / watch.cpu_ns());
    const std::size_t expected = kSamplesRead * kSeriesOfKind * kPassesAtATime;
    if (read != expected) give_up(fmt::format("{}: {} samples read, {} expected", each.figure, read, expected));
  }
  report.line(each.figure, millions_per_second, "M samples/s", at_least(150, 400));
}

}  // namespace

void bench_read(Report& report) {
  for (const ReadKind& each : kReadKinds) {
    if (report.wants(each.figure)) read_kind(report, each);
  }
}

}  // namespace ring_bench
