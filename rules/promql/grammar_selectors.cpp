// SPDX-License-Identifier: Apache-2.0
// Selectors, and the modifiers and brackets that may follow them.
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/ring/labels.h"
#include "rules/promql/grammar.h"
#include "rules/promql/literals.h"

namespace rules::promql {
namespace {

using core::ring::kMetricName;
using core::ring::MatchType;

constexpr std::string_view kInMatching = "label matching";
constexpr std::string_view kIdentifierOrEnd = "identifier or \"}\"";
constexpr std::string_view kCommaOrEnd = "\",\" or \"}\"";
constexpr std::string_view kDurationWanted = "number, duration, step(), or range()";

std::optional<MatchType> match_type(TokenKind kind) {
  switch (kind) {
    case TokenKind::kAssign:
      return MatchType::kEqual;
    case TokenKind::kNotEqual:
      return MatchType::kNotEqual;
    case TokenKind::kRegexMatch:
      return MatchType::kRegexMatch;
    case TokenKind::kRegexNotMatch:
      return MatchType::kRegexNotMatch;
    default:
      return std::nullopt;
  }
}

std::string text_of(const Token& token) {
  if (token.kind != TokenKind::kString) return std::string(token.text);
  auto value = unquote(token.text);
  CHECK(value.has_value(), "the lexer has checked the string");
  return std::move(*value);
}

}  // namespace

ExprPtr Grammar::selector() {
  VectorSelector node;
  const std::uint32_t start = token().span.start;
  if (!is(TokenKind::kLeftBrace)) {
    node.name = token().text;
    advance();
  }
  if (is(TokenKind::kLeftBrace) && !matchers(node.matchers)) return nullptr;
  if (!node.name.empty()) node.matchers.push_back(Matcher::equal(std::string(kMetricName), node.name));
  return make(std::move(node), from(start), 0);
}

bool Grammar::matchers(std::vector<Matcher>& list) {
  advance();  // the brace
  while (!is(TokenKind::kRightBrace)) {
    if (!matcher(list)) return false;
    if (!is(TokenKind::kRightBrace) && !expect(TokenKind::kComma, kInMatching, kCommaOrEnd)) return false;
  }
  advance();
  return true;
}

bool Grammar::matcher(std::vector<Matcher>& list) {
  const Token name = token();
  if (name.kind != TokenKind::kIdentifier && name.kind != TokenKind::kString) {
    unexpected(kInMatching, kIdentifierOrEnd);
    return false;
  }
  advance();
  const auto type = match_type(token().kind);
  if (!type) {
    if (name.kind == TokenKind::kIdentifier) {
      unexpected(kInMatching, "label matching operator");
      return false;
    }
    list.push_back(Matcher::equal(std::string(kMetricName), text_of(name)));
    return true;
  }
  advance();
  const Token value = token();
  if (!expect(TokenKind::kString, kInMatching, "string")) return false;
  auto made = Matcher::make(*type, text_of(name), text_of(value));
  if (!made) {
    fail_at({name.span.start, value.span.end}, made.error().message);
    return false;
  }
  list.push_back(std::move(*made));
  return true;
}

core::Result<std::vector<Matcher>> Grammar::whole_selector() {
  if (is(TokenKind::kEof)) {
    fail_at({0, 0}, "no expression found in input");
    return core::fail(rendered_error());
  }
  ExprPtr expr;
  if (is(TokenKind::kLeftBrace) || may_name_metric(token().kind)) {
    expr = selector();
  } else {
    unexpected();
  }
  if (expr && !is(TokenKind::kEof)) unexpected();
  if (failed()) return core::fail(rendered_error());
  const auto& node = *expr->as<VectorSelector>();
  const auto twice = std::find_if(node.matchers.begin(), node.matchers.end(),
                                  [](const Matcher& matcher) { return matcher.name() == kMetricName; });
  if (!node.name.empty() && twice + 1 != node.matchers.end()) {
    fail_at(expr->span, fmt::format("metric name must not be set twice: {} or {}", core::ring::go_quote(node.name),
                                    core::ring::go_quote(twice->value())));
    return core::fail(rendered_error());
  }
  return node.matchers;
}

core::Result<Labels> Grammar::whole_metric() {
  std::vector<core::ring::Label> pairs;
  if (!is(TokenKind::kLeftBrace)) {
    if (may_name_metric(token().kind)) {
      pairs.push_back({std::string(kMetricName), std::string(token().text)});
      advance();
    } else {
      unexpected("", "a metric name or \"{\"");
    }
  }
  if (!failed() && is(TokenKind::kLeftBrace) && label_pairs(pairs) && !is(TokenKind::kEof)) unexpected();
  if (!failed() && !is(TokenKind::kEof)) unexpected();
  if (failed()) return core::fail(rendered_error());
  return Labels(std::move(pairs));
}

bool Grammar::label_pairs(std::vector<core::ring::Label>& pairs) {
  constexpr std::string_view kInSet = "label set";
  advance();  // the brace
  while (!is(TokenKind::kRightBrace)) {
    const Token name = token();
    if (name.kind != TokenKind::kIdentifier && name.kind != TokenKind::kString) {
      unexpected(kInSet, kIdentifierOrEnd);
      return false;
    }
    advance();
    if (is(TokenKind::kAssign)) {
      advance();
      const Token value = token();
      if (!expect(TokenKind::kString, kInSet, "string")) return false;
      pairs.push_back({text_of(name), text_of(value)});
    } else if (name.kind == TokenKind::kString) {
      pairs.push_back({std::string(kMetricName), text_of(name)});
    } else {
      unexpected(kInSet, "\"=\"");
      return false;
    }
    if (!is(TokenKind::kRightBrace) && !expect(TokenKind::kComma, kInSet, kCommaOrEnd)) return false;
  }
  advance();
  return true;
}

const TimeShift* Grammar::shift_of(const Expr& expr) {
  if (const auto* vector = expr.as<VectorSelector>()) return &vector->shift;
  if (const auto* matrix = expr.as<MatrixSelector>()) return &matrix->selector.shift;
  if (const auto* subquery = expr.as<Subquery>()) return &subquery->shift;
  return nullptr;
}

// The same selector or subquery with another shift, ending where the modifier ends.
ExprPtr Grammar::with_shift(const ExprPtr& expr, const TimeShift& shift) {
  Node node = expr->node;
  if (auto* vector = std::get_if<VectorSelector>(&node)) vector->shift = shift;
  if (auto* matrix = std::get_if<MatrixSelector>(&node)) matrix->selector.shift = shift;
  if (auto* subquery = std::get_if<Subquery>(&node)) subquery->shift = shift;
  return make(std::move(node), from(expr->span.start), expr->height - std::size_t{1});
}

ExprPtr Grammar::with_offset(const ExprPtr& expr) {
  advance();
  const DurationExprPtr read = offset_duration();
  if (!read) return nullptr;
  const TimeShift* known = shift_of(*expr);
  if (known == nullptr) {
    fail_at(expr->span,
            "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
    return nullptr;
  }
  if (known->offset_ms != 0 || known->offset_expr) {
    fail_at(expr->span, "offset may not be set multiple times");
    return nullptr;
  }
  TimeShift shift = *known;
  if (!settle(read, Sign::kAny, shift.offset_ms, shift.offset_expr)) return nullptr;
  return with_shift(expr, shift);
}

ExprPtr Grammar::with_at(const ExprPtr& expr) {
  advance();
  TimeShift read;
  if (!at_value(expr->span, read)) return nullptr;
  const TimeShift* known = shift_of(*expr);
  if (known == nullptr) {
    fail_at(expr->span,
            "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
    return nullptr;
  }
  if (known->at_ms || known->at_bound != AtBound::kNone) {
    fail_at(expr->span, "@ <timestamp> may not be set multiple times");
    return nullptr;
  }
  TimeShift shift = *known;
  shift.at_ms = read.at_ms;
  shift.at_bound = read.at_bound;
  return with_shift(expr, shift);
}

bool Grammar::at_value(Span subject, TimeShift& shift) {
  if (is(TokenKind::kStart) || is(TokenKind::kEnd)) {
    shift.at_bound = is(TokenKind::kStart) ? AtBound::kStart : AtBound::kEnd;
    advance();
    return expect(TokenKind::kLeftParen, "@", "timestamp") && expect(TokenKind::kRightParen, "@", "timestamp");
  }
  const bool negative = is(TokenKind::kSub);
  if (negative || is(TokenKind::kAdd)) advance();
  if (!is(TokenKind::kNumber) && !is(TokenKind::kDuration)) {
    unexpected("@", "timestamp");
    return false;
  }
  const auto magnitude = literal_seconds();
  if (!magnitude) return false;
  const double seconds = negative ? -*magnitude : *magnitude;
  const double milliseconds = std::round(seconds * 1000);
  // Also false for NaN.
  if (!(std::abs(milliseconds) < 0x1p63)) {
    const std::string shown = std::isnan(seconds)   ? "NaN"
                              : std::isinf(seconds) ? (seconds < 0 ? "-Inf" : "+Inf")
                                                    : fmt::format("{:f}", seconds);
    fail_at(subject, "timestamp out of bounds for @ modifier: " + shown);
    return false;
  }
  shift.at_ms = static_cast<std::int64_t>(milliseconds);
  return true;
}

ExprPtr Grammar::with_edges(const ExprPtr& expr, WindowEdges edges) {
  const std::string_view word = edges == WindowEdges::kAnchored ? "anchored" : "smoothed";
  advance();
  Node node = expr->node;
  VectorSelector* vector = std::get_if<VectorSelector>(&node);
  if (auto* matrix = std::get_if<MatrixSelector>(&node)) vector = &matrix->selector;
  if (vector == nullptr) {
    const bool subquery = std::holds_alternative<Subquery>(node);
    fail_at(expr->span,
            fmt::format("{} modifier {}", word, subquery ? "is not supported for subqueries" : "not implemented"));
    return nullptr;
  }
  if (vector->edges != WindowEdges::kPlain && vector->edges != edges) {
    fail_at(expr->span, "anchored and smoothed modifiers cannot be used together");
    return nullptr;
  }
  vector->edges = edges;
  return make(std::move(node), from(expr->span.start), 0);
}

ExprPtr Grammar::with_bracket(const ExprPtr& expr) {
  const Span bracket = token().span;
  advance();
  const DurationExprPtr range = duration(kAnyPrecedence);
  if (!range) {
    unexpected("subquery or range selector", kDurationWanted);
    return nullptr;
  }
  Subquery subquery;
  if (!settle(range, Sign::kPositive, subquery.range_ms, subquery.range_expr)) return nullptr;
  if (take(TokenKind::kRightBracket)) {
    const auto* vector = expr->as<VectorSelector>();
    if (vector == nullptr) {
      fail_at(bracket, "ranges only allowed for vector selectors");
    } else if (vector->shift.offset_ms != 0 || vector->shift.offset_expr) {
      fail_at(bracket, "no offset modifiers allowed before range");
    } else if (vector->shift.at_ms || vector->shift.at_bound != AtBound::kNone) {
      fail_at(bracket, "no @ modifiers allowed before range");
    }
    if (failed()) return nullptr;
    return make(MatrixSelector{*vector, expr->span, subquery.range_ms, subquery.range_expr}, from(expr->span.start), 0);
  }
  if (!expect(TokenKind::kColon, "subquery or range", "\":\" or \"]\"")) return nullptr;
  if (!is(TokenKind::kRightBracket)) {
    const DurationExprPtr step = duration(kAnyPrecedence);
    if (!step) {
      unexpected("subquery selector", "number, duration, step(), range(), or \"]\"");
      return nullptr;
    }
    if (!settle(step, Sign::kPositive, subquery.step_ms, subquery.step_expr)) return nullptr;
  }
  if (!expect(TokenKind::kRightBracket, "subquery selector", "\"]\"")) return nullptr;
  subquery.expr = expr;
  return make(std::move(subquery), from(expr->span.start), expr->height);
}

}  // namespace rules::promql
