// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_map>

#include "rules/promql/plan/plan_node.h"

namespace rules::promql::plan {

// The parts of a query that nodes evaluate instead of the Evaluator, each as large as it can be.
//
// Thread safety: confined to one thread at a time.
class Plan {
 public:
  // `query` outlives the plan.
  explicit Plan(const Expr& query) : query_(query) { build(); }

  // To be called before an evaluation.
  void begin();

  // The value of a part at the steps of a grid; none where the Evaluator has to find it.
  std::optional<core::Result<SeriesList>> vector(const Expr& part, QueryContext& context, const TimeGrid& grid);

  // How many series its selectors found at the last evaluation.
  std::size_t series_held() const;

 private:
  void build();
  void add(const Expr& part);
  PlanNodePtr make(const Expr& expr);
  PlanNodePtr make_call(const Call& call);

  const Expr& query_;
  std::unique_ptr<LabelPool> pool_;
  std::size_t pool_limit_ = 0;
  std::unordered_map<const Expr*, PlanNodePtr> nodes_;
};

}  // namespace rules::promql::plan
