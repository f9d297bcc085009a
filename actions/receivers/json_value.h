// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/config/codec.h"

namespace actions::receivers {

// A configured value of any shape, kept as JSON. As in Alertmanager every text is read as YAML once more, quoted or
// not: "5" becomes a number, an empty text null.
//
// Thread safety: a value.
struct JsonValue {
  std::string json = "null";
  bool operator==(const JsonValue&) const = default;
};

}  // namespace actions::receivers

template <>
struct core::config::Codec<actions::receivers::JsonValue> {
  static Result<actions::receivers::JsonValue> read(const Node& node);
  static std::string print(const actions::receivers::JsonValue& value) { return value.json; }
  static TypeDescription describe() { return {"any value", {}}; }
};
