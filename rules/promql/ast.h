// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/ring/matcher.h"
#include "rules/promql/signatures.h"
#include "rules/promql/value.h"

namespace rules::promql {

using core::ring::Matcher;

// The part of the query text a node was read from: byte offsets, the end exclusive.
struct Span {
  std::uint32_t start = 0;
  std::uint32_t end = 0;
  bool operator==(const Span&) const = default;
};

// A place for people: both from 1, the column in bytes. Kept with every node, so that messages need not the text.
struct Place {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  bool operator==(const Place&) const = default;
};

// Where byte `offset` of `text` lies; past the end: the end.
Place place_of(std::string_view text, std::size_t offset);

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct DurationExpr;
using DurationExprPtr = std::shared_ptr<const DurationExpr>;

enum class DurationOp : std::uint8_t { kAdd, kSub, kMul, kDiv, kMod, kPow, kStep, kRange, kMinOf, kMaxOf, kLiteral };

enum class NumberStyle : std::uint8_t { kNumber, kDuration };  // 90 or 1m30s

// Arithmetic on durations inside `[...]` and after `offset`, in seconds. It is not an expression of the language: it
// has no value type, and resolve_durations (durations.h) turns it into milliseconds before a query runs.
struct DurationExpr {
  DurationOp op{};
  double seconds = 0;                        // of kLiteral
  NumberStyle style = NumberStyle::kNumber;  // of kLiteral
  DurationExprPtr lhs;                       // of binary operators, kMinOf, kMaxOf; null: a unary sign
  DurationExprPtr rhs;
  bool wrapped = false;  // was written in parentheses
  Span span;
  std::uint16_t height = 1;  // as in Expr
};

// `offset` and `@`, of a selector or a subquery.
enum class AtBound : std::uint8_t { kNone, kStart, kEnd };

struct TimeShift {
  std::int64_t offset_ms = 0;         // positive looks back
  DurationExprPtr offset_expr;        // not null: offset_ms holds its value once resolved
  std::optional<std::int64_t> at_ms;  // @ 12.345
  AtBound at_bound = AtBound::kNone;  // @ start(), @ end()
};

// How a selector treats the borders of its window (experimental in Prometheus).
enum class WindowEdges : std::uint8_t { kPlain, kAnchored, kSmoothed };

struct NumberLiteral {
  double value = 0;
  NumberStyle style = NumberStyle::kNumber;
};

struct StringLiteral {
  std::string value;
};

struct VectorSelector {
  std::string name;               // what stood outside the braces; "" if nothing
  std::vector<Matcher> matchers;  // all of them; that of an outside name last
  TimeShift shift;
  WindowEdges edges = WindowEdges::kPlain;
};

struct MatrixSelector {
  VectorSelector selector;
  Span selector_span;
  std::int64_t range_ms = 0;
  DurationExprPtr range_expr;  // not null: range_ms holds its value once resolved
};

struct Subquery {
  ExprPtr expr;
  std::int64_t range_ms = 0;
  DurationExprPtr range_expr;
  std::int64_t step_ms = 0;  // 0 with no step_expr: the default of the engine
  DurationExprPtr step_expr;
  TimeShift shift;
};

struct Call {
  FunctionId function{};
  std::vector<ExprPtr> args;
};

enum class GroupingMode : std::uint8_t { kBy, kWithout };

struct Aggregate {
  AggregateOp op{};
  ExprPtr expr;
  ExprPtr param;  // null if the operator has none
  std::vector<std::string> grouping;
  GroupingMode mode = GroupingMode::kBy;
};

enum class BinaryOp : std::uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kAnd,
  kOr,
  kUnless,
  kTrimUpper,  // </
  kTrimLower,  // >/
};

std::string_view to_string(BinaryOp op);
// == != < <= > >=
bool is_comparison(BinaryOp op);
// and or unless
bool is_set_operator(BinaryOp op);

enum class MatchCardinality : std::uint8_t { kOneToOne, kManyToOne, kOneToMany, kManyToMany };

struct FillValues {
  std::optional<double> lhs;  // fill_left: stands for a missing left sample
  std::optional<double> rhs;
  bool any() const { return lhs || rhs; }
};

struct VectorMatching {
  MatchCardinality card = MatchCardinality::kOneToOne;  // group_left is many-to-one, set operators many-to-many
  std::vector<std::string> labels;                      // of on() or ignoring()
  bool on = false;
  std::vector<std::string> include;  // of group_left() or group_right()
  FillValues fill;
};

struct Binary {
  BinaryOp op{};
  ExprPtr lhs;
  ExprPtr rhs;
  bool return_bool = false;
  // Absent if a side is a scalar.
  std::optional<VectorMatching> matching;
};

enum class UnaryOp : std::uint8_t { kPlus, kMinus };

struct Unary {
  UnaryOp op{};
  ExprPtr expr;
};

struct Paren {
  ExprPtr expr;
};

using Node = std::variant<NumberLiteral, StringLiteral, VectorSelector, MatrixSelector, Subquery, Call, Aggregate,
                          Binary, Unary, Paren>;

// One node of a parsed query.
//
// Thread safety: immutable after parsing, shared freely.
// Invariants: types have been checked as LANGUAGE.md 2.5 wants, so a child has the type its parent needs; no pointer
// named here is null unless its comment says so.
struct Expr {
  Node node;
  Span span;
  Place place;               // of span.start
  std::uint16_t height = 1;  // levels of nodes from here down; the parser bounds it

  template <class T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
};

// For std::visit(Overloaded{[](const Call& call) {...}, ...}, expr.node).
template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

ValueType value_type(const Expr& expr);

// The node inside any number of parentheses.
const Expr& strip_parens(const Expr& expr);

// The direct children that are expressions, in the order they are written.
std::vector<ExprPtr> children(const Expr& expr);

}  // namespace rules::promql
