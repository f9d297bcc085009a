// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "collector/probe/cel_expression.h"
#include "collector/probe/cel_syntax.h"
#include "core/ring/labels.h"

namespace collector::probe {
namespace cel {
namespace {

// What one evaluation may cost: a step for each part that is evaluated and each element that is looked at, and one for
// each so many bytes of a text. Some 50 ms at most, for it runs between other probes.
constexpr std::size_t kSteps = 200'000;
constexpr std::size_t kBytesAStep = 64;

// No value; the text says why.
using Outcome = tl::expected<Value, std::string>;

tl::unexpected<std::string> no_value(std::string why) { return tl::unexpected(std::move(why)); }

tl::unexpected<std::string> no_meaning(std::string_view what, const Value& left, const Value& right) {
  return no_value(
      fmt::format("{} has no meaning for {} and {}", what, to_string(left.type()), to_string(right.type())));
}

// Whole numbers, with the limits of their type.
template <class T>
Outcome whole_arithmetic(Op op, T left, T right) {
  T result{};
  bool over = false;
  switch (op) {
    case Op::kAdd:
      over = __builtin_add_overflow(left, right, &result);
      break;
    case Op::kSubtract:
      over = __builtin_sub_overflow(left, right, &result);
      break;
    case Op::kMultiply:
      over = __builtin_mul_overflow(left, right, &result);
      break;
    default: {
      if (right == 0) return no_value(op == Op::kDivide ? "division by zero" : "modulus by zero");
      // The least number by -1 is one too large.
      if constexpr (std::is_signed_v<T>) over = left == std::numeric_limits<T>::min() && right == -1;
      if (!over) result = op == Op::kDivide ? left / right : left % right;
    }
  }
  if (over) return no_value("a whole number grows too large");
  return Value{result};
}

Outcome double_arithmetic(Op op, double left, double right) {
  switch (op) {
    case Op::kAdd:
      return Value{left + right};
    case Op::kSubtract:
      return Value{left - right};
    case Op::kMultiply:
      return Value{left * right};
    case Op::kDivide:
      return Value{left / right};
    default:
      return no_value("% has no meaning for double");
  }
}

template <class T>
std::optional<T> number_in(std::string_view text) {
  T number{};
  if (text.starts_with('+')) text.remove_prefix(1);
  const bool again = text.starts_with('+') || text.find('(') != std::string_view::npos;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (again || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The value as a whole number of type T, cut off towards zero.
template <class T>
Outcome to_whole(const Value& value) {
  const auto out_of_range = [] { return no_value("a number is out of range"); };
  if (const auto* number = value.as<double>()) {
    // Both ends as doubles; the upper one is a power of two above the type's last number.
    const double below = static_cast<double>(std::numeric_limits<T>::min());
    const double above = std::ldexp(1.0, std::numeric_limits<T>::digits);
    if (!(*number >= below && *number < above)) return out_of_range();
    return Value{static_cast<T>(*number)};
  }
  if (const auto* number = value.as<std::int64_t>()) {
    if (!std::in_range<T>(*number)) return out_of_range();
    return Value{static_cast<T>(*number)};
  }
  if (const auto* number = value.as<std::uint64_t>()) {
    if (!std::in_range<T>(*number)) return out_of_range();
    return Value{static_cast<T>(*number)};
  }
  const std::string* text = value.text();
  if (text == nullptr) return no_value(fmt::format("{} is no number", to_string(value.type())));
  const auto number = number_in<T>(*text);
  if (!number) return no_value(fmt::format("\"{}\" is no whole number", text->substr(0, 40)));
  return Value{*number};
}

Outcome to_double(const Value& value) {
  if (value.as<double>() != nullptr) return value;
  if (const auto* number = value.as<std::int64_t>()) return Value{static_cast<double>(*number)};
  if (const auto* number = value.as<std::uint64_t>()) return Value{static_cast<double>(*number)};
  const std::string* text = value.text();
  if (text == nullptr) return no_value(fmt::format("{} is no number", to_string(value.type())));
  const auto number = number_in<double>(*text);
  if (!number) return no_value(fmt::format("\"{}\" is no number", text->substr(0, 40)));
  return Value{*number};
}

Outcome to_text(const Value& value) {
  if (value.text() != nullptr) return value;
  if (const auto* flag = value.as<bool>()) return Value::of(std::string(*flag ? "true" : "false"));
  if (const auto* number = value.as<std::int64_t>()) return Value::of(fmt::format("{}", *number));
  if (const auto* number = value.as<std::uint64_t>()) return Value::of(fmt::format("{}", *number));
  if (const auto* number = value.as<double>()) return Value::of(double_text(*number));
  return no_value(fmt::format("string() has no meaning for {}", to_string(value.type())));
}

// The texts that Go's ParseBool takes.
Outcome to_flag(const Value& value) {
  if (value.as<bool>() != nullptr) return value;
  const std::string* text = value.text();
  if (text == nullptr) return no_value(fmt::format("bool() has no meaning for {}", to_string(value.type())));
  constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "TRUE", "true", "True"};
  constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "FALSE", "false", "False"};
  if (std::ranges::find(kTrue, *text) != kTrue.end()) return Value::of(true);
  if (std::ranges::find(kFalse, *text) != kFalse.end()) return Value::of(false);
  return no_value(fmt::format("\"{}\" is neither true nor false", text->substr(0, 40)));
}

std::int64_t count_characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

class Evaluator {
 public:
  Evaluator(const Program& program, Value body) : slots_(program.slots) { slots_[0] = std::move(body); }

