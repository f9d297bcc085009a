// SPDX-License-Identifier: Apache-2.0
// The functions every Go template has.
#include <algorithm>

#include "core/ring/labels.h"
#include "rules/template/functions.h"
#include "rules/template/text_functions.h"

namespace rules::templates {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// and, or: the executor evaluates them.
Result<Value> last_argument(FunctionContext&, Arguments& arguments) { return std::move(arguments.back()); }

Result<Value> logical_not(FunctionContext&, Arguments& arguments) { return Value(!truth(arguments[0])); }

bool is_basic(const Value& value) { return value.list() == nullptr && value.map() == nullptr; }

Result<bool> equal(const Value& a, const Value& b) {
  if (a.is_nil() || b.is_nil()) return a.is_nil() && b.is_nil();
  if (!is_basic(a) || !is_basic(b))
    return fail(Errc::kFailed, "non-comparable type {}", type_name(is_basic(a) ? b : a));
  if (a.held.index() != b.held.index()) return fail(Errc::kFailed, "incompatible types for comparison");
  return a.held == b.held;
}

// Negative, 0 or positive; NaN is neither less than, equal to nor greater than anything.
struct Order {
  bool less = false;
  bool same = false;
};

Result<Order> compare(const Value& a, const Value& b) {
  if (a.held.index() != b.held.index()) return fail(Errc::kFailed, "incompatible types for comparison");
  if (const auto* text = a.as<std::string>()) return Order{*text < *b.as<std::string>(), *text == *b.as<std::string>()};
  if (const auto* number = a.as<double>()) return Order{*number < *b.as<double>(), *number == *b.as<double>()};
  if (const auto* number = a.as<std::int64_t>()) {
    return Order{*number < *b.as<std::int64_t>(), *number == *b.as<std::int64_t>()};
  }
  if (const auto* span = a.as<TimeSpan>()) {
    const std::int64_t other = b.as<TimeSpan>()->nanoseconds;
    return Order{span->nanoseconds < other, span->nanoseconds == other};
  }
  return fail(Errc::kFailed, "invalid type for comparison");
}

Result<Value> eq(FunctionContext&, Arguments& arguments) {
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const auto same = equal(arguments[0], arguments[i]);
    if (!same) return fail(same.error());
    if (*same) return Value(true);
  }
  return Value(false);
}

Result<Value> ne(FunctionContext&, Arguments& arguments) {
  const auto same = equal(arguments[0], arguments[1]);
  if (!same) return fail(same.error());
  return Value(!*same);
}

Result<Value> lt(FunctionContext&, Arguments& arguments) {
  const auto order = compare(arguments[0], arguments[1]);
  if (!order) return fail(order.error());
  return Value(order->less);
}

Result<Value> le(FunctionContext&, Arguments& arguments) {
  const auto order = compare(arguments[0], arguments[1]);
  if (!order) return fail(order.error());
  return Value(order->less || order->same);
}

Result<Value> gt(FunctionContext&, Arguments& arguments) {
  const auto order = compare(arguments[1], arguments[0]);
  if (!order) return fail(order.error());
  return Value(order->less);
}

Result<Value> ge(FunctionContext&, Arguments& arguments) {
  const auto order = compare(arguments[1], arguments[0]);
  if (!order) return fail(order.error());
  return Value(order->less || order->same);
}

Result<Value> len(FunctionContext&, Arguments& arguments) {
  const Value& value = arguments[0];
  const auto sized = [](std::size_t size) { return Value(static_cast<std::int64_t>(size)); };
  if (const auto* text = value.as<std::string>()) return sized(text->size());
  if (const List* list = value.list()) return sized(list->size());
  if (const Map* map = value.map(); map != nullptr && map->kind != MapKind::kFields) return sized(map->entries.size());
  return fail(Errc::kFailed, "len of type {}", type_name(value));
}

Result<std::size_t> index_argument(const Value& value, std::size_t end) {
  const auto number = integer_argument(value);
  if (!number) return fail(Errc::kFailed, "cannot index slice/array with type {}", type_name(value));
  if (*number < 0 || static_cast<std::uint64_t>(*number) >= end) {
    return fail(Errc::kFailed, "index out of range: {}", *number);
  }
  return static_cast<std::size_t>(*number);
}

