// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rules/promql/plan/plan_node.h"

namespace rules::promql::plan {

// The newest sample of each series at each step. Null for a selector that `@` pins or whose edges are not plain. Both
// arguments outlive the node.
PlanNodePtr make_selector_node(const VectorSelector& selector, LabelPool& pool);

bool is_plain(const VectorSelector& selector);

}  // namespace rules::promql::plan
