// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "rules/promql/value.h"

namespace rules::promql {

// A sum that carries the rounding error of each addition beside it (Neumaier's variant of Kahan's), so that
// 1e100 + 1 - 1e100 is 1. The sum of products must not be fused (-ffp-contract=off) or the digits change.
//
// Thread safety: a value.
struct CompensatedSum {
  double sum = 0;
  double compensation = 0;

  void add(double x) {
    const double next = sum + x;
    if (std::isinf(next)) {
      compensation = 0;
    } else if (std::fabs(sum) >= std::fabs(x)) {
      compensation += (sum - next) + x;
    } else {
      compensation += (x - next) + sum;
    }
    sum = next;
  }
  double total() const { return sum + compensation; }
};

// The arithmetic mean, exact while the sum fits into a double, incremental from the first overflow on: values near the
// largest double average without becoming infinite.
//
// Thread safety: a value.
class Mean {
 public:
  void add(double x);
  // REQUIRES: a value was added.
  double value() const;

 private:
  CompensatedSum state_;  // the sum; the mean itself once incremental
  double count_ = 0;
  bool incremental_ = false;
};

// Welford's recurrence, plain, as the aggregations stddev and stdvar use it. A first value that is not finite makes
// the variance NaN.
//
// Thread safety: a value.
class Variance {
 public:
  void add(double x);
  double population() const { return squares_ / count_; }

 private:
  double count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

// The same with both sums compensated, as stddev_over_time and stdvar_over_time use it.
double compensated_variance(std::span<const Sample> samples);

// The φ-quantile by linear interpolation between neighbours, NaN sorting below everything. Reorders `values`.
// NaN for no values or φ NaN; -Inf below 0, +Inf above 1.
double quantile(double phi, std::vector<double>& values);

struct Line {
  double slope = 0;
  double intercept = 0;
};

// Least squares through the samples, x in seconds from `origin_ms`. REQUIRES: samples not empty.
Line regression(std::span<const Sample> samples, std::int64_t origin_ms);

// max and min of the language: NaN wins, except over the infinity of the function's own side; +0 is above -0.
double strict_max(double a, double b);
double strict_min(double a, double b);

// a < b for sorting, with NaN after every number.
bool less_nan_last(double a, double b);

}  // namespace rules::promql
