// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/durations.h"

#include <cmath>

#include "core/check.h"

namespace rules::promql {
namespace {

using core::Errc;

core::Result<double> fail_at(const DurationExpr& expr, std::string_view message) {
  return core::fail(Errc::kInvalid, "{}:{}: {}", expr.span.start, expr.span.end, message);
}

core::Result<double> seconds_of(const DurationExpr& expr, DurationBounds bounds);

core::Result<double> combine(const DurationExpr& expr, double lhs, double rhs) {
  switch (expr.op) {
    case DurationOp::kAdd:
      return lhs + rhs;
    case DurationOp::kSub:
      return lhs - rhs;
    case DurationOp::kMul:
      return lhs * rhs;
    case DurationOp::kDiv:
      return rhs == 0 ? fail_at(expr, "division by zero") : lhs / rhs;
    case DurationOp::kMod:
      return rhs == 0 ? fail_at(expr, "modulo by zero") : std::fmod(lhs, rhs);
    case DurationOp::kPow:
      return std::pow(lhs, rhs);
    case DurationOp::kMinOf:
      return std::fmin(lhs, rhs);
    case DurationOp::kMaxOf:
      return std::fmax(lhs, rhs);
    case DurationOp::kStep:
    case DurationOp::kRange:
    case DurationOp::kLiteral:
      break;
  }
  CHECK(false, "not an operator of two durations");
}

core::Result<double> seconds_of(const DurationExpr& expr, DurationBounds bounds) {
  switch (expr.op) {
    case DurationOp::kLiteral:
      return expr.seconds;
    case DurationOp::kStep:
      return static_cast<double>(bounds.step_ms) / 1000.0;
    case DurationOp::kRange:
      return static_cast<double>(bounds.range_ms) / 1000.0;
    default:
      break;
  }
  core::Result<double> lhs = 0.0;
  if (expr.lhs) lhs = seconds_of(*expr.lhs, bounds);
  if (!lhs) return lhs;
  const core::Result<double> rhs = seconds_of(*expr.rhs, bounds);
  if (!rhs) return rhs;
  return combine(expr, *lhs, *rhs);
}

enum class Sign { kAny, kPositive };

// Sets `ms` to what `expr` means; leaves it alone where there is no expression.
core::Result<void> resolve(const DurationExprPtr& expr, Sign sign, DurationBounds bounds, std::int64_t& ms) {
  if (!expr) return {};
  auto seconds = seconds_of(*expr, bounds);
  if (seconds && !std::isfinite(*seconds)) seconds = fail_at(*expr, "duration is NaN or infinite");
  if (seconds && sign == Sign::kPositive && *seconds <= 0) {
    seconds = fail_at(*expr, "duration must be greater than 0");
  }
  // 2^63 ns, past which Prometheus has no representation.
  if (seconds && std::abs(*seconds) > 9223372036.854775807) seconds = fail_at(*expr, "duration is out of range");
  if (!seconds) return core::fail(seconds.error());
  ms = static_cast<std::int64_t>(std::trunc(*seconds * 1000));
  if (sign == Sign::kPositive && ms == 0) {
    return core::fail(fail_at(*expr, "duration must be greater than 0").error());
  }
  return {};
}

class Resolver {
 public:
  explicit Resolver(DurationBounds bounds) : bounds_(bounds) {}

  core::Result<ExprPtr> run(const ExprPtr& expr) {
    if (!has_duration_expressions(*expr)) return expr;
    auto copy = std::make_shared<Expr>(*expr);
    auto done = std::visit([this](auto& node) { return resolve_node(node); }, copy->node);
    if (!done) return core::fail(done.error());
    return ExprPtr(std::move(copy));
  }

 private:
  core::Result<void> child(ExprPtr& expr) {
    auto resolved = run(expr);
    if (!resolved) return core::fail(resolved.error());
    expr = std::move(*resolved);
    return {};
  }

  core::Result<void> children(std::vector<ExprPtr>& exprs) {
    for (ExprPtr& expr : exprs) {
      if (auto done = child(expr); !done) return done;
    }
    return {};
  }

  core::Result<void> resolve_node(NumberLiteral&) { return {}; }
  core::Result<void> resolve_node(StringLiteral&) { return {}; }

  core::Result<void> resolve_node(VectorSelector& node) {
    return resolve(node.shift.offset_expr, Sign::kAny, bounds_, node.shift.offset_ms);
  }

  core::Result<void> resolve_node(MatrixSelector& node) {
    if (auto done = resolve(node.range_expr, Sign::kPositive, bounds_, node.range_ms); !done) return done;
    return resolve_node(node.selector);
  }

  core::Result<void> resolve_node(Subquery& node) {
    if (auto done = resolve(node.shift.offset_expr, Sign::kAny, bounds_, node.shift.offset_ms); !done) return done;
    if (auto done = resolve(node.step_expr, Sign::kPositive, bounds_, node.step_ms); !done) return done;
    if (auto done = resolve(node.range_expr, Sign::kPositive, bounds_, node.range_ms); !done) return done;
    return child(node.expr);
  }

  core::Result<void> resolve_node(Call& node) { return children(node.args); }

  core::Result<void> resolve_node(Aggregate& node) {
    if (node.param) {
      if (auto done = child(node.param); !done) return done;
    }
    return child(node.expr);
  }

  core::Result<void> resolve_node(Binary& node) {
    if (auto done = child(node.lhs); !done) return done;
    return child(node.rhs);
  }

  core::Result<void> resolve_node(Unary& node) { return child(node.expr); }
  core::Result<void> resolve_node(Paren& node) { return child(node.expr); }

  DurationBounds bounds_;
};

}  // namespace

bool has_duration_expressions(const Expr& expr) {
  if (const auto* vector = expr.as<VectorSelector>()) return vector->shift.offset_expr != nullptr;
  if (const auto* matrix = expr.as<MatrixSelector>()) {
    return matrix->range_expr != nullptr || matrix->selector.shift.offset_expr != nullptr;
  }
  if (const auto* subquery = expr.as<Subquery>()) {
    if (subquery->range_expr || subquery->step_expr || subquery->shift.offset_expr) return true;
  }
  for (const ExprPtr& child : children(expr)) {
    if (has_duration_expressions(*child)) return true;
  }
  return false;
}

core::Result<ExprPtr> resolve_durations(const ExprPtr& expr, DurationBounds bounds) {
  return Resolver(bounds).run(expr);
}

}  // namespace rules::promql
