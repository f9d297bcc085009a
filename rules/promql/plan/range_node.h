// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rules/promql/plan/plan_node.h"

namespace rules::promql::plan {

// A function of one range vector and nothing else, as rate(x[5m]). Null where the Evaluator has to do it: other
// arguments, subqueries, pinned selectors, edges that are not plain. Both arguments outlive the node.
PlanNodePtr make_range_node(const Call& call, LabelPool& pool);

}  // namespace rules::promql::plan
