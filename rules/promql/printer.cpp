// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/printer.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/ring/labels.h"
#include "core/time/duration.h"
#include "rules/promql/number_text.h"
#include "rules/promql/token.h"

namespace rules::promql {
namespace {

using core::ring::go_quote;

constexpr std::size_t kMaxLineBytes = 100;  // of the pretty form
constexpr std::size_t kIndent = 2;

std::string duration_text(std::int64_t ms) { return core::format_duration(std::chrono::milliseconds(ms)); }

std::string literal_text(double value, NumberStyle style) {
  if (style == NumberStyle::kNumber || !std::isfinite(value)) return plain_number(value);
  return duration_text(std::llround(value * 1000));
}

std::string label_name(const std::string& name) {
  const bool plain = core::ring::is_plain_label_name(name) && may_name_label(classify_word(name));
  return plain ? name : go_quote(name);
}

std::string label_list(const std::vector<std::string>& names) {
  std::string text = "(";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += ", ";
    text += label_name(names[i]);
  }
  return text + ")";
}

std::string selector_text(const VectorSelector& node) {
  std::vector<std::string> matchers;
  for (const Matcher& matcher : node.matchers) {
    const bool outside = !node.name.empty() && matcher.name() == core::ring::kMetricName &&
                         matcher.type() == core::ring::MatchType::kEqual && matcher.value() == node.name;
    if (!outside) matchers.push_back(matcher.to_string());
  }
  if (matchers.empty() && !node.name.empty()) return node.name;
  std::sort(matchers.begin(), matchers.end());
  std::string text = node.name + "{";
  for (std::size_t i = 0; i < matchers.size(); ++i) {
    if (i > 0) text += ",";
    text += matchers[i];
  }
  return text + "}";
}

std::string at_text(const TimeShift& shift) {
  if (shift.at_bound == AtBound::kStart) return " @ start()";
  if (shift.at_bound == AtBound::kEnd) return " @ end()";
  if (!shift.at_ms) return "";
  const std::int64_t ms = *shift.at_ms;
  const std::uint64_t magnitude = ms < 0 ? 0 - static_cast<std::uint64_t>(ms) : static_cast<std::uint64_t>(ms);
  return fmt::format(" @ {}{}.{:03}", ms < 0 ? "-" : "", magnitude / 1000, magnitude % 1000);
}

std::string offset_text(const TimeShift& shift) {
  if (shift.offset_expr) return " offset " + print(*shift.offset_expr);
  return shift.offset_ms == 0 ? "" : " offset " + duration_text(shift.offset_ms);
}

std::string edges_text(WindowEdges edges) {
  switch (edges) {
    case WindowEdges::kPlain:
      return "";
    case WindowEdges::kAnchored:
      return " anchored";
    case WindowEdges::kSmoothed:
      return " smoothed";
  }
  CHECK(false, "not a kind of window edges");
}

// `rest` with the offset after it. An offset that starts with a parenthesis takes an operator that follows as its own,
// so where there is something else to stand between the two, it goes there.
std::string with_offset(const std::string& rest, const TimeShift& shift) {
  const std::string offset = offset_text(shift);
  return offset.starts_with(" offset (") ? offset + rest : rest + offset;
}

std::string range_text(std::int64_t ms, const DurationExprPtr& expr) { return expr ? print(*expr) : duration_text(ms); }

std::string subquery_suffix(const Subquery& node) {
  std::string text = "[" + range_text(node.range_ms, node.range_expr) + ":";
  if (node.step_expr || node.step_ms != 0) text += range_text(node.step_ms, node.step_expr);
  return text + "]" + with_offset(at_text(node.shift), node.shift);
}

std::string aggregate_head(const Aggregate& node) {
  std::string text(signature(node.op).name);
  if (node.mode == GroupingMode::kWithout) return text + " without " + label_list(node.grouping) + " ";
  return node.grouping.empty() ? text : text + " by " + label_list(node.grouping) + " ";
}

std::string fill_suffix(const FillValues& fill) {
  if (fill.lhs && fill.rhs && *fill.lhs == *fill.rhs) return " fill (" + short_number(*fill.lhs) + ")";
  std::string text;
  if (fill.lhs) text += " fill_left (" + short_number(*fill.lhs) + ")";
  if (fill.rhs) text += " fill_right (" + short_number(*fill.rhs) + ")";
  return text;
}

// The operator with all that belongs to it.
std::string operator_text(const Binary& node) {
  std::string text(to_string(node.op));
  if (node.return_bool) text += " bool";
  if (!node.matching) return text;
  const VectorMatching& matching = *node.matching;
  const bool grouped = matching.card == MatchCardinality::kManyToOne || matching.card == MatchCardinality::kOneToMany;
  if (matching.on) {
    text += " on " + label_list(matching.labels);
  } else if (!matching.labels.empty() || grouped) {
    text += " ignoring " + label_list(matching.labels);
  }
  if (matching.card == MatchCardinality::kManyToOne) text += " group_left " + label_list(matching.include);
  if (matching.card == MatchCardinality::kOneToMany) text += " group_right " + label_list(matching.include);
  return text + fill_suffix(matching.fill);
}

class Printer {
 public:
  void write(const Expr& expr) {
    std::visit([this](const auto& node) { write_node(node); }, expr.node);
  }
  std::string take() { return std::move(text_); }

 private:
  void write_list(const std::vector<ExprPtr>& exprs) {
    text_ += "(";
    for (std::size_t i = 0; i < exprs.size(); ++i) {
      if (i > 0) text_ += ", ";
      write(*exprs[i]);
    }
    text_ += ")";
  }

