// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "rules/promql/ast.h"

namespace promqltest {

// True if no function in the query looks at the evaluation time itself: pinned by @, it is the same at any time.
bool can_be_pinned(const rules::promql::Expr& query);

// The query with `@ time` on every selector and outermost subquery that has no literal @. It must then give at any
// evaluation time what it gave at `time`.
rules::promql::ExprPtr pin(const rules::promql::ExprPtr& query, std::int64_t time_ms);

}  // namespace promqltest
