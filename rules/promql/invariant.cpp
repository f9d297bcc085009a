// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "rules/promql/evaluator.h"

namespace rules::promql {

namespace {

// Looks at the time of the step, whatever its arguments are.
bool depends_on_time(FunctionId id) {
  switch (id) {
    case FunctionId::kDaysInMonth:
    case FunctionId::kDayOfMonth:
    case FunctionId::kDayOfWeek:
    case FunctionId::kDayOfYear:
    case FunctionId::kHour:
    case FunctionId::kMinute:
    case FunctionId::kMonth:
    case FunctionId::kYear:
    case FunctionId::kPredictLinear:
    case FunctionId::kTime:
    case FunctionId::kTimestamp:
    case FunctionId::kStart:
    case FunctionId::kEnd:
    case FunctionId::kStep:
    case FunctionId::kRange:
      return true;
    default:
      return false;
  }
}

bool is_pinned(const TimeShift& shift) { return shift.at_ms.has_value() || shift.at_bound != AtBound::kNone; }

bool timestamp_of_pinned(const Call& call) {
  if (call.function != FunctionId::kTimestamp) return false;
  const auto* selector = strip_parens(*call.args[0]).as<VectorSelector>();
  return selector != nullptr && is_pinned(selector->shift);
}

class Finder {
 public:
  // True if the value of `expr` is the same at every step. What varies has its largest unvarying parts recorded.
  bool visit(const Expr& expr) {
    if (expr.as<NumberLiteral>() != nullptr || expr.as<StringLiteral>() != nullptr) return true;
    if (const auto* selector = expr.as<VectorSelector>()) return is_pinned(selector->shift);
    if (const auto* matrix = expr.as<MatrixSelector>()) return is_pinned(matrix->selector.shift);
    if (const auto* subquery = expr.as<Subquery>()) {
      if (visit(*subquery->expr)) record(*subquery->expr);
      return is_pinned(subquery->shift);
    }
    const auto parts = children(expr);
    std::vector<bool> same(parts.size());
    std::transform(parts.begin(), parts.end(), same.begin(), [this](const ExprPtr& part) { return visit(*part); });
    bool all_same = std::all_of(same.begin(), same.end(), [](bool value) { return value; });
    if (const auto* call = expr.as<Call>(); call != nullptr && depends_on_time(call->function)) {
      all_same = timestamp_of_pinned(*call);
    }
    if (all_same) return true;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (same[i]) record(*parts[i]);
    }
    return false;
  }

  void record(const Expr& expr) {
    const ValueType type = value_type(expr);
    const bool literal = expr.as<NumberLiteral>() != nullptr;
    if (!literal && (type == ValueType::kVector || type == ValueType::kScalar)) found_.insert(&expr);
  }

  std::unordered_set<const Expr*> take() { return std::move(found_); }

 private:
  std::unordered_set<const Expr*> found_;
};

}  // namespace

std::unordered_set<const Expr*> find_invariant(const Expr& query) {
  Finder finder;
  if (finder.visit(query)) finder.record(query);
  return finder.take();
}

}  // namespace rules::promql