  void write_node(const NumberLiteral& node) { text_ += literal_text(node.value, node.style); }
  void write_node(const StringLiteral& node) { text_ += go_quote(node.value); }
  void write_node(const VectorSelector& node) {
    text_ += selector_text(node) + with_offset(at_text(node.shift) + edges_text(node.edges), node.shift);
  }
  void write_node(const MatrixSelector& node) {
    const VectorSelector& selector = node.selector;
    text_ += selector_text(selector) + "[" + range_text(node.range_ms, node.range_expr) + "]";
    text_ += with_offset(edges_text(selector.edges) + at_text(selector.shift), selector.shift);
  }
  void write_node(const Subquery& node) {
    write(*node.expr);
    text_ += subquery_suffix(node);
  }
  void write_node(const Call& node) {
    text_ += signature(node.function).name;
    write_list(node.args);
  }
  void write_node(const Aggregate& node) {
    text_ += aggregate_head(node);
    write_list(node.param ? std::vector<ExprPtr>{node.param, node.expr} : std::vector<ExprPtr>{node.expr});
  }
  void write_node(const Binary& node) {
    const auto* base = node.op == BinaryOp::kPow ? node.lhs->as<NumberLiteral>() : nullptr;
    // A sign binds less tightly than ^: +Inf ^ 2 would read back as +(Inf ^ 2).
    if (base != nullptr && std::isinf(base->value) && base->value > 0) {
      text_ += "Inf";
    } else {
      write(*node.lhs);
    }
    text_ += " " + operator_text(node) + " ";
    write(*node.rhs);
  }
  void write_node(const Unary& node) {
    text_ += node.op == UnaryOp::kMinus ? "-" : "+";
    write(*node.expr);
  }
  void write_node(const Paren& node) {
    text_ += "(";
    write(*node.expr);
    text_ += ")";
  }

  std::string text_;
};

class PrettyPrinter {
 public:
  // `expr` on lines of its own, the first indented too.
  std::string lines(const Expr& expr, std::size_t level) {
    std::string flat = print(expr);
    if (flat.size() <= kMaxLineBytes) return indent(level) + flat;
    return std::visit([&](const auto& node) { return split(node, std::move(flat), level); }, expr.node);
  }

 private:
  static std::string indent(std::size_t level) { return std::string(level * kIndent, ' '); }

  std::string block(const std::string& head, const std::vector<ExprPtr>& exprs, std::size_t level) {
    std::string text = indent(level) + head + "(\n";
    for (std::size_t i = 0; i < exprs.size(); ++i) {
      if (i > 0) text += ",\n";
      text += lines(*exprs[i], level + 1);
    }
    return text + "\n" + indent(level) + ")";
  }

  // Literals and selectors never split.
  template <class Leaf>
  std::string split(const Leaf&, std::string flat, std::size_t level) {
    return indent(level) + flat;
  }
  std::string split(const Call& node, std::string flat, std::size_t level) {
    if (node.args.empty()) return indent(level) + flat;
    return block(std::string(signature(node.function).name), node.args, level);
  }
  std::string split(const Aggregate& node, std::string, std::size_t level) {
    const auto args = node.param ? std::vector<ExprPtr>{node.param, node.expr} : std::vector<ExprPtr>{node.expr};
    return block(aggregate_head(node), args, level);
  }
  std::string split(const Paren& node, std::string, std::size_t level) { return block("", {node.expr}, level); }
  std::string split(const Subquery& node, std::string, std::size_t level) {
    return lines(*node.expr, level) + subquery_suffix(node);
  }
  std::string split(const Binary& node, std::string, std::size_t level) {
    return lines(*node.lhs, level + 1) + "\n" + indent(level) + operator_text(node) + "\n" +
           lines(*node.rhs, level + 1);
  }
  std::string split(const Unary& node, std::string, std::size_t level) {
    const std::string child = lines(*node.expr, level);
    const std::size_t start = child.find_first_not_of(' ');
    return indent(level) + (node.op == UnaryOp::kMinus ? "-" : "+") + child.substr(start);
  }
};

std::string_view sign_of(DurationOp op) {
  switch (op) {
    case DurationOp::kAdd:
      return " + ";
    case DurationOp::kSub:
      return " - ";
    case DurationOp::kMul:
      return " * ";
    case DurationOp::kDiv:
      return " / ";
    case DurationOp::kMod:
      return " % ";
    case DurationOp::kPow:
      return " ^ ";
    default:
      break;
  }
  CHECK(false, "not a binary duration operator");
}

std::string unwrapped(const DurationExpr& expr) {
  switch (expr.op) {
    case DurationOp::kLiteral:
      return literal_text(expr.seconds, expr.style);
    case DurationOp::kStep:
      return "step()";
    case DurationOp::kRange:
      return "range()";
    case DurationOp::kMinOf:
      return "min_of(" + print(*expr.lhs) + ", " + print(*expr.rhs) + ")";
    case DurationOp::kMaxOf:
      return "max_of(" + print(*expr.lhs) + ", " + print(*expr.rhs) + ")";
    default:
      break;
  }
  if (!expr.lhs) return "-" + print(*expr.rhs);
  return print(*expr.lhs) + std::string(sign_of(expr.op)) + print(*expr.rhs);
}

}  // namespace

std::string print(const DurationExpr& expr) { return expr.wrapped ? "(" + unwrapped(expr) + ")" : unwrapped(expr); }

std::string print(const Expr& expr) {
  Printer printer;
  printer.write(expr);
  return printer.take();
}

std::string print_pretty(const Expr& expr) { return PrettyPrinter().lines(expr, 0); }

}  // namespace rules::promql
