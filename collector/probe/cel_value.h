// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/result.h"

namespace collector::probe::cel {

enum class Type : std::uint8_t { kNull, kBool, kInt, kUint, kDouble, kString, kList, kMap, kType, kDyn };
std::string_view to_string(Type type);  // as CEL names them

struct Value;
using List = std::vector<Value>;

// Keys are texts, whole numbers or booleans, each once. Those of JSON are texts in order.
struct Map {
  std::vector<std::pair<Value, Value>> entries;
  bool in_order = false;
};

// A value of CEL, without those that JSON cannot lead to.
//
// Thread safety: a value; what it shares is immutable.
struct Value {
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Map>, Type>
      held;

  static Value of(std::string text) { return {std::make_shared<const std::string>(std::move(text))}; }
  static Value of(List list) { return {std::make_shared<const List>(std::move(list))}; }
  static Value of(Map map) { return {std::make_shared<const Map>(std::move(map))}; }
  static Value of(bool flag) { return {flag}; }

  Type type() const { return static_cast<Type>(held.index()); }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&held);
  }
  const std::string* text() const { return pointed<std::string>(); }
  const List* list() const { return pointed<List>(); }
  const Map* map() const { return pointed<Map>(); }
  bool is_number() const { return type() == Type::kInt || type() == Type::kUint || type() == Type::kDouble; }

 private:
  template <class T>
  const T* pointed() const {
    const auto* pointer = std::get_if<std::shared_ptr<const T>>(&held);
    return pointer == nullptr ? nullptr : pointer->get();
  }
};

// Whether two values are equal; values of different types are not, but numbers are compared by what they mean.
bool equal(const Value& left, const Value& right);
// Of numbers, texts and booleans of one type; none for what has no order (NaN, other types).
std::optional<std::partial_ordering> order(const Value& left, const Value& right);
const Value* find(const Map& map, const Value& key);

// The values that JSON text comes to: every number a double, the last of equal keys. kInvalid for what is not one whole
// JSON value, kLimitExceeded for one that is too deep or has too many parts.
core::Result<Value> read_json(std::string_view text);

// As Go's %g writes it, which string() gives.
std::string double_text(double value);

}  // namespace collector::probe::cel
