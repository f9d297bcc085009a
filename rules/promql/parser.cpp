// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/parser.h"

#include <algorithm>

#include "rules/promql/grammar.h"
#include "rules/promql/type_check.h"

namespace rules::promql {
namespace {

using core::Errc;
using core::fail;

std::string at_place(std::string_view text, std::size_t offset) {
  if (text.empty()) return "unknown position";
  const Place place = place_of(text, offset);
  return fmt::format("{}:{}", place.line, place.column);
}

core::Result<void> check_length(std::string_view text) {
  if (text.size() <= kMaxQueryBytes) return {};
  return fail(Errc::kLimitExceeded, "query is longer than {} bytes: {}", kMaxQueryBytes, text.size());
}

}  // namespace

core::Result<ExprPtr> parse(std::string_view query) {
  if (auto checked = check_length(query); !checked) return fail(checked.error());
  auto expr = Grammar(query).whole_expression();
  if (!expr) return expr;
  if (const auto wrong = check_types(**expr, query)) {
    return fail(Errc::kInvalid, "{}: parse error: {}", at_place(query, wrong->offset), wrong->message);
  }
  return expr;
}

core::Result<std::vector<Matcher>> parse_series_selector(std::string_view text) {
  if (auto checked = check_length(text); !checked) return fail(checked.error());
  auto matchers = Grammar(text).whole_selector();
  if (!matchers) return matchers;
  if (std::all_of(matchers->begin(), matchers->end(), [](const Matcher& matcher) { return matcher.matches(""); })) {
    return fail(Errc::kInvalid, "match[] must contain at least one non-empty matcher");
  }
  return matchers;
}

core::Result<Labels> parse_metric(std::string_view text) {
  if (auto checked = check_length(text); !checked) return fail(checked.error());
  return Grammar(text).whole_metric();
}

// What every rule of the grammar stands on.

Grammar::Grammar(std::string_view text) : text_(text) {
  tokenize(text, list_);
  line_starts_.push_back(0);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') line_starts_.push_back(i + 1);
  }
}

Grammar::Nesting::Nesting(Grammar& grammar) : grammar_(grammar) {
  if (++grammar_.nesting_ > kMaxNesting) {
    grammar_.fail_at(grammar_.token().span, fmt::format("nested deeper than {} levels", kMaxNesting));
  }
}

void Grammar::advance() {
  last_end_ = token().span.end;
  if (at_ + 1 < list_.tokens.size()) ++at_;
}

bool Grammar::take(TokenKind kind) {
  if (!is(kind)) return false;
  advance();
  return true;
}

bool Grammar::expect(TokenKind kind) { return expect(kind, "", ""); }

bool Grammar::expect(TokenKind kind, std::string_view context, std::string_view wanted) {
  if (failed()) return false;
  if (take(kind)) return true;
  unexpected(context, wanted);
  return false;
}

void Grammar::fail_at(Span span, std::string_view message) {
  if (!error_) error_ = ParseError{span, std::string(message)};
}

void Grammar::unexpected(std::string_view context, std::string_view wanted) {
  const Token found = token();
  if (found.kind == TokenKind::kError) return fail_at(found.span, found.text);
  std::string message = "unexpected " + describe(found);
  if (context.empty() && open_aggregations_ > 0) context = "aggregation";
  if (!context.empty()) message += fmt::format(" in {}", context);
  if (!wanted.empty()) message += fmt::format(", expected {}", wanted);
  fail_at(found.span, message);
}

core::Error Grammar::rendered_error() const {
  return core::error(Errc::kInvalid, "{}: parse error: {}", at_place(text_, error_->span.start), error_->message);
}

Place Grammar::place(std::size_t offset) const {
  const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  const auto line = static_cast<std::size_t>(next - line_starts_.begin());
  return {static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(offset - line_starts_[line - 1] + 1)};
}

ExprPtr Grammar::make(Node node, Span span, std::size_t child_height) {
  if (child_height >= kMaxNesting) {
    fail_at(span, fmt::format("nested deeper than {} levels", kMaxNesting));
    return nullptr;
  }
  auto expr = std::make_shared<Expr>();
  expr->node = std::move(node);
  expr->span = span;
  expr->place = place(span.start);
  expr->height = static_cast<std::uint16_t>(child_height + 1);
  return expr;
}

core::Result<ExprPtr> Grammar::whole_expression() {
  if (is(TokenKind::kEof)) {
    fail_at({0, 0}, "no expression found in input");
    return fail(rendered_error());
  }
  ExprPtr expr = expression(kAnyPrecedence);
  if (expr && !is(TokenKind::kEof)) unexpected();
  if (failed()) return fail(rendered_error());
  return expr;
}

}  // namespace rules::promql
