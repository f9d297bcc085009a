// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/ring/labels.h"

namespace rules::templates {

struct Value;
struct Map;
using List = std::vector<Value>;

// What `toTime` gives: a point in time, UTC, in whole milliseconds.
struct TimePoint {
  std::int64_t time_ms = 0;
  bool operator==(const TimePoint&) const = default;
};

// What `toDuration` gives.
struct TimeSpan {
  std::int64_t nanoseconds = 0;
  bool operator==(const TimeSpan&) const = default;
};

// A value of the template language. Lists and maps are shared, never changed.
//
// Thread safety: a value.
struct Value {
  using Variant = std::variant<std::monostate, bool, std::int64_t, double, std::string, TimePoint, TimeSpan,
                               std::shared_ptr<const List>, std::shared_ptr<const Map>>;
  Variant held;

  Value() = default;
  template <class T>
    requires(!std::is_same_v<std::remove_cvref_t<T>, Value>)
  Value(T&& value) : held(std::forward<T>(value)) {}  // NOLINT(google-explicit-constructor): converts as Go does
  Value(List list) : held(std::make_shared<const List>(std::move(list))) {}  // NOLINT(google-explicit-constructor)
  Value(Map map);                                                            // NOLINT(google-explicit-constructor)

  template <class T>
  const T* as() const {
    return std::get_if<T>(&held);
  }
  // Null if it is something else.
  const List* list() const;
  const Map* map() const;
  bool is_nil() const { return std::holds_alternative<std::monostate>(held); }
};

// How a map answers for a key it does not have.
enum class MapKind {
  kStrings,  // map[string]string: ""
  kAny,      // nothing, printed as <no value>
  kFields,   // a structure: naming a field it lacks is an error
};

struct Map {
  MapKind kind = MapKind::kAny;
  std::map<std::string, Value> entries;
};

Value labels_value(const core::ring::Labels& labels);

// False, 0, "" and what is empty or nil are false.
bool truth(const Value& value);

// As Go names the type: float64, map[string]string, ...
std::string_view type_name(const Value& value);

// As fmt.Sprint prints it; nil is <no value>.
std::string text_of(const Value& value);

std::string time_text(TimePoint time);  // 2015-06-23 13:19:44.128 +0000 UTC
std::string span_text(TimeSpan span);   // 1m30.5s

}  // namespace rules::templates
