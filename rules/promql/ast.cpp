// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/ast.h"

#include <algorithm>

#include "core/check.h"

namespace rules::promql {

Place place_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto lines = static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return {lines + 1, static_cast<std::uint32_t>(before.size() - line_start) + 1};
}

std::string_view to_string(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd:
      return "+";
    case BinaryOp::kSub:
      return "-";
    case BinaryOp::kMul:
      return "*";
    case BinaryOp::kDiv:
      return "/";
    case BinaryOp::kMod:
      return "%";
    case BinaryOp::kPow:
      return "^";
    case BinaryOp::kAtan2:
      return "atan2";
    case BinaryOp::kEqual:
      return "==";
    case BinaryOp::kNotEqual:
      return "!=";
    case BinaryOp::kLess:
      return "<";
    case BinaryOp::kLessOrEqual:
      return "<=";
    case BinaryOp::kGreater:
      return ">";
    case BinaryOp::kGreaterOrEqual:
      return ">=";
    case BinaryOp::kAnd:
      return "and";
    case BinaryOp::kOr:
      return "or";
    case BinaryOp::kUnless:
      return "unless";
    case BinaryOp::kTrimUpper:
      return "</";
    case BinaryOp::kTrimLower:
      return ">/";
  }
  CHECK(false, "not a binary operator");
}

bool is_comparison(BinaryOp op) { return op >= BinaryOp::kEqual && op <= BinaryOp::kGreaterOrEqual; }

bool is_set_operator(BinaryOp op) { return op >= BinaryOp::kAnd && op <= BinaryOp::kUnless; }

ValueType value_type(const Expr& expr) {
  return std::visit(Overloaded{
                        [](const NumberLiteral&) { return ValueType::kScalar; },
                        [](const StringLiteral&) { return ValueType::kString; },
                        [](const VectorSelector&) { return ValueType::kVector; },
                        [](const MatrixSelector&) { return ValueType::kMatrix; },
                        [](const Subquery&) { return ValueType::kMatrix; },
                        [](const Call& call) { return signature(call.function).returns; },
                        [](const Aggregate&) { return ValueType::kVector; },
                        [](const Binary& binary) {
                          const bool scalars = value_type(*binary.lhs) == ValueType::kScalar &&
                                               value_type(*binary.rhs) == ValueType::kScalar;
                          return scalars ? ValueType::kScalar : ValueType::kVector;
                        },
                        [](const Unary& unary) { return value_type(*unary.expr); },
                        [](const Paren& paren) { return value_type(*paren.expr); },
                    },
                    expr.node);
}

const Expr& strip_parens(const Expr& expr) {
  const Expr* inner = &expr;
  while (const auto* paren = inner->as<Paren>()) inner = paren->expr.get();
  return *inner;
}

std::vector<ExprPtr> children(const Expr& expr) {
  using List = std::vector<ExprPtr>;
  return std::visit(Overloaded{
                        [](const NumberLiteral&) { return List{}; },
                        [](const StringLiteral&) { return List{}; },
                        [](const VectorSelector&) { return List{}; },
                        [](const MatrixSelector&) { return List{}; },
                        [](const Subquery& subquery) { return List{subquery.expr}; },
                        [](const Call& call) { return call.args; },
                        [](const Aggregate& aggregate) {
                          return aggregate.param ? List{aggregate.param, aggregate.expr} : List{aggregate.expr};
                        },
                        [](const Binary& binary) { return List{binary.lhs, binary.rhs}; },
                        [](const Unary& unary) { return List{unary.expr}; },
                        [](const Paren& paren) { return List{paren.expr}; },
                    },
                    expr.node);
}

}  // namespace rules::promql
