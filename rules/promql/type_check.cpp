// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/type_check.h"

#include <algorithm>
#include <initializer_list>

#include "core/ring/labels.h"
#include "rules/promql/characters.h"

namespace rules::promql {
namespace {

using core::ring::go_quote;
using core::ring::kMetricName;
using Verdict = std::optional<TypeError>;

class TypeCheck {
 public:
  explicit TypeCheck(std::string_view text) : text_(text) {}

  Verdict check(const Expr& expr) const {
    return std::visit(Overloaded{
                          [](const NumberLiteral&) -> Verdict { return std::nullopt; },
                          [](const StringLiteral&) -> Verdict { return std::nullopt; },
                          [&](const VectorSelector& node) { return check_selector(node, expr.span); },
                          [&](const MatrixSelector& node) { return check_selector(node.selector, node.selector_span); },
                          [&](const Subquery& node) { return check_subquery(node, expr); },
                          [&](const Call& node) { return check_call(node, expr); },
                          [&](const Aggregate& node) { return check_aggregate(node); },
                          [&](const Binary& node) { return check_binary(node, expr); },
                          [&](const Unary& node) { return check_unary(node, expr); },
                          [&](const Paren& node) { return check(*node.expr); },
                      },
                      expr.node);
  }

 private:
  static Verdict wrong(std::uint32_t offset, std::string message) { return TypeError{offset, std::move(message)}; }

  Verdict expect(const Expr& expr, ValueType wanted, std::string_view context) const {
    if (auto verdict = check(expr)) return verdict;
    const ValueType type = value_type(expr);
    if (type == wanted) return std::nullopt;
    return wrong(expr.span.start,
                 fmt::format("expected type {} in {}, got {}", describe(wanted), context, describe(type)));
  }

  static Verdict check_name_once(const VectorSelector& node, Span span) {
    if (node.name.empty()) return std::nullopt;
    for (std::size_t i = 0; i + 1 < node.matchers.size(); ++i) {
      if (node.matchers[i].name() == kMetricName) {
        return wrong(span.start, fmt::format("metric name must not be set twice: {} or {}", go_quote(node.name),
                                             go_quote(node.matchers[i].value())));
      }
    }
    return std::nullopt;
  }

  static Verdict check_selector(const VectorSelector& node, Span span) {
    if (auto verdict = check_name_once(node, span)) return verdict;
    const bool bounded = std::any_of(node.matchers.begin(), node.matchers.end(),
                                     [](const Matcher& matcher) { return !matcher.matches(""); });
    if (bounded) return std::nullopt;
    return wrong(span.start, "vector selector must contain at least one non-empty matcher");
  }

  Verdict check_subquery(const Subquery& node, const Expr& expr) const {
    if (auto verdict = check(*node.expr)) return verdict;
    const ValueType type = value_type(*node.expr);
    if (type == ValueType::kVector) return std::nullopt;
    return wrong(expr.span.start,
                 fmt::format("subquery is only allowed on instant vector, got {} instead", api_name(type)));
  }

  Verdict check_unary(const Unary& node, const Expr& expr) const {
    if (auto verdict = check(*node.expr)) return verdict;
    const ValueType type = value_type(*node.expr);
    if (type == ValueType::kScalar || type == ValueType::kVector) return std::nullopt;
    return wrong(expr.span.start,
                 fmt::format("unary expression only allowed on expressions of type scalar or instant vector, got {}",
                             go_quote(describe(type))));
  }

  Verdict check_aggregate(const Aggregate& node) const {
    if (auto verdict = expect(*node.expr, ValueType::kVector, "aggregation expression")) return verdict;
    if (!node.param) return std::nullopt;
    return expect(*node.param, signature(node.op).parameter, "aggregation parameter");
  }

  static Verdict check_argument_count(const FunctionSignature& function, std::size_t given, const Expr& expr) {
    const auto most = function.max_arguments();
    const std::size_t least = function.min_arguments();
    std::string bound;
    if (given < least) bound = function.variadic == 0 ? fmt::format("{}", least) : fmt::format("at least {}", least);
    if (most && given > *most)
      bound = function.variadic == 0 ? fmt::format("{}", least) : fmt::format("at most {}", *most);
    if (bound.empty()) return std::nullopt;
    return wrong(expr.span.start,
                 fmt::format("expected {} argument(s) in call to {}, got {}", bound, go_quote(function.name), given));
  }

