// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "rules/promql/range_functions.h"

namespace rules::promql {

namespace {

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1e3; }

bool is_counter(RateKind kind) { return kind != RateKind::kDelta; }

// Whether the counter of sample i began after sample i-1 was taken, by its start timestamp. A start equal to the
// previous sample's time counts only if that sample's own start is known and consistent.
bool restarted(const Window& window, std::size_t i) {
  if (window.start_times.empty()) return false;
  const std::int64_t start = window.start_times[i];
  const std::int64_t previous_time = window.samples[i - 1].time_ms;
  if (start == 0 || start >= window.samples[i].time_ms) return false;
  if (start > previous_time) return true;
  const std::int64_t previous_start = window.start_times[i - 1];
  return start == previous_time && previous_start != 0 && previous_start < previous_time;
}

bool is_reset(const Window& window, std::size_t i) {
  return window.samples[i].value < window.samples[i - 1].value || restarted(window, i);
}

// The start timestamp of the first sample if it lies inside the window before that sample; 0 otherwise.
std::int64_t known_start(const Window& window) {
  if (window.start_times.empty()) return 0;
  const std::int64_t start = window.start_times.front();
  return start != 0 && window.start_ms < start && start < window.samples.front().time_ms ? start : 0;
}

RangeValue per_range(double result, const Window& window, RateKind kind) {
  return kind == RateKind::kRate ? result / window.range_seconds() : result;
}

// Adds what a counter lost at each reset between its values at the borders. `first` and `last` index the samples that
// gave the border values; those on or outside a border are not counted twice.
double with_resets(const Window& window, std::size_t first, std::size_t last, double left, double right) {
  double result = right - left;
  double previous = left;
  std::size_t begin = first;
  std::size_t end = last + 1;
  if (window.samples[first].time_ms <= window.start_ms) ++begin;
  if (window.samples[last].time_ms >= window.end_ms) --end;
  for (std::size_t i = begin; i < end; ++i) {
    if (window.samples[i].value < previous) result += previous;
    previous = window.samples[i].value;
  }
  if (right < previous) result += previous;
  return result;
}

// The last sample at or before the window's start, else the first; never the very last of several.
std::size_t index_at_start(const Window& window) {
  const auto& samples = window.samples;
  std::size_t first = 0;
  while (first + 2 < samples.size() && samples[first + 1].time_ms <= window.start_ms) ++first;
  return first;
}

}  // namespace

WindowReach window_reach(std::uint64_t count, std::int64_t first_ms, std::int64_t last_ms, std::int64_t start_ms,
                         std::int64_t end_ms) {
  WindowReach reach{seconds(last_ms - first_ms), seconds(first_ms - start_ms), seconds(end_ms - last_ms)};
  const double average = count < 2 ? 0 : reach.span / static_cast<double>(count - 1);
  const double threshold = average * 1.1;
  if (reach.to_start >= threshold) reach.to_start = average / 2;
  if (reach.to_end >= threshold) reach.to_end = average / 2;
  return reach;
}

double extrapolate(WindowReach reach, double first_value, double difference, RateKind kind, double range_seconds) {
  if (is_counter(kind)) {
    // A counter cannot have been below zero: do not extrapolate past the point where it would have been.
    double to_zero = reach.to_start;
    if (difference > 0 && first_value >= 0) to_zero = reach.span * (first_value / difference);
    reach.to_start = std::min(reach.to_start, to_zero);
  }
  double factor = reach.span == 0 ? 1 : (reach.span + reach.to_start + reach.to_end) / reach.span;
  if (kind == RateKind::kRate) factor /= range_seconds;
  return difference * factor;
}

RangeValue extrapolated_rate(const Window& window, RateKind kind) {
  const auto& samples = window.samples;
  if (samples.empty()) return std::nullopt;
  const std::int64_t start_time = is_counter(kind) ? known_start(window) : 0;
  if (samples.size() < 2 && start_time == 0) return std::nullopt;
  const Sample& first = samples.front();
  const Sample& last = samples.back();
  double difference = last.value - first.value;
  if (is_counter(kind)) {
    for (std::size_t i = 1; i < samples.size(); ++i) {
      if (is_reset(window, i)) difference += samples[i - 1].value;
    }
  }
  WindowReach reach = window_reach(samples.size(), first.time_ms, last.time_ms, window.start_ms, window.end_ms);
  if (start_time != 0) {
    // Nothing is missing before: the counter began then, at zero.
    difference += first.value;
    reach.span = seconds(last.time_ms - start_time);
    reach.to_start = 0;
  }
  return extrapolate(reach, first.value, difference, kind, window.range_seconds());
}

