// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/grammar.h"

#include <algorithm>
#include <array>

#include "core/check.h"
#include "core/ring/labels.h"
#include "rules/promql/literals.h"

namespace rules::promql {
namespace {

using core::ring::go_quote;

enum class Associativity : std::uint8_t { kLeft, kRight };

struct OperatorRule {
  TokenKind token;
  BinaryOp op;
  int precedence;  // higher binds tighter
  Associativity associativity = Associativity::kLeft;
};

constexpr std::array<OperatorRule, 18> kOperators = {{
    {TokenKind::kOr, BinaryOp::kOr, 1},
    {TokenKind::kAnd, BinaryOp::kAnd, 2},
    {TokenKind::kUnless, BinaryOp::kUnless, 2},
    {TokenKind::kEqual, BinaryOp::kEqual, 3},
    {TokenKind::kNotEqual, BinaryOp::kNotEqual, 3},
    {TokenKind::kLess, BinaryOp::kLess, 3},
    {TokenKind::kLessOrEqual, BinaryOp::kLessOrEqual, 3},
    {TokenKind::kGreater, BinaryOp::kGreater, 3},
    {TokenKind::kGreaterOrEqual, BinaryOp::kGreaterOrEqual, 3},
    {TokenKind::kTrimUpper, BinaryOp::kTrimUpper, 3},
    {TokenKind::kTrimLower, BinaryOp::kTrimLower, 3},
    {TokenKind::kAdd, BinaryOp::kAdd, 4},
    {TokenKind::kSub, BinaryOp::kSub, 4},
    {TokenKind::kMul, BinaryOp::kMul, 5},
    {TokenKind::kDiv, BinaryOp::kDiv, 5},
    {TokenKind::kMod, BinaryOp::kMod, 5},
    {TokenKind::kAtan2, BinaryOp::kAtan2, 5},
    {TokenKind::kPow, BinaryOp::kPow, 6, Associativity::kRight},
}};

// A sign binds as tightly as `*`, so only operators above that belong to its operand.
constexpr int kOperandOfSign = 6;

const OperatorRule* rule_of(TokenKind kind) {
  const auto* const found = std::find_if(kOperators.begin(), kOperators.end(),
                                         [kind](const OperatorRule& rule) { return rule.token == kind; });
  return found == kOperators.end() ? nullptr : found;
}

bool starts_aggregation(TokenKind next) {
  return next == TokenKind::kLeftParen || next == TokenKind::kBy || next == TokenKind::kWithout;
}

// The words that are keywords and yet names of functions.
bool is_callable(TokenKind kind) {
  return kind == TokenKind::kIdentifier || (kind >= TokenKind::kStart && kind <= TokenKind::kMinOf);
}

std::size_t height_of(const std::vector<ExprPtr>& exprs) {
  std::size_t height = 0;
  for (const ExprPtr& expr : exprs) height = std::max<std::size_t>(height, expr->height);
  return height;
}

}  // namespace

ExprPtr Grammar::expression(int min_precedence) {
  const Nesting nesting(*this);
  if (failed()) return nullptr;
  ExprPtr lhs = unary();
  while (lhs) {
    const OperatorRule* rule = rule_of(token().kind);
    if (rule == nullptr || rule->precedence < min_precedence) break;
    lhs = binary(std::move(lhs), rule->precedence);
  }
  return lhs;
}

ExprPtr Grammar::unary() {
  if (!is(TokenKind::kAdd) && !is(TokenKind::kSub)) return postfix();
  const UnaryOp op = is(TokenKind::kSub) ? UnaryOp::kMinus : UnaryOp::kPlus;
  const std::uint32_t start = token().span.start;
  advance();
  ExprPtr operand = expression(kOperandOfSign);
  if (!operand) return nullptr;
  if (const auto* number = operand->as<NumberLiteral>()) {
    const double value = op == UnaryOp::kMinus ? -number->value : number->value;
    return make(NumberLiteral{value, number->style}, from(start), 0);
  }
  const std::size_t height = operand->height;
  return make(Unary{op, std::move(operand)}, from(start), height);
}

ExprPtr Grammar::postfix() {
  ExprPtr expr = primary();
  while (expr) {
    if (is(TokenKind::kLeftBracket)) {
      expr = with_bracket(expr);
    } else if (is(TokenKind::kOffset)) {
      expr = with_offset(expr);
    } else if (is(TokenKind::kAt)) {
      expr = with_at(expr);
    } else if (is(TokenKind::kAnchored)) {
      expr = with_edges(expr, WindowEdges::kAnchored);
    } else if (is(TokenKind::kSmoothed)) {
      expr = with_edges(expr, WindowEdges::kSmoothed);
    } else {
      break;
    }
  }
  return expr;
}

ExprPtr Grammar::primary() {
  const Token first = token();
  switch (first.kind) {
    case TokenKind::kNumber:
    case TokenKind::kDuration:
      return number();
    case TokenKind::kString: {
      auto value = unquote(first.text);
      CHECK(value.has_value(), "the lexer has checked the string");
      advance();
      return make(StringLiteral{std::move(*value)}, first.span, 0);
    }
    case TokenKind::kLeftParen:
      return parenthesised();
    case TokenKind::kLeftBrace:
      return selector();
    case TokenKind::kAggregator:
      return starts_aggregation(next_token().kind) ? aggregation() : selector();
    default:
      break;
  }
  if (is_callable(first.kind) && next_token().kind == TokenKind::kLeftParen) return call();
  if (may_name_metric(first.kind)) return selector();
  unexpected();
  return nullptr;
}

std::optional<double> Grammar::literal_seconds() {
  const Token literal = token();
  const auto value =
      literal.kind == TokenKind::kDuration ? parse_duration_seconds(literal.text) : parse_number(literal.text);
  if (!value) {
    fail_at(literal.span, value.error().message);
    return std::nullopt;
  }
  advance();
  return *value;
}

ExprPtr Grammar::number() {
  const Token literal = token();
  const auto value = literal_seconds();
  if (!value) return nullptr;
  const NumberStyle style = literal.kind == TokenKind::kDuration ? NumberStyle::kDuration : NumberStyle::kNumber;
  return make(NumberLiteral{*value, style}, literal.span, 0);
}

ExprPtr Grammar::parenthesised() {
  const std::uint32_t start = token().span.start;
  advance();
  ExprPtr inner = expression(kAnyPrecedence);
  if (!inner || !expect(TokenKind::kRightParen)) return nullptr;
  const std::size_t height = inner->height;
  return make(Paren{std::move(inner)}, from(start), height);
}

std::optional<std::vector<ExprPtr>> Grammar::arguments() {
  std::vector<ExprPtr> list;
  if (!expect(TokenKind::kLeftParen)) return std::nullopt;
  if (take(TokenKind::kRightParen)) return list;
  for (;;) {
    ExprPtr argument = expression(kAnyPrecedence);
    if (!argument) return std::nullopt;
    list.push_back(std::move(argument));
    const Span comma = token().span;
    if (!take(TokenKind::kComma)) break;
    if (is(TokenKind::kRightParen)) {
      fail_at(comma, "trailing commas not allowed in function call args");
      return std::nullopt;
    }
  }
  if (!expect(TokenKind::kRightParen)) return std::nullopt;
  return list;
}

ExprPtr Grammar::call() {
  const Token name = token();
  advance();
  auto args = arguments();
  if (!args) return nullptr;
  const auto function = find_function(name.text);
  if (!function) {
    fail_at(name.span, "unknown function with name " + go_quote(name.text));
    return nullptr;
  }
  const std::size_t height = height_of(*args);
  return make(Call{*function, std::move(*args)}, from(name.span.start), height);
}

ExprPtr Grammar::aggregation() {
  const Token name = token();
  const auto op = find_aggregate(name.text);
  CHECK(op.has_value(), "an aggregator token names an aggregation");
  advance();
  ++open_aggregations_;
  Aggregate node;
  node.op = *op;
  const auto modifier = [&]() {
    if (!is(TokenKind::kBy) && !is(TokenKind::kWithout)) return true;
    node.mode = is(TokenKind::kWithout) ? GroupingMode::kWithout : GroupingMode::kBy;
    advance();
    auto labels = label_list();
    if (!labels) return false;
    node.grouping = std::move(*labels);
    return true;
  };
  const bool grouped_before = !is(TokenKind::kLeftParen);
  if (!modifier()) return nullptr;
  auto args = arguments();
  if (!args) return nullptr;
  --open_aggregations_;
  if (!grouped_before && !modifier()) return nullptr;
  const Span span = from(name.span.start);
  if (args->empty()) {
    fail_at(span, "no arguments for aggregate expression provided");
    return nullptr;
  }
  const std::size_t wanted = signature(*op).parameter == ValueType::kNone ? 1 : 2;
  if (args->size() != wanted) {
    fail_at(span, fmt::format("wrong number of arguments for aggregate expression provided, expected {}, got {}",
                              wanted, args->size()));
    return nullptr;
  }
  const std::size_t height = height_of(*args);
  node.expr = args->back();
  if (wanted == 2) node.param = args->front();
  return make(std::move(node), span, height);
}

ExprPtr Grammar::binary(ExprPtr lhs, int precedence) {
  const OperatorRule& rule = *rule_of(token().kind);
  advance();
  Binary node;
  node.op = rule.op;
  node.return_bool = take(TokenKind::kBool);
  auto match = matching();
  if (!match) return nullptr;
  node.rhs = expression(rule.associativity == Associativity::kLeft ? precedence + 1 : precedence);
  if (!node.rhs) return nullptr;
  node.lhs = std::move(lhs);
  const std::uint32_t start = node.lhs->span.start;
  const std::size_t height = std::max(node.lhs->height, node.rhs->height);
  if (is_set_operator(node.op) && match->card == MatchCardinality::kOneToOne) {
    match->card = MatchCardinality::kManyToMany;
  }
  // Beside a scalar an empty matching means nothing; any other is left for the type check to refuse.
  const bool vectors = value_type(*node.lhs) == ValueType::kVector && value_type(*node.rhs) == ValueType::kVector;
  if (vectors || !match->labels.empty() || match->fill.any()) node.matching = std::move(*match);
  const Span span = {start, node.rhs->span.end};
  return make(std::move(node), span, height);
}

std::optional<VectorMatching> Grammar::matching() {
  VectorMatching match;
  if (is(TokenKind::kOn) || is(TokenKind::kIgnoring)) {
    match.on = is(TokenKind::kOn);
    advance();
    auto labels = label_list();
    if (!labels) return std::nullopt;
    match.labels = std::move(*labels);
    if (is(TokenKind::kGroupLeft) || is(TokenKind::kGroupRight)) {
      match.card = is(TokenKind::kGroupLeft) ? MatchCardinality::kManyToOne : MatchCardinality::kOneToMany;
      advance();
      if (is(TokenKind::kLeftParen)) {
        auto include = label_list();
        if (!include) return std::nullopt;
        match.include = std::move(*include);
      }
    }
  }
  if (!fills(match.fill)) return std::nullopt;
  return match;
}

bool Grammar::fills(FillValues& fill) {
  if (take(TokenKind::kFill)) {
    fill.lhs = fill.rhs = fill_value();
    return !failed();
  }
  // Either side, in either order, each once.
  for (;;) {
    std::optional<double>* side = nullptr;
    if (is(TokenKind::kFillLeft) && !fill.lhs) side = &fill.lhs;
    if (is(TokenKind::kFillRight) && !fill.rhs) side = &fill.rhs;
    if (side == nullptr) return true;
    advance();
    *side = fill_value();
    if (failed()) return false;
  }
}

std::optional<double> Grammar::fill_value() {
  if (!expect(TokenKind::kLeftParen)) return std::nullopt;
  const bool negative = is(TokenKind::kSub);
  if (negative || is(TokenKind::kAdd)) advance();
  if (!is(TokenKind::kNumber) && !is(TokenKind::kDuration)) {
    unexpected();
    return std::nullopt;
  }
  const auto value = literal_seconds();
  if (!value || !expect(TokenKind::kRightParen)) return std::nullopt;
  return negative ? -*value : *value;
}

std::optional<std::vector<std::string>> Grammar::label_list() {
  constexpr std::string_view kContext = "grouping opts";
  std::vector<std::string> labels;
  if (!expect(TokenKind::kLeftParen, kContext, "\"(\"")) return std::nullopt;
  while (!is(TokenKind::kRightParen)) {
    const Token label = token();
    if (label.kind == TokenKind::kString) {
      auto name = unquote(label.text);
      CHECK(name.has_value(), "the lexer has checked the string");
      if (name->empty() || !core::ring::is_valid_utf8(*name)) {
        fail_at(label.span, "invalid label name " + go_quote(*name));
        return std::nullopt;
      }
      labels.push_back(std::move(*name));
    } else if (may_name_label(label.kind)) {
      labels.emplace_back(label.text);
    } else {
      unexpected(kContext, "label");
      return std::nullopt;
    }
    advance();
    if (!is(TokenKind::kRightParen) && !expect(TokenKind::kComma, kContext, "\",\" or \")\"")) return std::nullopt;
  }
  advance();
  return labels;
}

}  // namespace rules::promql
