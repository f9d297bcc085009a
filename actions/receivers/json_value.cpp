// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/json_value.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "actions/receivers/text_template.h"

namespace core::config {
namespace {

using nlohmann::ordered_json;

// How deep a configured value may nest.
constexpr int kDepthMax = 32;

template <class T>
bool read_whole(const std::string& text, T& value) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end == text.data() + text.size();
}

ordered_json scalar_value(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  for (const std::string_view yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (text == no) return false;
  }
  std::int64_t integer = 0;
  if (read_whole(text, integer)) return integer;
  double real = 0;
  const bool numeric = text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  if (numeric && read_whole(text, real)) return real;
  return text;
}

Result<ordered_json> convert(const Node& node, int depth) {
  if (depth > kDepthMax) return fail(node.error("nested deeper than {} levels", kDepthMax));
  if (node.is_map()) {
    ordered_json object = ordered_json::object();
    for (const Entry& entry : node.entries()) {
      if (!entry.key.is_scalar()) return fail(entry.key.error("expected a text as key"));
      auto value = convert(entry.value, depth + 1);
      if (!value) return value;
      object[entry.key.scalar()] = std::move(*value);
    }
    return object;
  }
  if (node.is_sequence()) {
    ordered_json array = ordered_json::array();
    for (const Node& item : node.items()) {
      auto value = convert(item, depth + 1);
      if (!value) return value;
      array.push_back(std::move(*value));
    }
    return array;
  }
  if (!node.is_scalar()) return ordered_json(nullptr);
  if (const std::string why = actions::receivers::unsupported_in_template(node.scalar()); !why.empty()) {
    return fail(Errc::kNotSupported, "{}", node.error("{}", why).message);
  }
  // A structure written inside a text: "{a: 1}" or "[1, 2]".
  if (const std::string& text = node.scalar(); node.is_quoted() && (text.starts_with('{') || text.starts_with('['))) {
    const Result<Node> inner = Node::parse(text, node.position().file);
    if (inner && (inner->is_map() || inner->is_sequence())) return convert(*inner, depth + 1);
  }
  return scalar_value(node.scalar());
}

}  // namespace

using actions::receivers::JsonValue;

Result<JsonValue> Codec<JsonValue>::read(const Node& node) {
  return convert(node, 0).map([](const ordered_json& value) {
    return JsonValue{value.dump(-1, ' ', false, ordered_json::error_handler_t::replace)};
  });
}

}  // namespace core::config
