// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/promql/lexer.h"
#include "rules/promql/parser.h"

namespace rules::promql {

// The recursive-descent parser behind parser.h: one method a rule of the grammar (LANGUAGE.md 2), binary operators by
// precedence climbing. The first error stops it: from then on every method returns at once, and a null pointer or an
// empty optional stands for a rule that failed.
//
// Thread safety: confined to one thread; made for one text.
class Grammar {
 public:
  explicit Grammar(std::string_view text);

  // Each reads the whole text. Types are not checked yet.
  core::Result<ExprPtr> whole_expression();
  core::Result<std::vector<Matcher>> whole_selector();
  // A metric with labels, up to the end of the text.
  core::Result<Labels> whole_metric();

 private:
  // What a unary sign binds as tightly as, and where climbing starts.
  static constexpr int kAnyPrecedence = 0;

  // Tokens.
  const Token& token() const { return list_.tokens[at_]; }
  const Token& next_token() const { return list_.tokens[std::min(at_ + 1, list_.tokens.size() - 1)]; }
  bool is(TokenKind kind) const { return token().kind == kind; }
  void advance();
  bool take(TokenKind kind);
  // Takes the token or fails with the general "unexpected ..." message.
  bool expect(TokenKind kind);
  bool expect(TokenKind kind, std::string_view context, std::string_view wanted);

  // Errors. The first one counts.
  bool failed() const { return error_.has_value(); }
  void fail_at(Span span, std::string_view message);
  void unexpected(std::string_view context = "", std::string_view wanted = "");
  core::Error rendered_error() const;

  // Nodes.
  ExprPtr make(Node node, Span span, std::size_t child_height);
  DurationExprPtr make_duration(DurationExpr node);
  Place place(std::size_t offset) const;
  Span from(std::uint32_t start) const { return {start, last_end_}; }

  // Expressions (grammar.cpp).
  ExprPtr expression(int min_precedence);
  ExprPtr unary();
  ExprPtr postfix();
  ExprPtr primary();
  ExprPtr number();
  ExprPtr parenthesised();
  ExprPtr call();
  ExprPtr aggregation();
  ExprPtr binary(ExprPtr lhs, int precedence);
  std::optional<std::vector<ExprPtr>> arguments();
  std::optional<VectorMatching> matching();
  bool fills(FillValues& fill);
  std::optional<double> fill_value();
  std::optional<std::vector<std::string>> label_list();
  std::optional<double> literal_seconds();

  // Selectors and what may follow them (grammar_selectors.cpp).
  ExprPtr selector();
  bool matchers(std::vector<Matcher>& list);
  bool matcher(std::vector<Matcher>& list);
  ExprPtr with_offset(const ExprPtr& expr);
  ExprPtr with_at(const ExprPtr& expr);
  ExprPtr with_edges(const ExprPtr& expr, WindowEdges edges);
  ExprPtr with_bracket(const ExprPtr& expr);
  ExprPtr with_shift(const ExprPtr& expr, const TimeShift& shift);
  static const TimeShift* shift_of(const Expr& expr);
  // `subject` is what the @ follows.
  bool at_value(Span subject, TimeShift& shift);
  bool label_pairs(std::vector<core::ring::Label>& pairs);

  // Durations (grammar_durations.cpp).
  enum class Sign { kAny, kPositive };
  DurationExprPtr duration(int min_precedence);
  DurationExprPtr duration_primary();
  DurationExprPtr duration_binary(DurationExprPtr lhs, int precedence);
  DurationExprPtr duration_call();
  DurationExprPtr offset_duration();
  DurationExprPtr negated(DurationExprPtr operand, std::uint32_t start);
  // A plain literal becomes milliseconds in `ms`, anything else is kept in `expr`.
  bool settle(const DurationExprPtr& read, Sign sign, std::int64_t& ms, DurationExprPtr& expr);

  struct ParseError {
    Span span;
    std::string message;
  };

  // Bounds the recursion of the grammar itself; heights of nodes bound the trees.
  class Nesting {
   public:
    explicit Nesting(Grammar& grammar);
    ~Nesting() { --grammar_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Grammar& grammar_;
  };

  std::string_view text_;
  TokenList list_;
  std::vector<std::size_t> line_starts_;
  std::size_t at_ = 0;
  std::uint32_t last_end_ = 0;  // of the token taken last
  std::size_t nesting_ = 0;
  std::size_t open_aggregations_ = 0;
  std::optional<ParseError> error_;
};

}  // namespace rules::promql