  // NOLINTBEGIN(misc-no-recursion): as deep as the parser allows
  Outcome evaluate(const Node& node) {
    if (!spend(1)) return too_much();
    switch (node.op) {
      case Op::kLiteral:
        return node.literal;
      case Op::kVariable:
        return slots_[node.slot];
      case Op::kList:
        return list(node);
      case Op::kMap:
        return map(node);
      case Op::kAnd:
      case Op::kOr:
        return logic(node);
      case Op::kConditional: {
        const auto condition = flag(node.parts[0]);
        if (!condition) return no_value(condition.error());
        return evaluate(node.parts[*condition ? 1 : 2]);
      }
      case Op::kAll:
      case Op::kExists:
        return quantifier(node);
      case Op::kExistsOne:
      case Op::kFilter:
      case Op::kTransform:
        return comprehension(node);
      default:
        return strict(node);
    }
  }

 private:
  static tl::unexpected<std::string> too_much() { return no_value("the expression is too much work for this body"); }
  bool spend(std::size_t steps) {
    left_ -= std::min(left_, steps);
    return left_ > 0;
  }

  tl::expected<bool, std::string> flag(const Node& node) {
    auto value = evaluate(node);
    if (!value) return no_value(value.error());
    if (const bool* result = value->as<bool>()) return *result;
    return no_value(fmt::format("a condition is {}, not bool", to_string(value->type())));
  }

  Outcome list(const Node& node) {
    List elements;
    for (const Node& part : node.parts) {
      auto value = evaluate(part);
      if (!value) return value;
      elements.push_back(std::move(*value));
    }
    return Value::of(std::move(elements));
  }

  Outcome map(const Node& node) {
    Map result;
    for (std::size_t i = 0; i + 1 < node.parts.size(); i += 2) {
      auto key = evaluate(node.parts[i]);
      if (!key) return key;
      auto value = evaluate(node.parts[i + 1]);
      if (!value) return value;
      const Type type = key->type();
      const bool fits = type == Type::kString || type == Type::kInt || type == Type::kUint || type == Type::kBool;
      if (!fits) return no_value(fmt::format("{} cannot be a key", to_string(type)));
      if (find(result, *key) != nullptr) return no_value("a key is given twice");
      result.entries.emplace_back(std::move(*key), std::move(*value));
    }
    return Value::of(std::move(result));
  }

  // The side that decides does so though the other has no value.
  Outcome logic(const Node& node) {
    const bool deciding = node.op == Op::kOr;
    const auto left = flag(node.parts[0]);
    if (left && *left == deciding) return Value::of(deciding);
    const auto right = flag(node.parts[1]);
    if (right && *right == deciding) return Value::of(deciding);
    if (!left) return no_value(left.error());
    if (!right) return no_value(right.error());
    return Value::of(!deciding);
  }

  // A list: of the elements of a list, of the keys of a map.
  Outcome range_of(const Node& node) {
    auto range = evaluate(node);
    if (!range || range->list() != nullptr) return range;
    const Map* entries = range->map();
    if (entries == nullptr) return no_value(fmt::format("{} has no elements", to_string(range->type())));
    if (!spend(entries->entries.size())) return too_much();
    List keys;
    for (const auto& entry : entries->entries) keys.push_back(entry.first);
    return Value::of(std::move(keys));
  }

  Outcome quantifier(const Node& node) {
    const auto range = range_of(node.parts[0]);
    if (!range) return no_value(range.error());
    const bool deciding = node.op == Op::kExists;
    std::string problem;
    for (const Value& element : *range->list()) {
      slots_[node.slot] = element;
      const auto verdict = flag(node.parts[1]);
      if (verdict && *verdict == deciding) return Value::of(deciding);
      if (left_ == 0) return too_much();
      if (!verdict && problem.empty()) problem = verdict.error();
    }
    if (!problem.empty()) return no_value(std::move(problem));
    return Value::of(!deciding);
  }

