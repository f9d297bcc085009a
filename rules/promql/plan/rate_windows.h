// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rules/promql/evaluator.h"
#include "rules/promql/range_functions.h"

namespace rules::promql::plan {

// What the times of a series' samples say about rate(), increase() and delta() at each step: which samples are the ends
// of the window, and how far to extrapolate.
//
// Thread safety: immutable after construction.
class RateWindows {
 public:
  RateWindows() = default;
  RateWindows(std::span<const Sample> samples, const WindowShape& shape, const TimeGrid& grid);

  // One value a step from the values of the samples, in their order; false if there is none at any step. No value
  // stands where the window has fewer than two samples.
  bool extrapolate(std::span<const double> values, RateKind kind, double range_seconds, std::span<double> out) const;

 private:
  void add_resets(std::span<const double> values, std::span<double> difference) const;

  std::vector<std::uint32_t> first_;
  std::vector<std::uint32_t> last_;
  std::vector<double> span_;
  std::vector<double> to_start_;
  std::vector<double> to_end_;
  std::vector<std::uint32_t> empty_;  // steps without a value
};

}  // namespace rules::promql::plan
