// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/ring/ring.h"
#include "rules/promql/ast.h"
#include "rules/promql/plan/label_table.h"

namespace rules::promql::plan {

// The series that a selector finds, kept until the index of the ring changes.
//
// Thread safety: confined to the thread that runs the query.
class ResolvedSelector {
 public:
  // Both outlive the object.
  ResolvedSelector(const VectorSelector& selector, LabelPool& pool) : selector_(selector), pool_(pool) {}

  // REQUIRES: always the same reader.
  void refresh(const core::ring::Reader& reader);

  // Sorted by labels, as is series().
  const std::vector<core::ring::SeriesRef>& refs() const { return refs_; }
  const LabelTablePtr& series() const { return series_; }

 private:
  const VectorSelector& selector_;
  LabelPool& pool_;
  std::optional<std::uint64_t> generation_;
  std::vector<core::ring::SeriesRef> found_;  // as the ring gave them
  std::vector<core::ring::SeriesRef> refs_;
  LabelTablePtr series_;
};

}  // namespace rules::promql::plan