Result<Value> element(const Value& value, const Value& key) {
  if (const List* list = value.list()) {
    const auto at = index_argument(key, list->size());
    if (!at) return fail(at.error());
    return (*list)[*at];
  }
  if (const auto* text = value.as<std::string>()) {
    const auto at = index_argument(key, text->size());
    if (!at) return fail(at.error());
    return Value(static_cast<std::int64_t>(static_cast<unsigned char>((*text)[*at])));
  }
  const Map* map = value.map();
  if (map == nullptr || map->kind == MapKind::kFields) {
    return fail(Errc::kFailed, "can't index item of type {}", type_name(value));
  }
  const auto name = string_argument(key);
  if (!name) return fail(Errc::kFailed, "value has type {}; should be string", type_name(key));
  const auto found = map->entries.find(*name);
  if (found != map->entries.end()) return found->second;
  return map->kind == MapKind::kStrings ? Value(std::string()) : Value();
}

Result<Value> index(FunctionContext&, Arguments& arguments) {
  Result<Value> value = arguments[0];
  for (std::size_t i = 1; i < arguments.size() && value; ++i) value = element(*value, arguments[i]);
  return value;
}

// slice x, slice x 1, slice x 1 2 are x[:], x[1:], x[1:2].
Result<Value> slice(FunctionContext&, Arguments& arguments) {
  const auto* text = arguments[0].as<std::string>();
  const List* list = arguments[0].list();
  if (text == nullptr && list == nullptr)
    return fail(Errc::kFailed, "can't slice item of type {}", type_name(arguments[0]));
  const std::size_t size = text != nullptr ? text->size() : list->size();
  std::size_t from = 0;
  std::size_t to = size;
  if (arguments.size() > 1) {
    const auto read = index_argument(arguments[1], size + 1);
    if (!read) return fail(read.error());
    from = *read;
  }
  if (arguments.size() > 2) {
    const auto read = index_argument(arguments[2], size + 1);
    if (!read) return fail(read.error());
    to = *read;
  }
  if (from > to) return fail(Errc::kFailed, "invalid slice index: {} > {}", from, to);
  if (text != nullptr) return Value(text->substr(from, to - from));
  return Value(
      List(list->begin() + static_cast<std::ptrdiff_t>(from), list->begin() + static_cast<std::ptrdiff_t>(to)));
}

Result<Value> print(FunctionContext&, Arguments& arguments) { return Value(print_text(arguments)); }

Result<Value> println(FunctionContext&, Arguments& arguments) {
  std::string text;
  for (const Value& value : arguments) {
    if (!text.empty()) text += ' ';
    text += text_of(value);
  }
  return Value(text + "\n");
}

Result<Value> printf(FunctionContext& context, Arguments& arguments) {
  const auto format = string_argument(arguments[0]);
  if (!format) return fail(format.error());
  auto text = format_text(*format, arguments, 1, context.limits.output_bytes);
  if (!text) return fail(text.error());
  return Value(std::move(*text));
}

std::string printed(const Arguments& arguments) {
  return arguments.size() == 1 && arguments[0].as<std::string>() ? *arguments[0].as<std::string>()
                                                                 : print_text(arguments);
}

Result<Value> html(FunctionContext&, Arguments& arguments) { return Value(html_escape(printed(arguments))); }
Result<Value> js(FunctionContext&, Arguments& arguments) { return Value(js_escape(printed(arguments))); }
Result<Value> urlquery(FunctionContext&, Arguments& arguments) { return Value(query_escape(printed(arguments))); }

// No value of these templates is a function.
Result<Value> call(FunctionContext&, Arguments& arguments) {
  return fail(Errc::kFailed, "non-function {} of type {}", text_of(arguments[0]), type_name(arguments[0]));
}

}  // namespace

const std::vector<Function>& go_functions() {
  static const std::vector<Function> kFunctions = {
      {"and", 1, kAnyNumber, last_argument},
      {"or", 1, kAnyNumber, last_argument},
      {"not", 1, 1, logical_not},
      {"eq", 2, kAnyNumber, eq},
      {"ne", 2, 2, ne},
      {"lt", 2, 2, lt},
      {"le", 2, 2, le},
      {"gt", 2, 2, gt},
      {"ge", 2, 2, ge},
      {"len", 1, 1, len},
      {"index", 1, kAnyNumber, index},
      {"slice", 1, 3, slice},
      {"print", 0, kAnyNumber, print},
      {"println", 0, kAnyNumber, println},
      {"printf", 1, kAnyNumber, printf},
      {"html", 1, kAnyNumber, html},
      {"js", 1, kAnyNumber, js},
      {"urlquery", 1, kAnyNumber, urlquery},
      {"call", 1, kAnyNumber, call},
  };
  return kFunctions;
}

}  // namespace rules::templates
