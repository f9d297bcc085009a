// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "rules/promql/value.h"

namespace rules::promql::plan {

// Stands at a step where a series has no value. No value looks like it: selectors take stale markers out, and what
// arithmetic makes of any NaN is a quiet one.
inline double no_value() { return core::ring::stale_marker(); }
inline bool has_value(double value) { return !core::ring::is_stale(value); }

// Some series of a vector with their values at all steps of the query: what the nodes of a plan hand on. Small enough
// to stay in the cache on its way.
//
// Thread safety: a value.
// Invariants: values.size() == series.size() * steps; between nodes, every row has a value at some step.
struct RowBlock {
  std::size_t steps = 1;
  std::vector<std::uint32_t> series;  // numbers in the node's label table
  std::vector<double> values;         // row by row

  std::size_t rows() const { return series.size(); }
  std::span<double> row(std::size_t i) { return std::span(values).subspan(i * steps, steps); }
  std::span<const double> row(std::size_t i) const { return std::span(values).subspan(i * steps, steps); }

  void clear() {
    series.clear();
    values.clear();
  }
  // How many rows a block has at most.
  std::size_t capacity() const {
    constexpr std::size_t kValuesMax = 2048;
    return steps >= kValuesMax ? 1 : kValuesMax / steps;
  }
  bool full() const { return rows() >= capacity(); }

  // A row to fill in; take_back() if nothing came of it.
  std::span<double> add(std::uint32_t number) {
    series.push_back(number);
    values.resize(values.size() + steps);
    return row(rows() - 1);
  }
  // So many rows of series with consecutive numbers, all without values.
  void assign(std::uint32_t first, std::size_t count);
  void take_back() {
    series.pop_back();
    values.resize(values.size() - steps);
  }
  // Takes out the rows without any value.
  void drop_empty_rows();
};

// Calls apply(value, step) for each value there is and keeps what it returns.
template <class Apply>
void transform_values(RowBlock& block, Apply&& apply) {
  double* value = block.values.data();
  for (std::size_t row = 0; row < block.rows(); ++row) {
    for (std::size_t step = 0; step < block.steps; ++step, ++value) {
      if (has_value(*value)) *value = apply(*value, step);
    }
  }
}

}  // namespace rules::promql::plan
