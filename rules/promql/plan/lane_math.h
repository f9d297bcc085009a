// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace rules::promql::plan {

// The arithmetic of long rows, written so that the compiler does several steps at once. Each step's result has the same
// bits as the scalar code it stands for: the same operations in the same order, none fused.

// Adds values[i] to the compensated sum i as CompensatedSum does. Neither a sum nor a value is there where no_value()
// stands; the first value is the sum.
void add_compensated(double* sums, double* compensations, const double* values, std::size_t count);

// The part of extrapolated() (range_functions.h) that differs from series to series: out[i] from the difference between
// the ends of window i, its first value, and what the times of its samples say.
struct RateLanes {
  const double* difference;
  const double* first;
  const double* span;
  const double* to_start;
  const double* to_end;
  double divisor;  // the window's seconds; 1: increase, not rate
  bool counter;
};
void extrapolate_lanes(const RateLanes& in, double* out, std::size_t count);

}  // namespace rules::promql::plan
