// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rules/promql/plan/plan_node.h"

namespace rules::promql::plan {

// Nodes that make of each value another one: null where the Evaluator has to do it.

// function(vector), and -vector.
PlanNodePtr make_element_node(PlanNodePtr operand, double (*function)(double));

// A vector on one side of an operator, a scalar on the other. `operation` outlives the node.
PlanNodePtr make_scalar_operand_node(const Binary& operation, PlanNodePtr vector);

// absent(vector): `labels` are what its only series has.
PlanNodePtr make_absent_node(PlanNodePtr operand, const Labels& labels, LabelPool& pool);

}  // namespace rules::promql::plan