  Verdict check_call(const Call& node, const Expr& expr) const {
    const FunctionSignature& function = signature(node.function);
    if (auto verdict = check_argument_count(function, node.args.size(), expr)) return verdict;
    const std::string context = fmt::format("call to function {}", go_quote(function.name));
    for (std::size_t i = 0; i < node.args.size(); ++i) {
      const bool data_labels = node.function == FunctionId::kInfo && i == 1;
      auto verdict = data_labels ? check_data_labels(*node.args[i], context)
                                 : expect(*node.args[i], function.argument(i), context);
      if (verdict) return verdict;
    }
    return std::nullopt;
  }

  // The second argument of info(): braces only, which may match everything.
  static Verdict check_data_labels(const Expr& argument, std::string_view context) {
    const ValueType type = value_type(argument);
    if (type != ValueType::kVector) {
      return wrong(argument.span.start, fmt::format("expected type {} in {}, got {}", describe(ValueType::kVector),
                                                    context, describe(type)));
    }
    const auto* selector = argument.as<VectorSelector>();
    if (selector != nullptr && !selector->name.empty()) {
      return wrong(argument.span.start, "expected label selectors only, got vector selector instead");
    }
    const bool plain = selector != nullptr && selector->shift.offset_ms == 0 && !selector->shift.offset_expr &&
                       !selector->shift.at_ms && selector->shift.at_bound == AtBound::kNone &&
                       selector->edges == WindowEdges::kPlain;
    if (!plain) return wrong(argument.span.start, "expected label selectors only");
    return std::nullopt;
  }

  // Where the operator between two operands begins.
  std::uint32_t operator_start(const Binary& node) const {
    std::uint32_t offset = node.lhs->span.end;
    while (offset < text_.size() && is_space(text_[offset])) ++offset;
    return offset;
  }

  Verdict check_binary(const Binary& node, const Expr& expr) const {
    if (auto verdict = check(*node.lhs)) return verdict;
    if (auto verdict = check(*node.rhs)) return verdict;
    const ValueType lhs = value_type(*node.lhs);
    const ValueType rhs = value_type(*node.rhs);
    const bool scalars = lhs == ValueType::kScalar && rhs == ValueType::kScalar;
    if (node.return_bool && !is_comparison(node.op)) {
      return wrong(operator_start(node), "bool modifier can only be used on comparison operators");
    }
    if (is_comparison(node.op) && !node.return_bool && scalars) {
      return wrong(operator_start(node), "comparisons between scalars must use BOOL modifier");
    }
    if (node.matching && node.matching->on) {
      for (const std::string& label : node.matching->labels) {
        const auto& include = node.matching->include;
        if (std::find(include.begin(), include.end(), label) != include.end()) {
          return wrong(operator_start(node),
                       fmt::format("label {} must not occur in ON and GROUP clause at once", go_quote(label)));
        }
      }
    }
    for (const ExprPtr& side : {node.lhs, node.rhs}) {
      const ValueType type = value_type(*side);
      if (type != ValueType::kScalar && type != ValueType::kVector) {
        return wrong(side->span.start, "binary expression must contain only scalar and instant vector types");
      }
    }
    return check_matching(node, expr, lhs == ValueType::kVector && rhs == ValueType::kVector);
  }

  static Verdict check_matching(const Binary& node, const Expr& expr, bool vectors) {
    const std::uint32_t start = expr.span.start;
    if (!vectors) {
      if (node.matching && !node.matching->labels.empty()) {
        return wrong(start, "vector matching only allowed between instant vectors");
      }
      if (node.matching && node.matching->fill.any()) {
        return wrong(start, "filling in missing series only allowed between instant vectors");
      }
      if (is_set_operator(node.op)) {
        return wrong(start, fmt::format("set operator {} not allowed in binary scalar expression",
                                        go_quote(to_string(node.op))));
      }
      return std::nullopt;
    }
    if (!is_set_operator(node.op)) return std::nullopt;
    if (node.matching->card != MatchCardinality::kManyToMany) {
      return wrong(start, fmt::format("no grouping allowed for {} operation", go_quote(to_string(node.op))));
    }
    if (node.matching->fill.any()) {
      return wrong(start, "filling in missing series not allowed for set operators");
    }
    return std::nullopt;
  }

  std::string_view text_;
};

}  // namespace

std::optional<TypeError> check_types(const Expr& expr, std::string_view text) { return TypeCheck(text).check(expr); }

}  // namespace rules::promql
