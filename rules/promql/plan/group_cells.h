// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "rules/promql/plan/lane_math.h"
#include "rules/promql/plan/row_block.h"
#include "rules/promql/statistics.h"

namespace rules::promql::plan {

// What the groups of an aggregation gather, one cell for each step of each group. Values come series by series, and
// each cell takes them in that order: as the Evaluator, which goes step by step, lets its accumulators have them.

struct MeanCell {
  void add(double x) {
    mean.add(x);
    any = true;
  }
  double result() const { return any ? mean.value() : no_value(); }
  Mean mean;
  bool any = false;
};

struct MinCell {
  void add(double x) {
    if (x < lowest || std::isnan(lowest)) lowest = x;
  }
  double result() const { return lowest; }
  double lowest = no_value();
};

struct MaxCell {
  void add(double x) {
    if (x > highest || std::isnan(highest)) highest = x;
  }
  double result() const { return highest; }
  double highest = no_value();
};

struct CountCell {
  void add(double) { count += 1; }
  double result() const { return count > 0 ? count : no_value(); }
  double count = 0;
};

struct PresenceCell {
  void add(double) { value = 1; }
  double result() const { return value; }
  double value = no_value();
};

template <bool kRoot>
struct VarianceCell {
  void add(double x) {
    variance.add(x);
    any = true;
  }
  double result() const {
    if (!any) return no_value();
    return kRoot ? std::sqrt(variance.population()) : variance.population();
  }
  Variance variance;
  bool any = false;
};

// Thread safety: confined to one thread.
template <class Cell>
class CellRows {
 public:
  explicit CellRows(std::size_t steps) : steps_(steps) {}
  void add_row() { cells_.resize(cells_.size() + steps_); }
  void gather(std::size_t row, std::span<const double> values) {
    Cell* cell = cells_.data() + row * steps_;
    for (const double value : values) {
      if (has_value(value)) cell->add(value);
      ++cell;
    }
  }
  void results(std::size_t row, std::span<double> out) const {
    for (std::size_t step = 0; step < steps_; ++step) out[step] = cells_[row * steps_ + step].result();
  }

 private:
  std::size_t steps_;
  std::vector<Cell> cells_;
};

// The same for sums, with the parts of the cells beside each other, so that several steps are added up at once.
//
// Thread safety: confined to one thread.
class SumRows {
 public:
  explicit SumRows(std::size_t steps) : steps_(steps) {}
  void add_row() {
    sums_.resize(sums_.size() + steps_, no_value());
    compensations_.resize(sums_.size());
  }
  void gather(std::size_t row, std::span<const double> values) {
    add_compensated(sums_.data() + row * steps_, compensations_.data() + row * steps_, values.data(), steps_);
  }
  void results(std::size_t row, std::span<double> out) const {
    for (std::size_t step = 0; step < steps_; ++step) {
      const double sum = sums_[row * steps_ + step];
      out[step] = has_value(sum) ? sum + compensations_[row * steps_ + step] : no_value();
    }
  }

 private:
  std::size_t steps_;
  std::vector<double> sums_;
  std::vector<double> compensations_;
};

}  // namespace rules::promql::plan
