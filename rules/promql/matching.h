// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "rules/promql/evaluator.h"
#include "rules/promql/series.h"

namespace rules::promql {

// The labels by which a series finds its partners.
Labels match_group(const VectorMatching& matching, const Labels& labels);

// The match group of every series of two operands, as small numbers: computed once, used at every step.
//
// Thread safety: immutable after construction.
class MatchGroups {
 public:
  MatchGroups(const VectorMatching& matching, const SeriesList& first, const SeriesList& second);

  std::size_t size() const { return labels_.size(); }
  std::size_t of_first(std::size_t series) const { return first_[series]; }
  std::size_t of_second(std::size_t series) const { return second_[series]; }
  const LabelsPtr& labels(std::size_t group) const { return labels_[group]; }

 private:
  std::vector<LabelsPtr> labels_;
  std::vector<std::size_t> first_;
  std::vector<std::size_t> second_;
};

bool is_trim(BinaryOp op);
// A histogram operator met floats.
void note_incompatible(QueryContext& context, const Binary& operation, Place place);

}  // namespace rules::promql
