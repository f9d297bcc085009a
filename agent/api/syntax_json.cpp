// SPDX-License-Identifier: Apache-2.0
#include "agent/api/syntax_json.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <variant>
#include <vector>

#include "agent/api/json_text.h"
#include "core/check.h"
#include "rules/promql/number_text.h"

namespace agent {
namespace {

using namespace rules::promql;  // NOLINT(google-build-using-namespace): every name below is one of the syntax tree

std::string list_of(const std::vector<std::string>& texts) {
  std::string out;
  append_json(out, texts);
  return out;
}

std::string number_literal(double value) {
  return fmt::format(R"({{"type":"numberLiteral","val":"{}"}})", plain_number(value));
}

std::string_view operation_name(DurationOp op) {
  switch (op) {
    case DurationOp::kAdd:
      return "+";
    case DurationOp::kSub:
      return "-";
    case DurationOp::kMul:
      return "*";
    case DurationOp::kDiv:
      return "/";
    case DurationOp::kMod:
      return "%";
    case DurationOp::kPow:
      return "^";
    case DurationOp::kStep:
      return "step";
    case DurationOp::kRange:
      return "range";
    case DurationOp::kMinOf:
      return "min_of";
    case DurationOp::kMaxOf:
      return "max_of";
    case DurationOp::kLiteral:
      return "";  // only parentheses around a literal
  }
  CHECK(false, "not a duration operator");
}

std::string duration_json(const DurationExprPtr& expr) {
  if (!expr) return "null";
  std::string lhs = duration_json(expr->lhs);
  if (expr->op == DurationOp::kLiteral) {
    std::string literal = fmt::format(R"({{"duration":{},"type":"numberLiteral","val":"{}"}})",
                                      expr->style == NumberStyle::kDuration, plain_number(expr->seconds));
    if (!expr->wrapped) return literal;
    lhs = std::move(literal);
  }
  return fmt::format(R"({{"lhs":{},"op":"{}","rhs":{},"type":"durationExpr","wrapped":{}}})", lhs,
                     operation_name(expr->op), duration_json(expr->rhs), expr->wrapped);
}

std::string matchers_json(const std::vector<Matcher>& matchers) {
  std::string out = "[";
  for (const Matcher& matcher : matchers) {
    out += fmt::format(R"({}{{"name":{},"type":"{}","value":{}}})", out.size() > 1 ? "," : "", json(matcher.name()),
                       core::ring::to_string(matcher.type()), json(matcher.value()));
  }
  return out + "]";
}

std::string_view bound_json(AtBound bound) {
  switch (bound) {
    case AtBound::kNone:
      return "null";
    case AtBound::kStart:
      return "\"start\"";
    case AtBound::kEnd:
      return "\"end\"";
  }
  CHECK(false, "not a bound");
}

std::string time_json(const std::optional<std::int64_t>& at_ms) { return at_ms ? std::to_string(*at_ms) : "null"; }

// The members of a selector before `type`; `range` are those of a range selector, which sort between the others.
std::string selector_json(const VectorSelector& node, std::string_view range, std::string_view type) {
  const TimeShift& shift = node.shift;
  return fmt::format(
      R"({{"anchored":{},"matchers":{},"name":{},"offset":{},"offsetExpr":{},{}"smoothed":{},"startOrEnd":{},)"
      R"("timestamp":{},"type":"{}"}})",
      node.edges == WindowEdges::kAnchored, matchers_json(node.matchers), json(node.name), shift.offset_ms,
      duration_json(shift.offset_expr), range, node.edges == WindowEdges::kSmoothed, bound_json(shift.at_bound),
      time_json(shift.at_ms), type);
}

std::string_view cardinality(MatchCardinality card) {
  switch (card) {
    case MatchCardinality::kOneToOne:
      return "one-to-one";
    case MatchCardinality::kManyToOne:
      return "many-to-one";
    case MatchCardinality::kOneToMany:
      return "one-to-many";
    case MatchCardinality::kManyToMany:
      return "many-to-many";
  }
  CHECK(false, "not a cardinality");
}

// JSON has no word for NaN and the infinities: those are given as text.
std::string fill_json(const std::optional<double>& value) {
  if (!value) return "null";
  return std::isfinite(*value) ? plain_number(*value) : json(plain_number(*value));
}

std::string matching_json(const std::optional<VectorMatching>& matching) {
  if (!matching) return "null";
  return fmt::format(R"({{"card":"{}","fillValues":{{"lhs":{},"rhs":{}}},"include":{},"labels":{},"on":{}}})",
                     cardinality(matching->card), fill_json(matching->fill.lhs), fill_json(matching->fill.rhs),
                     list_of(matching->include), list_of(matching->labels), matching->on);
}

std::string function_json(FunctionId id) {
  const FunctionSignature& function = signature(id);
  std::string types;
  for (std::size_t i = 0; i < function.argument_count; ++i) {
    types += fmt::format("{}\"{}\"", types.empty() ? "" : ",", api_name(function.arguments[i]));
  }
  return fmt::format(R"({{"argTypes":[{}],"name":"{}","returnType":"{}","variadic":{}}})", types, function.name,
                     api_name(function.returns), function.variadic);
}

struct NodeJson {
  std::string operator()(const NumberLiteral& node) const { return number_literal(node.value); }
  std::string operator()(const StringLiteral& node) const {
    return fmt::format(R"({{"type":"stringLiteral","val":{}}})", json(node.value));
  }
  std::string operator()(const VectorSelector& node) const { return selector_json(node, "", "vectorSelector"); }
  std::string operator()(const MatrixSelector& node) const {
    const std::string range =
        fmt::format(R"("range":{},"rangeExpr":{},)", node.range_ms, duration_json(node.range_expr));
    return selector_json(node.selector, range, "matrixSelector");
  }
  std::string operator()(const Subquery& node) const {
    return fmt::format(
        R"({{"expr":{},"offset":{},"offsetExpr":{},"range":{},"rangeExpr":{},"startOrEnd":{},"step":{},"stepExpr":{},)"
        R"("timestamp":{},"type":"subquery"}})",
        syntax_json(*node.expr), node.shift.offset_ms, duration_json(node.shift.offset_expr), node.range_ms,
        duration_json(node.range_expr), bound_json(node.shift.at_bound), node.step_ms, duration_json(node.step_expr),
        time_json(node.shift.at_ms));
  }
  std::string operator()(const Call& node) const {
    std::string args;
    for (const ExprPtr& argument : node.args) args += (args.empty() ? "" : ",") + syntax_json(*argument);
    return fmt::format(R"({{"args":[{}],"func":{},"type":"call"}})", args, function_json(node.function));
  }
  std::string operator()(const Aggregate& node) const {
    return fmt::format(R"({{"expr":{},"grouping":{},"op":"{}","param":{},"type":"aggregation","without":{}}})",
                       syntax_json(*node.expr), list_of(node.grouping), signature(node.op).name,
                       node.param ? syntax_json(*node.param) : "null", node.mode == GroupingMode::kWithout);
  }
  std::string operator()(const Binary& node) const {
    return fmt::format(R"({{"bool":{},"lhs":{},"matching":{},"op":{},"rhs":{},"type":"binaryExpr"}})", node.return_bool,
                       syntax_json(*node.lhs), matching_json(node.matching), json(to_string(node.op)),
                       syntax_json(*node.rhs));
  }
  std::string operator()(const Unary& node) const {
    return fmt::format(R"({{"expr":{},"op":"{}","type":"unaryExpr"}})", syntax_json(*node.expr),
                       node.op == UnaryOp::kMinus ? "-" : "+");
  }
  std::string operator()(const Paren& node) const {
    return fmt::format(R"({{"expr":{},"type":"parenExpr"}})", syntax_json(*node.expr));
  }
};

}  // namespace

std::string syntax_json(const rules::promql::Expr& expr) { return std::visit(NodeJson{}, expr.node); }

}  // namespace agent