RangeValue anchored_rate(const Window& window, RateKind kind) {
  if (window.samples.empty()) return std::nullopt;
  const std::size_t first = index_at_start(window);
  const std::size_t last = window.samples.size() - 1;
  if (window.samples[last].time_ms <= window.start_ms) return std::nullopt;
  const double left = window.samples[first].value;
  const double right = window.samples[last].value;
  if (!is_counter(kind)) return per_range(right - left, window, kind);
  return per_range(with_resets(window, first, last, left, right), window, kind);
}

RangeValue smoothed_rate(const Window& window, RateKind kind) {
  const auto& samples = window.samples;
  if (samples.empty()) return std::nullopt;
  const std::size_t first = index_at_start(window);
  std::size_t last = 0;
  while (last + 1 < samples.size() && samples[last].time_ms < window.end_ms) ++last;
  if (samples[last].time_ms <= window.start_ms || samples[first].time_ms > window.end_ms) return std::nullopt;
  double left = samples[first].value;
  if (samples[first].time_ms < window.start_ms && first + 1 < samples.size()) {
    left = interpolate(samples[first], samples[first + 1], window.start_ms, is_counter(kind));
  }
  double right = samples[last].value;
  if (last > 0 && samples[last].time_ms > window.end_ms) {
    right = interpolate(samples[last - 1], samples[last], window.end_ms, is_counter(kind));
  }
  if (!is_counter(kind)) return per_range(right - left, window, kind);
  return per_range(with_resets(window, first, last, left, right), window, kind);
}

RangeValue instant_rate(const Window& window) {
  if (window.samples.size() < 2) return std::nullopt;
  const std::size_t last = window.samples.size() - 1;
  const Sample& previous = window.samples[last - 1];
  const Sample& newest = window.samples[last];
  const double increase = is_reset(window, last) ? newest.value : newest.value - previous.value;
  const std::int64_t distance = newest.time_ms - previous.time_ms;
  if (distance == 0) return std::nullopt;
  return increase / seconds(distance);
}

RangeValue instant_delta(const Window& window) {
  if (window.samples.size() < 2) return std::nullopt;
  const std::size_t last = window.samples.size() - 1;
  return window.samples[last].value - window.samples[last - 1].value;
}

RangeValue changes(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  double count = 0;
  for (std::size_t i = 1; i < window.samples.size(); ++i) {
    const double before = window.samples[i - 1].value;
    const double after = window.samples[i].value;
    if (before != after && !(std::isnan(before) && std::isnan(after))) count += 1;
  }
  return count;
}

RangeValue resets(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  double count = 0;
  for (std::size_t i = 1; i < window.samples.size(); ++i) {
    if (is_reset(window, i)) count += 1;
  }
  return count;
}

Window anchored_part(const Window& window) {
  Window part = window;
  std::size_t first = 0;
  while (first + 1 < window.samples.size() && window.samples[first + 1].time_ms <= window.start_ms) ++first;
  if (window.samples.empty() || window.samples.back().time_ms <= window.start_ms) first = window.samples.size();
  part.samples = window.samples.subspan(first);
  if (!window.start_times.empty()) part.start_times = window.start_times.subspan(first);
  return part;
}

bool overlapping_start_times(const Window& window) {
  for (std::size_t i = 1; i < window.start_times.size(); ++i) {
    const std::int64_t start = window.start_times[i];
    if (start != 0 && start < window.samples[i - 1].time_ms && start != window.start_times[i - 1]) return true;
  }
  return false;
}

double interpolate(const Sample& before, const Sample& after, std::int64_t time_ms, bool counter) {
  const double start = counter && after.value < before.value ? 0 : before.value;
  const double share =
      static_cast<double>(time_ms - before.time_ms) / static_cast<double>(after.time_ms - before.time_ms);
  return start + (after.value - start) * share;
}

}  // namespace rules::promql