  Outcome comprehension(const Node& node) {
    const auto range = range_of(node.parts[0]);
    if (!range) return no_value(range.error());
    const bool has_condition = node.op != Op::kTransform || node.parts.size() == 3;
    List made;
    std::size_t count = 0;
    for (const Value& element : *range->list()) {
      slots_[node.slot] = element;
      const auto taken = has_condition ? flag(node.parts[1]) : tl::expected<bool, std::string>(true);
      if (!taken) return no_value(taken.error());
      if (!*taken) continue;
      ++count;
      if (node.op == Op::kFilter) made.push_back(element);
      if (node.op != Op::kTransform) continue;
      auto value = evaluate(node.parts.back());
      if (!value) return value;
      made.push_back(std::move(*value));
    }
    return node.op == Op::kExistsOne ? Value::of(count == 1) : Value::of(std::move(made));
  }

  // What needs the values of all parts.
  Outcome strict(const Node& node) {
    std::array<Value, 2> values;
    for (std::size_t i = 0; i < node.parts.size() && i < values.size(); ++i) {
      auto value = evaluate(node.parts[i]);
      if (!value) return value;
      values[i] = std::move(*value);
    }
    const auto& [first, second] = values;
    switch (node.op) {
      case Op::kSelect:
      case Op::kHas:
        return field(node, first);
      case Op::kIndex:
        return index(first, second);
      case Op::kNot:
        if (const bool* value = first.as<bool>()) return Value::of(!*value);
        return no_value(fmt::format("! has no meaning for {}", to_string(first.type())));
      case Op::kNegate:
        if (const auto* value = first.as<double>()) return Value{-*value};
        if (first.as<std::int64_t>() != nullptr) {
          return whole_arithmetic(Op::kSubtract, std::int64_t{0}, *first.as<std::int64_t>());
        }
        return no_value(fmt::format("- has no meaning for {}", to_string(first.type())));
      case Op::kEqual:
      case Op::kNotEqual:
        if (!spend(weight(first))) return too_much();
        return Value::of(equal(first, second) == (node.op == Op::kEqual));
      case Op::kIn:
        return contains(first, second);
      case Op::kLess:
      case Op::kLessEqual:
      case Op::kGreater:
      case Op::kGreaterEqual:
        return ordered(node.op, first, second);
      case Op::kFunction:
        return call(node, first, second);
      default:
        return arithmetic(node.op, first, second);
    }
  }

  // How much there is to look through, without what lies below elements.
  static std::size_t weight(const Value& value) {
    if (const std::string* text = value.text()) return text->size() / kBytesAStep;
    if (const List* elements = value.list()) return elements->size();
    if (const Map* entries = value.map()) return entries->entries.size();
    return 0;
  }

  static Outcome field(const Node& node, const Value& object) {
    const Map* map = object.map();
    if (map == nullptr) return no_value(fmt::format("{} has no field {}", to_string(object.type()), node.field));
    const Value* value = find(*map, Value::of(node.field));
    if (node.op == Op::kHas) return Value::of(value != nullptr);
    if (value == nullptr) return no_value(fmt::format("there is no field {}", node.field));
    return *value;
  }

  static Outcome index(const Value& object, const Value& at) {
    if (const Map* map = object.map()) {
      if (const Value* value = find(*map, at)) return *value;
      return no_value("there is no such key");
    }
    const List* list = object.list();
    if (list == nullptr) return no_value(fmt::format("{} has no elements", to_string(object.type())));
    const auto* number = at.as<double>();
    if (!at.is_number() || (number != nullptr && *number != std::floor(*number))) {
      return no_value("an index must be a whole number");
    }
    const auto whole = to_whole<std::uint64_t>(at);
    if (!whole || *whole->as<std::uint64_t>() >= list->size()) return no_value("an index is out of range");
    return (*list)[*whole->as<std::uint64_t>()];
  }

  Outcome contains(const Value& wanted, const Value& range) {
    if (!spend(weight(range))) return too_much();
    if (const Map* map = range.map()) return Value::of(find(*map, wanted) != nullptr);
    const List* list = range.list();
    if (list == nullptr) return no_value(fmt::format("{} has no elements", to_string(range.type())));
    return Value::of(std::ranges::any_of(*list, [&](const Value& each) { return equal(each, wanted); }));
  }

  static Outcome ordered(Op op, const Value& left, const Value& right) {
    const auto found = order(left, right);
    if (!found) return no_meaning("an order", left, right);
    switch (op) {
      case Op::kLess:
        return Value::of(*found < 0);
      case Op::kLessEqual:
        return Value::of(*found <= 0);
      case Op::kGreater:
        return Value::of(*found > 0);
      default:
        return Value::of(*found >= 0);
    }
  }

