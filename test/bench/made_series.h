// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dice.h"
#include "recorded_series.h"

namespace ring_bench {

enum class MadeKind {
  kConstant,
  kRareCounter,
  kSlowCounter,
  kBusyCounter,
  kSteadyCounter,
  kRareGauge,
  kBusyGauge,
  kDecimal,
  kRareSum,
  kSlowSum,
  kBusySum,
  kDuration,
  kScore,
};

struct MadeShare {
  MadeKind kind;
  std::string_view metric;  // what its metric names begin with
  int of_1000;              // series
  double changes_in_5s;     // how probable another value is five seconds on
};

// What 7,804 series of a beacon node, its validator client, the host and the usual daemons were found to be: the shares
// of the kinds, and how often they change. 23.7 % of the samples differ from the one before at 5 s, as 23.6 % did.
inline constexpr std::array<MadeShare, 13> kMadeShares = {{
    {MadeKind::kConstant, "limit", 627, 0},                    // three of five are zero
    {MadeKind::kRareCounter, "errors_total", 43, 0.027},       // steps of one
    {MadeKind::kSlowCounter, "duration_bucket", 75, 0.35},     // small steps
    {MadeKind::kBusyCounter, "requests_total", 146, 0.96},     // steps from one to millions, mostly small
    {MadeKind::kSteadyCounter, "clock_slot", 3, 1},            // always the same step
    {MadeKind::kRareGauge, "queue_length", 7, 0.038},          // small integers
    {MadeKind::kBusyGauge, "memory_bytes", 31, 0.67},          // integers, some in pages
    {MadeKind::kDecimal, "cpu_seconds_total", 3, 0.815},       // hundredths, as /proc/stat counts them
    {MadeKind::kRareSum, "gc_duration_sum", 12, 0.021},        // ms, us or ns added up as seconds, in binary
    {MadeKind::kSlowSum, "response_time_sum", 9, 0.40},        // likewise
    {MadeKind::kBusySum, "process_time_sum", 14, 0.997},       // likewise
    {MadeKind::kDuration, "last_duration_seconds", 12, 0.95},  // nanoseconds written as seconds, up and down
    {MadeKind::kScore, "score", 18, 0.82},                     // all 53 bits in use
}};

// One series, scrape after scrape.
//
// Thread safety: confined to one thread.
class MadeSeries {
 public:
  MadeSeries(MadeKind kind, std::int64_t interval_ms, Dice& dice);

  double next(Dice& dice);

 private:
  void change(Dice& dice);

  MadeKind kind_;
  double chance_ = 0;  // of another value
  double value_ = 0;
  double step_ = 1;  // what a change is about
  double unit_ = 1;
  std::int64_t count_ = 0;  // of the decimal kinds: the value in units
};

// A target with these series. The requests are late as a scraper's are: one in seven, by some milliseconds.
RecordedTarget make_target(const std::string& instance, std::span<const MadeKind> kinds, std::size_t scrapes,
                           std::int64_t interval_ms, std::uint64_t seed);

// Several targets whose series have the kinds and shares of the table.
std::vector<RecordedTarget> make_recording(std::size_t targets, std::size_t series_each, std::size_t scrapes,
                                           std::int64_t interval_ms);

}  // namespace ring_bench
