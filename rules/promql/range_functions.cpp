// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/range_functions.h"

#include <cmath>
#include <vector>

#include "rules/promql/statistics.h"

namespace rules::promql {

namespace {

// The last sample holding the extreme value; a NaN held gives way to whatever follows.
template <class Replaces>
RangeValue time_of_extreme(const Window& window, Replaces replaces) {
  if (window.samples.empty()) return std::nullopt;
  Sample held = window.samples.front();
  for (const Sample& sample : window.samples.subspan(1)) {
    if (replaces(sample.value, held.value) || std::isnan(held.value)) held = sample;
  }
  return static_cast<double>(held.time_ms) / 1e3;
}

template <class Replaces>
RangeValue extreme(const Window& window, Replaces replaces) {
  if (window.samples.empty()) return std::nullopt;
  double held = window.samples.front().value;
  for (const Sample& sample : window.samples) {
    if (replaces(sample.value, held) || std::isnan(held)) held = sample.value;
  }
  return held;
}

std::vector<double> values_of(const Window& window) {
  std::vector<double> values;
  values.reserve(window.samples.size());
  for (const Sample& sample : window.samples) values.push_back(sample.value);
  return values;
}

}  // namespace

RangeValue derivative(const Window& window) {
  if (window.samples.size() < 2) return std::nullopt;
  return regression(window.samples, window.samples.front().time_ms).slope;
}

RangeValue predict_linear(const Window& window, double seconds) {
  if (window.samples.size() < 2) return std::nullopt;
  const Line line = regression(window.samples, window.eval_ms);
  return line.slope * seconds + line.intercept;
}

RangeValue double_exponential_smoothing(const Window& window, double smoothing, double trend) {
  const auto& samples = window.samples;
  if (samples.size() < 2) return std::nullopt;
  double before = 0;
  double level = samples[0].value;
  double slope = samples[1].value - samples[0].value;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    if (i > 1) slope = trend * (level - before) + (1 - trend) * slope;
    const double next = smoothing * samples[i].value + (1 - smoothing) * (level + slope);
    before = level;
    level = next;
  }
  return level;
}

RangeValue avg_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  Mean mean;
  for (const Sample& sample : window.samples) mean.add(sample.value);
  return mean.value();
}

RangeValue sum_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  CompensatedSum sum;
  for (const Sample& sample : window.samples) sum.add(sample.value);
  return std::isinf(sum.sum) ? sum.sum : sum.total();
}

RangeValue min_over_time(const Window& window) {
  return extreme(window, [](double next, double held) { return next < held; });
}

RangeValue max_over_time(const Window& window) {
  return extreme(window, [](double next, double held) { return next > held; });
}

RangeValue count_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  return static_cast<double>(window.samples.size());
}

RangeValue stddev_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  return std::sqrt(compensated_variance(window.samples));
}

RangeValue stdvar_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  return compensated_variance(window.samples);
}

RangeValue quantile_over_time(const Window& window, double phi) {
  if (window.samples.empty()) return std::nullopt;
  std::vector<double> values = values_of(window);
  return quantile(phi, values);
}

RangeValue mad_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  std::vector<double> values = values_of(window);
  for (const double value : values) {
    if (std::isnan(value)) return normal_nan();
  }
  const double median = quantile(0.5, values);
  for (double& value : values) value = std::fabs(value - median);
  return quantile(0.5, values);
}

RangeValue first_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  return window.samples.front().value;
}

RangeValue last_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  return window.samples.back().value;
}

RangeValue present_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  return 1.0;
}

RangeValue ts_of_min_over_time(const Window& window) {
  return time_of_extreme(window, [](double next, double held) { return next <= held; });
}

RangeValue ts_of_max_over_time(const Window& window) {
  return time_of_extreme(window, [](double next, double held) { return next >= held; });
}

RangeValue ts_of_first_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  return static_cast<double>(window.samples.front().time_ms) / 1e3;
}

RangeValue ts_of_last_over_time(const Window& window) {
  if (window.samples.empty()) return std::nullopt;
  return static_cast<double>(window.samples.back().time_ms) / 1e3;
}

}  // namespace rules::promql
