// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "rules/promql/evaluator.h"
#include "rules/promql/plan/grouped_series.h"

namespace rules::promql::plan {

// Which series of a rate() or increase() may not be counters, by their names: worked out once, said when such a series
// has a value.
//
// Thread safety: confined to the thread that runs the query.
class CounterDoubts {
 public:
  CounterDoubts() = default;
  CounterDoubts(const LabelTablePtr& series, CounterCheck check);

  bool any() const { return any_; }
  // REQUIRES: any().
  void note(std::size_t series, AnnotationLog& log, Place place) const;

 private:
  GroupedSeries by_name_;
  std::vector<std::string> doubts_;  // by group; "" is none
  bool any_ = false;
};

}  // namespace rules::promql::plan
