// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/rate_windows.h"

#include <algorithm>

#include "rules/promql/plan/lane_math.h"
#include "rules/promql/plan/row_block.h"

namespace rules::promql::plan {

RateWindows::RateWindows(std::span<const Sample> samples, const WindowShape& shape, const TimeGrid& grid) {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  for (std::size_t step = 0; step < grid.size(); ++step) {
    const std::int64_t from = shape.start(grid.at(step));
    const std::int64_t to = shape.end(grid.at(step));
    while (end < samples.size() && samples[end].time_ms <= to) ++end;
    while (begin < end && samples[begin].time_ms <= from) ++begin;
    if (end - begin < 2) {
      empty_.push_back(static_cast<std::uint32_t>(step));
      // Any sample, as long as both lists keep rising.
      first_.push_back(std::max(end, 1U) - 1);
      last_.push_back(first_.back());
      for (auto* distances : {&span_, &to_start_, &to_end_}) distances->push_back(1);
      continue;
    }
    const WindowReach reach = window_reach(end - begin, samples[begin].time_ms, samples[end - 1].time_ms, from, to);
    first_.push_back(begin);
    last_.push_back(end - 1);
    span_.push_back(reach.span);
    to_start_.push_back(reach.to_start);
    to_end_.push_back(reach.to_end);
  }
}

bool RateWindows::extrapolate(std::span<const double> values, RateKind kind, double range_seconds,
                              std::span<double> out) const {
  const std::size_t steps = first_.size();
  if (empty_.size() == steps) return false;
  thread_local std::vector<double> first;
  thread_local std::vector<double> difference;
  first.resize(steps);
  difference.resize(steps);
  for (std::size_t step = 0; step < steps; ++step) {
    first[step] = values[first_[step]];
    difference[step] = values[last_[step]] - first[step];
  }
  const bool counter = kind != RateKind::kDelta;
  if (counter) add_resets(values, difference);
  const RateLanes lanes{difference.data(),
                        first.data(),
                        span_.data(),
                        to_start_.data(),
                        to_end_.data(),
                        kind == RateKind::kRate ? range_seconds : 1,
                        counter};
  extrapolate_lanes(lanes, out.data(), steps);
  for (const std::uint32_t step : empty_) out[step] = no_value();
  return true;
}

// In the order of time, as extrapolated_rate() adds them.
void RateWindows::add_resets(std::span<const double> values, std::span<double> difference) const {
  for (std::uint32_t i = 1; i < values.size(); ++i) {
    if (!(values[i] < values[i - 1])) continue;
    // The steps whose windows hold both sides of the fall.
    auto step = static_cast<std::size_t>(std::lower_bound(last_.begin(), last_.end(), i) - last_.begin());
    for (; step < difference.size() && first_[step] < i; ++step) {
      if (last_[step] >= i) difference[step] += values[i - 1];
    }
  }
}

}  // namespace rules::promql::plan
