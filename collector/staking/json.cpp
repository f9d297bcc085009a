// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/json.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <nlohmann/json.hpp>

namespace collector::staking {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using nlohmann::json;

// Levels of one answer; the deepest that is asked for has seven.
constexpr std::size_t kDepthMax = 64;

const json& as_json(const void* value) { return *static_cast<const json*>(value); }

// The parser calls back at every value: what nests too deep ends there.
bool depth_is_bounded(int depth, json::parse_event_t, json&, bool& too_deep) {
  if (static_cast<std::size_t>(depth) > kDepthMax) too_deep = true;
  return !too_deep;
}

}  // namespace

struct Json::Document {
  json value;
};

Result<Json> Json::parse(std::string_view text) {
  bool too_deep = false;
  auto document = std::make_shared<Document>();
  document->value = json::parse(
      text.begin(), text.end(),
      [&too_deep](int depth, json::parse_event_t event, json& value) {
        return depth_is_bounded(depth, event, value, too_deep);
      },
      false);
  if (too_deep) return fail(Errc::kInvalid, "JSON nested deeper than {} levels", kDepthMax);
  if (document->value.is_discarded()) return fail(Errc::kInvalid, "not whole JSON");
  const void* root = &document->value;
  return Json(std::move(document), root);
}

const void* Json::find(std::string_view path) const {
  const json* at = static_cast<const json*>(value_);
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(path.substr(0, end)));
    if (found == at->end()) return nullptr;
    at = &*found;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return at;
}

bool Json::has(std::string_view path) const { return find(path) != nullptr; }

bool Json::is_object(std::string_view path) const {
  const void* found = find(path);
  return found != nullptr && as_json(found).is_object();
}

bool Json::is_array(std::string_view path) const {
  const void* found = find(path);
  return found != nullptr && as_json(found).is_array();
}

bool Json::is_null(std::string_view path) const {
  const void* found = find(path);
  return found != nullptr && as_json(found).is_null();
}

std::optional<bool> Json::flag(std::string_view path) const {
  const void* found = find(path);
  if (found == nullptr || !as_json(found).is_boolean()) return std::nullopt;
  return as_json(found).get<bool>();
}

std::optional<std::string> Json::text(std::string_view path) const {
  const void* found = find(path);
  if (found == nullptr || !as_json(found).is_string()) return std::nullopt;
  return as_json(found).get<std::string>();
}

std::optional<std::uint64_t> Json::number(std::string_view path) const {
  const void* found = find(path);
  if (found == nullptr) return std::nullopt;
  const json& value = as_json(found);
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (value.is_string()) return parse_number(value.get_ref<const std::string&>());
  return std::nullopt;
}

std::optional<std::uint64_t> Json::quantity(std::string_view path) const {
  const auto found = text(path);
  return found ? parse_quantity(*found) : std::nullopt;
}

std::vector<Json> Json::items(std::string_view path) const {
  const void* found = find(path);
  std::vector<Json> result;
  if (found == nullptr || !as_json(found).is_array()) return result;
  for (const json& item : as_json(found)) result.push_back(Json(document_, &item));
  return result;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_quantity(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace collector::staking
