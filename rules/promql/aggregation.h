// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rules/promql/evaluator.h"
#include "rules/promql/series.h"

namespace rules::promql {

// Which group each series of an aggregation's input belongs to.
struct Grouping {
  struct Group {
    LabelsPtr labels;
    bool drop_name = false;
  };
  std::vector<std::size_t> group_of;  // by index of the input series
  std::vector<Group> groups;          // in the order of first appearance
};

Grouping group_series(const Aggregate& operation, const SeriesList& input);
// The labels of the group that a series with these labels belongs to.
Labels group_labels(const Labels& labels, GroupingMode mode, std::span<const std::string> names);

// topk, bottomk, limitk and limit_ratio: they choose among the series instead of combining them.
core::Result<SeriesList> select_series(QueryContext& context, const TimeGrid& grid, const Aggregate& operation,
                                       const SeriesList& input, std::span<const double> parameter);

}  // namespace rules::promql
