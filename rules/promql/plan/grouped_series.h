// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "rules/promql/plan/label_table.h"

namespace rules::promql::plan {

// The series of a vector by the labels that are left of them when some are taken away.
//
// Thread safety: immutable after construction.
class GroupedSeries {
 public:
  GroupedSeries() = default;
  // Looks at each label name once for each of its values, not for each series.
  GroupedSeries(LabelTablePtr input, const std::function<bool(std::string_view name)>& keep);

  // What was grouped; null if nothing was yet.
  const LabelTablePtr& input() const { return input_; }
  // The groups, numbered in the order of their first series.
  const LabelTablePtr& groups() const { return groups_; }
  std::uint32_t group_of(std::size_t series) const { return group_of_[series]; }
  // No two series fell into one group.
  bool all_apart() const { return groups_->size() == group_of_.size(); }

 private:
  LabelTablePtr input_;
  LabelTablePtr groups_;
  std::vector<std::uint32_t> group_of_;
};

// What functions and arithmetic leave of a series' labels.
GroupedSeries without_reserved(LabelTablePtr input);

}  // namespace rules::promql::plan
