// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rules::promql {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool less_nan_first(double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; }

}  // namespace

void Mean::add(double x) {
  count_ += 1;
  if (count_ == 1) {
    state_.sum = x;
    return;
  }
  if (!incremental_) {
    CompensatedSum next = state_;
    next.add(x);
    if (!std::isinf(next.sum)) {
      state_ = next;
      return;
    }
    incremental_ = true;
    state_.sum /= count_ - 1;
    state_.compensation /= count_ - 1;
  }
  const double share = (count_ - 1) / count_;
  state_.sum *= share;
  state_.compensation *= share;
  state_.add(x / count_);
}

double Mean::value() const {
  return incremental_ ? state_.total() : state_.sum / count_ + state_.compensation / count_;
}

void Variance::add(double x) {
  count_ += 1;
  if (count_ == 1) {
    mean_ = x;
    squares_ = std::isfinite(x) ? 0 : normal_nan();
    return;
  }
  const double distance = x - mean_;
  mean_ += distance / count_;
  squares_ += distance * (x - mean_);
}

double compensated_variance(std::span<const Sample> samples) {
  double count = 0;
  CompensatedSum mean;
  CompensatedSum squares;
  for (const Sample& sample : samples) {
    count += 1;
    const double distance = sample.value - mean.total();
    mean.add(distance / count);
    squares.add(distance * (sample.value - mean.total()));
  }
  return squares.total() / count;
}

double quantile(double phi, std::vector<double>& values) {
  if (values.empty() || std::isnan(phi)) return normal_nan();
  if (phi < 0) return -kInfinity;
  if (phi > 1) return kInfinity;
  std::sort(values.begin(), values.end(), less_nan_first);
  const double last = static_cast<double>(values.size() - 1);
  const double rank = phi * last;
  const double low = std::max(0.0, std::floor(rank));
  const double high = std::min(last, low + 1);
  const double weight = rank - std::floor(rank);
  return values[static_cast<std::size_t>(low)] * (1 - weight) + values[static_cast<std::size_t>(high)] * weight;
}

Line regression(std::span<const Sample> samples, std::int64_t origin_ms) {
  const double first = samples.front().value;
  const bool constant =
      std::all_of(samples.begin(), samples.end(), [first](const Sample& sample) { return sample.value == first; });
  if (constant) {
    if (std::isinf(first)) return {normal_nan(), normal_nan()};
    return {0, first};
  }
  CompensatedSum x_sum, y_sum, xy_sum, xx_sum;
  for (const Sample& sample : samples) {
    const double x = static_cast<double>(sample.time_ms - origin_ms) / 1e3;
    x_sum.add(x);
    y_sum.add(sample.value);
    xy_sum.add(x * sample.value);
    xx_sum.add(x * x);
  }
  const double n = static_cast<double>(samples.size());
  const double covariance = xy_sum.total() - x_sum.total() * y_sum.total() / n;
  const double variance = xx_sum.total() - x_sum.total() * x_sum.total() / n;
  const double slope = covariance / variance;
  return {slope, y_sum.total() / n - slope * x_sum.total() / n};
}

double strict_max(double a, double b) {
  if (a == kInfinity || b == kInfinity) return kInfinity;
  if (std::isnan(a) || std::isnan(b)) return normal_nan();
  if (a == 0 && b == 0) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

double strict_min(double a, double b) {
  if (a == -kInfinity || b == -kInfinity) return -kInfinity;
  if (std::isnan(a) || std::isnan(b)) return normal_nan();
  if (a == 0 && b == 0) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

bool less_nan_last(double a, double b) { return std::isnan(b) ? !std::isnan(a) : a < b; }

}  // namespace rules::promql
