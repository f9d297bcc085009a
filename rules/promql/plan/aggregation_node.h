// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rules/promql/plan/plan_node.h"

namespace rules::promql::plan {

// sum, avg, min, max, count, group, stddev and stdvar; null for the others. `operation` outlives the node.
PlanNodePtr make_aggregation_node(const Aggregate& operation, PlanNodePtr operand);

}  // namespace rules::promql::plan