  Outcome arithmetic(Op op, const Value& left, const Value& right) {
    if (left.type() != right.type()) return no_meaning("arithmetic", left, right);
    if (const auto* number = left.as<std::int64_t>()) return whole_arithmetic(op, *number, *right.as<std::int64_t>());
    if (const auto* number = left.as<std::uint64_t>()) return whole_arithmetic(op, *number, *right.as<std::uint64_t>());
    if (const auto* number = left.as<double>()) return double_arithmetic(op, *number, *right.as<double>());
    if (op != Op::kAdd || !spend(weight(left) + weight(right))) {
      return op == Op::kAdd ? too_much() : no_meaning("arithmetic", left, right);
    }
    if (const std::string* text = left.text()) return Value::of(*text + *right.text());
    if (const List* elements = left.list()) {
      List all = *elements;
      all.insert(all.end(), right.list()->begin(), right.list()->end());
      return Value::of(std::move(all));
    }
    return no_meaning("arithmetic", left, right);
  }

  Outcome call(const Node& node, const Value& first, const Value& second) {
    if (!spend(weight(first))) return too_much();
    switch (node.function) {
      case Function::kSize:
        if (const auto* text = first.text()) return Value{count_characters(*text)};
        if (const auto* elements = first.list()) return Value{static_cast<std::int64_t>(elements->size())};
        if (const auto* map = first.map()) return Value{static_cast<std::int64_t>(map->entries.size())};
        return no_value(fmt::format("size() has no meaning for {}", to_string(first.type())));
      case Function::kInt:
        return to_whole<std::int64_t>(first);
      case Function::kUint:
        return to_whole<std::uint64_t>(first);
      case Function::kDouble:
        return to_double(first);
      case Function::kString:
        return to_text(first);
      case Function::kBool:
        return to_flag(first);
      case Function::kTypeOf:
        return Value{first.type()};
      case Function::kDyn:
        return first;
      default:
        return text_function(node, first, second);
    }
  }
  // NOLINTEND(misc-no-recursion)

  Outcome text_function(const Node& node, const Value& first, const Value& second) {
    const std::string* text = first.text();
    const std::string* other = second.text();
    if (text == nullptr || other == nullptr) return no_meaning("a function of texts", first, second);
    switch (node.function) {
      case Function::kContains:
        return Value::of(text->find(*other) != std::string::npos);
      case Function::kStartsWith:
        return Value::of(text->starts_with(*other));
      case Function::kEndsWith:
        return Value::of(text->ends_with(*other));
      default:
        break;
    }
    if (!node.pattern.empty()) return Value::of(node.pattern.found_in(*text));
    // To read an expression anew costs far more than to run it.
    constexpr std::size_t kPatternSteps = 2000;
    if (!spend(kPatternSteps + other->size())) return too_much();
    const auto pattern = Pattern::compile(*other);
    if (!pattern) return no_value(pattern.error().message);
    return Value::of(pattern->found_in(*text));
  }

  std::vector<Value> slots_;
  std::size_t left_ = kSteps;
};

}  // namespace
}  // namespace cel

using core::Errc;
using core::Result;

Result<CelExpression> CelExpression::compile(std::string text) {
  if (!core::ring::is_valid_utf8(text)) return core::fail(Errc::kInvalid, "CEL: the expression is not UTF-8");
  CelExpression expression;
  expression.text_ = std::move(text);
  auto program = cel::parse(expression.text_);
  if (!program) return core::fail(program.error().code, "CEL: {}", program.error().message);
  expression.program_ = std::make_shared<const cel::Program>(std::move(*program));
  return expression;
}

Result<bool> CelExpression::evaluate(std::string_view json_body) const {
  auto body = cel::read_json(json_body);
  if (!body) return core::fail(body.error());
  const auto value = cel::Evaluator(*program_, std::move(*body)).evaluate(program_->root);
  if (!value) return core::fail(Errc::kInvalid, "{}", value.error());
  if (const bool* flag = value->as<bool>()) return *flag;
  return core::fail(Errc::kInvalid, "the value is {}, not bool", cel::to_string(value->type()));
}

}  // namespace collector::probe

namespace core::config {

Result<collector::probe::CelExpression> Codec<collector::probe::CelExpression>::read(const Node& node) {
  if (!node.is_scalar()) return fail(node.error("expected a CEL expression, got {}", node.describe()));
  auto expression = collector::probe::CelExpression::compile(node.scalar());
  if (expression) return expression;
  Error error = node.error("{}", expression.error().message);
  error.code = expression.error().code;
  return fail(std::move(error));
}

}  // namespace core::config
