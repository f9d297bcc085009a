// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/config/node.h"
#include "core/result.h"
#include "core/time/duration.h"

namespace core::config {

// A text that must not be shown: printed as <secret>.
struct Secret {
  std::string value;
  bool operator==(const Secret&) const = default;
};

// Bytes, written as Prometheus writes them: 512MB, 1GiB, 0 (powers of 1024 either way).
struct ByteSize {
  std::uint64_t bytes = 0;
  auto operator<=>(const ByteSize&) const = default;
};

struct TableDescription;

// What the generated documents say about a type.
struct TypeDescription {
  std::string name;                               // "duration", "list of string", "map of string to string", "object"
  std::vector<std::string> allowed;               // for enumerations
  const TableDescription* (*nested)() = nullptr;  // for objects (and lists and maps of them)
};

// Codec<T> reads a T from a node and prints one for the documents:
//   static Result<T> read(const Node& node);         errors: node.error("expected a duration, got {}", node.describe())
//   static std::string print(const T& value);        "" when there is nothing worth showing
//   static TypeDescription describe();
// A component adds a specialisation beside its own type; a struct with `static const Table<T>& fields()` needs none.
template <class T>
struct Codec;

template <>
struct Codec<bool> {
  static Result<bool> read(const Node& node);  // true or false, unquoted
  static std::string print(bool value) { return value ? "true" : "false"; }
  static TypeDescription describe() { return {"bool", {"true", "false"}}; }
};

template <>
struct Codec<std::string> {
  static Result<std::string> read(const Node& node);  // any scalar, as written
  static std::string print(const std::string& value) { return value; }
  static TypeDescription describe() { return {"string", {}}; }
};

template <>
struct Codec<Secret> {
  static Result<Secret> read(const Node& node);
  static std::string print(const Secret& value) { return value.value.empty() ? "" : "<secret>"; }
  static TypeDescription describe() { return {"secret", {}}; }
};

template <>
struct Codec<double> {
  static Result<double> read(const Node& node);
  static std::string print(double value) { return fmt::format("{}", value); }
  static TypeDescription describe() { return {"number", {}}; }
};

// Reads a whole number in [least, most]; the error names the bounds.
Result<std::int64_t> read_integer(const Node& node, std::int64_t least, std::int64_t most);

template <std::integral T>
  requires(!std::same_as<T, bool>)
struct Codec<T> {
  static Result<T> read(const Node& node) {
    constexpr auto kLeast = std::is_signed_v<T> ? static_cast<std::int64_t>(std::numeric_limits<T>::min()) : 0;
    constexpr auto kMost = sizeof(T) == 8 ? std::numeric_limits<std::int64_t>::max()
                                          : static_cast<std::int64_t>(std::numeric_limits<T>::max());
    return read_integer(node, kLeast, kMost).map([](std::int64_t value) { return static_cast<T>(value); });
  }
  static std::string print(T value) { return std::to_string(value); }
  static TypeDescription describe() { return {"int", {}}; }
};

template <>
struct Codec<std::chrono::milliseconds> {
  static Result<std::chrono::milliseconds> read(const Node& node);  // core::parse_duration: 30s, 1h30m, 0
  static std::string print(std::chrono::milliseconds value) { return format_duration(value); }
  static TypeDescription describe() { return {"duration", {}}; }
};

template <>
struct Codec<ByteSize> {
  static Result<ByteSize> read(const Node& node);
  static std::string print(ByteSize value);
  static TypeDescription describe() { return {"size", {}}; }
};

template <class T>
struct Codec<std::optional<T>> {
  static Result<std::optional<T>> read(const Node& node) {
    return Codec<T>::read(node).map([](T value) { return std::optional<T>(std::move(value)); });
  }
  static std::string print(const std::optional<T>& value) { return value ? Codec<T>::print(*value) : ""; }
  static TypeDescription describe() { return Codec<T>::describe(); }
};

template <class T>
struct Codec<std::vector<T>> {
  static Result<std::vector<T>> read(const Node& node) {
    if (!node.is_sequence() && !node.is_null()) return fail(node.error("expected a list, got {}", node.describe()));
    std::vector<T> values;
    for (const Node& item : node.items()) {
      Result<T> value = Codec<T>::read(item);
      if (!value) return fail(value.error());
      values.push_back(std::move(*value));
    }
    return values;
  }
  static std::string print(const std::vector<T>& values) {
    std::string text;
    for (const T& value : values) text += (text.empty() ? "" : ", ") + Codec<T>::print(value);
    return values.empty() ? "" : "[" + text + "]";
  }
  static TypeDescription describe() {
    TypeDescription item = Codec<T>::describe();
    item.name = "list of " + item.name;
    return item;
  }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static Result<std::map<std::string, T>> read(const Node& node) {
    if (!node.is_map() && !node.is_null()) return fail(node.error("expected a map, got {}", node.describe()));
    std::map<std::string, T> values;
    for (const Entry& entry : node.entries()) {
      Result<std::string> key = Codec<std::string>::read(entry.key);
      if (!key) return fail(key.error());
      Result<T> value = Codec<T>::read(entry.value);
      if (!value) return fail(value.error());
      values.emplace(std::move(*key), std::move(*value));
    }
    return values;
  }
  static std::string print(const std::map<std::string, T>&) { return ""; }
  static TypeDescription describe() {
    TypeDescription item = Codec<T>::describe();
    item.name = "map of string to " + item.name;
    return item;
  }
};

// The codec of an enumeration, from its names:
//   template <> struct Codec<Level> : EnumCodec<Level, kLevelNames> {};
// with  inline constexpr EnumName<Level> kLevelNames[] = {{Level::kObserve, "observe"}, ...};
template <class E>
struct EnumName {
  E value;
  std::string_view name;
};

template <class E, const auto& kNames>
struct EnumCodec {
  static Result<E> read(const Node& node) {
    std::string allowed;
    for (const EnumName<E>& each : kNames) {
      if (node.is_scalar() && node.scalar() == each.name) return each.value;
      allowed += (allowed.empty() ? "" : ", ") + std::string(each.name);
    }
    return fail(node.error("expected one of {}, got {}", allowed, node.describe()));
  }
  static std::string print(E value) {
    for (const EnumName<E>& each : kNames) {
      if (each.value == value) return std::string(each.name);
    }
    return "";
  }
  static TypeDescription describe() {
    TypeDescription type{"enum", {}};
    for (const EnumName<E>& each : kNames) type.allowed.emplace_back(each.name);
    return type;
  }
};

}  // namespace core::config
