// SPDX-License-Identifier: Apache-2.0
// Duration expressions: what stands in brackets and after `offset`.
#include <algorithm>

#include "core/check.h"
#include "rules/promql/grammar.h"
#include "rules/promql/literals.h"

namespace rules::promql {
namespace {

constexpr int kOperandOfSign = 3;

struct DurationRule {
  DurationOp op;
  int precedence;
};

std::optional<DurationRule> rule_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kAdd:
      return DurationRule{DurationOp::kAdd, 1};
    case TokenKind::kSub:
      return DurationRule{DurationOp::kSub, 1};
    case TokenKind::kMul:
      return DurationRule{DurationOp::kMul, 2};
    case TokenKind::kDiv:
      return DurationRule{DurationOp::kDiv, 2};
    case TokenKind::kMod:
      return DurationRule{DurationOp::kMod, 2};
    case TokenKind::kPow:
      return DurationRule{DurationOp::kPow, 3};
    default:
      return std::nullopt;
  }
}

bool is_plain_literal(const DurationExpr& expr) { return expr.op == DurationOp::kLiteral && !expr.wrapped; }

}  // namespace

DurationExprPtr Grammar::make_duration(DurationExpr node) {
  const std::size_t below = std::max<std::size_t>(node.lhs ? node.lhs->height : 0, node.rhs ? node.rhs->height : 0);
  if (below >= kMaxNesting) {
    fail_at(node.span, fmt::format("nested deeper than {} levels", kMaxNesting));
    return nullptr;
  }
  node.height = static_cast<std::uint16_t>(below + 1);
  return std::make_shared<const DurationExpr>(std::move(node));
}

DurationExprPtr Grammar::duration(int min_precedence) {
  const Nesting nesting(*this);
  if (failed()) return nullptr;
  DurationExprPtr lhs;
  if (is(TokenKind::kAdd) || is(TokenKind::kSub)) {
    const Token sign = token();
    advance();
    lhs = duration(kOperandOfSign);
    if (lhs && sign.kind == TokenKind::kSub) lhs = negated(lhs, sign.span.start);
  } else {
    lhs = duration_primary();
  }
  while (lhs) {
    const auto rule = rule_of(token().kind);
    if (!rule || rule->precedence < min_precedence) break;
    lhs = duration_binary(std::move(lhs), rule->precedence);
  }
  return lhs;
}

DurationExprPtr Grammar::duration_binary(DurationExprPtr lhs, int precedence) {
  const Token sign = token();
  const DurationOp op = rule_of(sign.kind)->op;
  advance();
  DurationExprPtr rhs = duration(op == DurationOp::kPow ? precedence : precedence + 1);
  if (!rhs) return nullptr;
  const bool zero = is_plain_literal(*rhs) && rhs->seconds == 0;
  if (zero && (op == DurationOp::kDiv || op == DurationOp::kMod)) {
    fail_at(sign.span, op == DurationOp::kDiv ? "division by zero" : "modulo by zero");
    return nullptr;
  }
  DurationExpr node;
  node.op = op;
  node.span = {lhs->span.start, rhs->span.end};
  node.lhs = std::move(lhs);
  node.rhs = std::move(rhs);
  return make_duration(std::move(node));
}

DurationExprPtr Grammar::duration_primary() {
  const Token first = token();
  switch (first.kind) {
    case TokenKind::kNumber:
    case TokenKind::kDuration: {
      const auto seconds = literal_seconds();
      if (!seconds) return nullptr;
      DurationExpr node;
      node.op = DurationOp::kLiteral;
      node.seconds = *seconds;
      node.style = first.kind == TokenKind::kDuration ? NumberStyle::kDuration : NumberStyle::kNumber;
      node.span = first.span;
      return make_duration(std::move(node));
    }
    case TokenKind::kLeftParen: {
      advance();
      const DurationExprPtr inner = duration(kAnyPrecedence);
      if (!inner || !expect(TokenKind::kRightParen)) return nullptr;
      // Doubled parentheses mean and print as single ones. The span stays that of the inside: so errors name it.
      DurationExpr node = *inner;
      node.wrapped = true;
      return make_duration(std::move(node));
    }
    case TokenKind::kStep:
    case TokenKind::kRange:
    case TokenKind::kMaxOf:
    case TokenKind::kMinOf:
      return duration_call();
    default:
      // The rule that wanted a duration knows what to say.
      return nullptr;
  }
}

DurationExprPtr Grammar::duration_call() {
  const Token name = token();
  advance();
  DurationExpr node;
  if (!expect(TokenKind::kLeftParen)) return nullptr;
  if (name.kind == TokenKind::kStep || name.kind == TokenKind::kRange) {
    node.op = name.kind == TokenKind::kStep ? DurationOp::kStep : DurationOp::kRange;
  } else {
    node.op = name.kind == TokenKind::kMinOf ? DurationOp::kMinOf : DurationOp::kMaxOf;
    node.lhs = duration(kAnyPrecedence);
    if (!node.lhs || !expect(TokenKind::kComma)) return nullptr;
    node.rhs = duration(kAnyPrecedence);
    if (!node.rhs) return nullptr;
  }
  if (!expect(TokenKind::kRightParen)) return nullptr;
  node.span = from(name.span.start);
  return make_duration(std::move(node));
}

DurationExprPtr Grammar::negated(DurationExprPtr operand, std::uint32_t start) {
  const std::uint32_t end = operand->span.end;
  if (is_plain_literal(*operand)) {
    DurationExpr node = *operand;
    node.seconds = -node.seconds;
    node.span = {start, end};
    return make_duration(std::move(node));
  }
  DurationExpr node;
  node.op = DurationOp::kSub;
  node.rhs = std::move(operand);
  node.span = {start, end};
  return make_duration(std::move(node));
}

// Without parentheses `offset` takes one operand, so that `foo offset 1m * 2` multiplies foo. An unsigned parenthesis
// starts an expression that goes on after it.
DurationExprPtr Grammar::offset_duration() {
  const Token first = token();
  const bool sign = first.kind == TokenKind::kAdd || first.kind == TokenKind::kSub;
  DurationExprPtr read;
  if (sign) {
    advance();
    read = duration_primary();
    if (read && first.kind == TokenKind::kSub) read = negated(read, first.span.start);
  } else if (first.kind == TokenKind::kLeftParen) {
    read = duration(kAnyPrecedence);
  } else {
    read = duration_primary();
  }
  if (!read) unexpected("offset", "number, duration, step(), or range()");
  return read;
}

bool Grammar::settle(const DurationExprPtr& read, Sign sign, std::int64_t& ms, DurationExprPtr& expr) {
  if (!is_plain_literal(*read)) {
    expr = read;
    return true;
  }
  const auto milliseconds = literal_milliseconds(read->seconds);
  if (sign == Sign::kPositive && read->seconds <= 0) {
    fail_at(read->span, "duration must be greater than 0");
  } else if (!milliseconds) {
    fail_at(read->span, "duration out of range");
  } else if (sign == Sign::kPositive && *milliseconds <= 0) {
    fail_at(read->span, "duration must be greater than 0");
  } else {
    ms = *milliseconds;
  }
  return !failed();
}

}  // namespace rules::promql
