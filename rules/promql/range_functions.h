// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "rules/promql/value.h"

namespace rules::promql {

// The samples of one series that one evaluation step sees, and the window they were taken from.
//
// Thread safety: a view; valid while what it points into is.
// Invariants: samples sorted by time, no stale markers; start_times empty or as long as samples.
struct Window {
  std::span<const Sample> samples;
  // When each sample's counter began, ms; 0 for not known. Empty where start timestamps are not in use.
  std::span<const std::int64_t> start_times;
  std::int64_t start_ms = 0;  // open
  std::int64_t end_ms = 0;    // closed
  std::int64_t eval_ms = 0;   // the step's own time, without offset and @
  double range_seconds() const { return static_cast<double>(end_ms - start_ms) / 1e3; }
};

// nullopt: the series has no value at this step.
using RangeValue = std::optional<double>;

enum class RateKind { kDelta, kIncrease, kRate };

// How far the samples of a window reach, in seconds: what their times alone say about extrapolating.
struct WindowReach {
  double span = 0;      // from the first sample to the last
  double to_start = 0;  // from the first back, and from the last on: to the border, or half an average interval if the
  double to_end = 0;    // border is so far away that samples seem to be missing
};
WindowReach window_reach(std::uint64_t count, std::int64_t first_ms, std::int64_t last_ms, std::int64_t start_ms,
                         std::int64_t end_ms);
// `difference` is between the last and the first value, with what a counter lost at resets.
double extrapolate(WindowReach reach, double first_value, double difference, RateKind kind, double range_seconds);
// rate, increase and delta extrapolated to the window's borders.
RangeValue extrapolated_rate(const Window& window, RateKind kind);
// The same exactly between the borders, for `anchored` (value at or before a border) and `smoothed` (interpolated
// there). The window's samples reach beyond its borders.
RangeValue anchored_rate(const Window& window, RateKind kind);
RangeValue smoothed_rate(const Window& window, RateKind kind);
RangeValue instant_rate(const Window& window);   // irate
RangeValue instant_delta(const Window& window);  // idelta
RangeValue changes(const Window& window);
RangeValue resets(const Window& window);
// The part of an `anchored` window that changes() and resets() count over: from the last sample at or before its start.
// Empty if no sample lies after the start.
Window anchored_part(const Window& window);
// True if a sample's counter claims to have begun before the previous sample was taken.
bool overlapping_start_times(const Window& window);

RangeValue derivative(const Window& window);
RangeValue predict_linear(const Window& window, double seconds);
// Holt's double exponential smoothing. REQUIRES: both factors inside (0, 1).
RangeValue double_exponential_smoothing(const Window& window, double smoothing, double trend);

RangeValue avg_over_time(const Window& window);
RangeValue sum_over_time(const Window& window);
RangeValue min_over_time(const Window& window);
RangeValue max_over_time(const Window& window);
RangeValue count_over_time(const Window& window);
RangeValue stddev_over_time(const Window& window);
RangeValue stdvar_over_time(const Window& window);
RangeValue quantile_over_time(const Window& window, double phi);
RangeValue mad_over_time(const Window& window);
RangeValue first_over_time(const Window& window);
RangeValue last_over_time(const Window& window);
RangeValue present_over_time(const Window& window);
RangeValue ts_of_min_over_time(const Window& window);
RangeValue ts_of_max_over_time(const Window& window);
RangeValue ts_of_first_over_time(const Window& window);
RangeValue ts_of_last_over_time(const Window& window);

// The line through two samples at `time_ms`. For a counter, a second value below the first starts from 0.
double interpolate(const Sample& before, const Sample& after, std::int64_t time_ms, bool counter);

}  // namespace rules::promql
