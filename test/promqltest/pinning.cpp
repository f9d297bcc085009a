// SPDX-License-Identifier: Apache-2.0
#include "pinning.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace promqltest {

using namespace rules::promql;  // NOLINT(google-build-using-namespace): every name below is one of the syntax tree

namespace {

constexpr std::array kTimeDependent = {
    FunctionId::kDaysInMonth, FunctionId::kDayOfMonth,    FunctionId::kDayOfWeek, FunctionId::kDayOfYear,
    FunctionId::kHour,        FunctionId::kMinute,        FunctionId::kMonth,     FunctionId::kYear,
    FunctionId::kTime,        FunctionId::kPredictLinear, FunctionId::kTimestamp, FunctionId::kStart,
    FunctionId::kEnd,         FunctionId::kStep,          FunctionId::kRange,
};

void pin_shift(TimeShift& shift, std::int64_t time_ms) {
  if (!shift.at_ms) shift.at_ms = time_ms;
  shift.at_bound = AtBound::kNone;
}

}  // namespace

bool can_be_pinned(const Expr& query) {
  if (const auto* call = query.as<Call>()) {
    if (std::find(kTimeDependent.begin(), kTimeDependent.end(), call->function) != kTimeDependent.end()) return false;
  }
  const auto parts = children(query);
  return std::all_of(parts.begin(), parts.end(), [](const ExprPtr& part) { return can_be_pinned(*part); });
}

ExprPtr pin(const ExprPtr& query, std::int64_t time_ms) {
  auto copy = std::make_shared<Expr>(*query);
  const auto pinned = [time_ms](ExprPtr& part) {
    if (part) part = pin(part, time_ms);
  };
  std::visit(Overloaded{
                 [](NumberLiteral&) {},
                 [](StringLiteral&) {},
                 [&](VectorSelector& selector) { pin_shift(selector.shift, time_ms); },
                 [&](MatrixSelector& matrix) { pin_shift(matrix.selector.shift, time_ms); },
                 [&](Subquery& subquery) { pin_shift(subquery.shift, time_ms); },
                 [&](Call& call) {
                   // The second argument of info() is no selector of its own.
                   const std::size_t count = call.function == FunctionId::kInfo ? 1 : call.args.size();
                   for (std::size_t i = 0; i < count; ++i) pinned(call.args[i]);
                 },
                 [&](Aggregate& aggregate) {
                   pinned(aggregate.expr);
                   pinned(aggregate.param);
                 },
                 [&](Binary& binary) {
                   pinned(binary.lhs);
                   pinned(binary.rhs);
                 },
                 [&](Unary& unary) { pinned(unary.expr); },
                 [&](Paren& paren) { pinned(paren.expr); },
             },
             copy->node);
  return copy;
}

}  // namespace promqltest
