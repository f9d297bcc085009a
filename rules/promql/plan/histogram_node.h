// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rules/promql/plan/plan_node.h"

namespace rules::promql::plan {

// histogram_quantile(φ, buckets). `call` outlives the node; null without an operand.
PlanNodePtr make_histogram_node(const Call& call, PlanNodePtr buckets);

}  // namespace rules::promql::plan
