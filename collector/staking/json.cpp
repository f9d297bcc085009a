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

// Looks for one text in each object of the list under "data"; everything else is passed over.
class ListReader final : public nlohmann::json_sax<json> {
 public:
  ListReader(std::string_view wanted, std::size_t most, const std::function<bool(std::string_view)>& take)
      : wanted_(wanted), most_(most), take_(take) {}

  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t) override { return other(); }
  bool number_unsigned(number_unsigned_t) override { return other(); }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }

  bool string(string_t& text) override {
    if (!in_element() || key_ != wanted_) return other();
    if (std::exchange(found_, true)) return refuse("a key is given twice");
    if (++count_ > most_) return refuse(fmt::format("more than {} elements", most_));
    return take_(text) || refuse(fmt::format("{}: unexpected value", wanted_));
  }

  bool start_object(std::size_t) override {
    if (depth_ == 0) is_object_ = true;
    if (depth_ == 2 && in_list_) {
      found_ = false;
    } else if (!other()) {
      return false;
    }
    return deeper();
  }
  bool key(string_t& name) override {
    if (depth_ == 1) data_is_next_ = name == "data";
    key_ = name;
    return true;
  }
  bool end_object() override {
    --depth_;
    if (depth_ == 2 && in_list_ && !found_) return refuse(fmt::format("an element without {}", wanted_));
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ == 1 && data_is_next_) {
      if (has_list_) return refuse("data is given twice");
      has_list_ = in_list_ = true;
      return deeper();
    }
    return other() && deeper();
  }
  bool end_array() override {
    if (--depth_ == 1) in_list_ = false;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return refuse(std::string(kNotWholeJson));
  }

  Result<void> verdict(bool parsed) const {
    if (!problem_.empty()) return fail(Errc::kInvalid, "{}", problem_);
    if (!parsed || !is_object_ || !has_list_) return fail(Errc::kInvalid, "expected a list under data");
    return {};
  }

 private:
  bool in_element() const { return in_list_ && depth_ == 3; }
  bool deeper() { return ++depth_ <= kDepthMax || refuse("nested too deep"); }
  // A value that is none of ours: right only where anything may stand.
  bool other() {
    if (depth_ == 1 && data_is_next_) return refuse("expected a list under data");
    if (in_list_ && depth_ == 2) return refuse("expected a list of objects under data");
    if (in_element() && key_ == wanted_) return refuse(fmt::format("{}: expected a text", wanted_));
    return true;
  }
  bool refuse(std::string why) {
    if (problem_.empty()) problem_ = std::move(why);
    return false;
  }

  const std::string_view wanted_;
  const std::size_t most_;
  const std::function<bool(std::string_view)>& take_;
  std::size_t depth_ = 0;
  std::size_t count_ = 0;
  std::string key_;
  bool is_object_ = false;
  bool data_is_next_ = false;
  bool has_list_ = false;
  bool in_list_ = false;
  bool found_ = false;
  std::string problem_;
};

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
  if (document->value.is_discarded()) return fail(Errc::kInvalid, "{}", kNotWholeJson);
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

Result<void> read_listed_texts(std::string_view text, std::string_view key, std::size_t most,
                               const std::function<bool(std::string_view)>& take) {
  ListReader reader(key, most, take);
  return reader.verdict(json::sax_parse(text.begin(), text.end(), &reader));
}

}  // namespace collector::staking
