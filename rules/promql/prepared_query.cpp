// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/prepared_query.h"

#include <utility>

#include "rules/promql/durations.h"
#include "rules/promql/evaluator.h"
#include "rules/promql/plan/plan.h"

namespace rules::promql {

PreparedQuery::PreparedQuery(ExprPtr expr) : expr_(std::move(expr)) {
  if (has_duration_expressions(*expr_)) return;
  invariant_ = find_invariant(*expr_);
  plan_ = std::make_unique<plan::Plan>(*expr_);
}

PreparedQuery::~PreparedQuery() = default;
PreparedQuery::PreparedQuery(PreparedQuery&&) noexcept = default;
PreparedQuery& PreparedQuery::operator=(PreparedQuery&&) noexcept = default;

std::size_t PreparedQuery::series_held() const { return plan_ ? plan_->series_held() : 0; }

}  // namespace rules::promql
