// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/result.h"
#include "rules/promql/ast.h"

namespace rules::promql {

// What step() and range() mean in a duration expression: both 0 in an instant query.
struct DurationBounds {
  std::int64_t step_ms = 0;
  std::int64_t range_ms = 0;  // end - start of the query
};

bool has_duration_expressions(const Expr& expr);

// The same tree with offset_ms, range_ms and step_ms of every duration expression set; subtrees without one are
// shared. To be called once, before a query runs. kInvalid `4:10: duration must be greater than 0`, with byte offsets
// of the duration expression.
core::Result<ExprPtr> resolve_durations(const ExprPtr& expr, DurationBounds bounds);

}  // namespace rules::promql
