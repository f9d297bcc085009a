// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/cel_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace collector::probe::cel {
namespace {

using core::Errc;
using nlohmann::json;

constexpr std::size_t kDepthMax = 64;
// A value takes some 60 bytes: 12 MiB for one body.
constexpr std::size_t kPartsMax = 200'000;

// Builds the values as the text is read.
class JsonReader final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return add({}); }
  bool boolean(bool flag) override { return add({flag}); }
  bool number_integer(number_integer_t number) override { return add({static_cast<double>(number)}); }
  bool number_unsigned(number_unsigned_t number) override { return add({static_cast<double>(number)}); }
  bool number_float(number_float_t number, const string_t&) override { return add({number}); }
  bool string(string_t& text) override { return add(Value::of(std::move(text))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool key(string_t& name) override {
    open_.back().keys.push_back(std::move(name));
    return true;
  }
  bool end_object() override {
    Part part = std::move(open_.back());
    open_.pop_back();
    std::vector<std::size_t> order(part.keys.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::stable_sort(order, {}, [&part](std::size_t i) -> const std::string& { return part.keys[i]; });
    Map map;
    map.in_order = true;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const bool last = i + 1 == order.size() || part.keys[order[i + 1]] != part.keys[order[i]];
      if (last) map.entries.emplace_back(Value::of(std::move(part.keys[order[i]])), std::move(part.values[order[i]]));
    }
    return add(Value::of(std::move(map)));
  }
  bool end_array() override {
    Part part = std::move(open_.back());
    open_.pop_back();
    return add(Value::of(std::move(part.values)));
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  core::Result<Value> take(bool read) {
    if (!problem_.empty()) return core::fail(Errc::kLimitExceeded, "{}", problem_);
    if (!read || !whole_) return core::fail(Errc::kInvalid, "the body is not JSON");
    return std::move(*whole_);
  }

 private:
  struct Part {
    std::vector<std::string> keys;  // of an object
    List values;
  };

  bool open() {
    if (open_.size() >= kDepthMax) return refuse(fmt::format("JSON of more than {} levels", kDepthMax));
    open_.emplace_back();
    return true;
  }
  bool add(Value value) {
    if (++parts_ > kPartsMax) return refuse(fmt::format("JSON of more than {} values", kPartsMax));
    if (open_.empty()) {
      whole_ = std::move(value);
    } else {
      open_.back().values.push_back(std::move(value));
    }
    return true;
  }
  bool refuse(std::string why) {
    problem_ = std::move(why);
    return false;
  }

  std::vector<Part> open_;
  std::optional<Value> whole_;
  std::size_t parts_ = 0;
  std::string problem_;
};

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

// A whole number and a double, as the reference compares them: outside the former's range by the range, inside as
// doubles.
std::partial_ordering compare(double left, std::int64_t right) {
  if (left < -kTwoTo63) return std::partial_ordering::less;
  if (left >= kTwoTo63) return std::partial_ordering::greater;
  return left <=> static_cast<double>(right);
}
std::partial_ordering compare(double left, std::uint64_t right) {
  if (left < 0) return std::partial_ordering::less;
  if (left >= kTwoTo64) return std::partial_ordering::greater;
  return left <=> static_cast<double>(right);
}

std::partial_ordering reverse(std::partial_ordering order) { return 0 <=> order; }

std::partial_ordering compare_numbers(const Value& left, const Value& right) {
  if (const auto* a = left.as<double>()) {
    if (const auto* b = right.as<double>()) return *a <=> *b;
    if (const auto* b = right.as<std::int64_t>()) return compare(*a, *b);
    return compare(*a, *right.as<std::uint64_t>());
  }
  if (right.as<double>() != nullptr) return reverse(compare_numbers(right, left));
  const auto* a = left.as<std::int64_t>();
  const auto* b = right.as<std::int64_t>();
  if (a != nullptr && b != nullptr) return *a <=> *b;
  if (a != nullptr && *a < 0) return std::partial_ordering::less;
  if (b != nullptr && *b < 0) return std::partial_ordering::greater;
  const std::uint64_t x = a != nullptr ? static_cast<std::uint64_t>(*a) : *left.as<std::uint64_t>();
  const std::uint64_t y = b != nullptr ? static_cast<std::uint64_t>(*b) : *right.as<std::uint64_t>();
  return x <=> y;
}

}  // namespace

std::string_view to_string(Type type) {
  constexpr std::array<std::string_view, 10> kNames = {"null_type", "bool", "int", "uint", "double",
                                                       "string",    "list", "map", "type", "dyn"};
  return kNames[static_cast<std::size_t>(type)];
}

// The depth is that of the body and of the expression, both bounded.
bool equal(const Value& left, const Value& right) {  // NOLINT(misc-no-recursion)
  if (left.is_number() && right.is_number()) return compare_numbers(left, right) == 0;
  if (left.type() != right.type()) return false;
  if (const auto* text = left.text()) return *text == *right.text();
  if (const auto* list = left.list()) return std::ranges::equal(*list, *right.list(), equal);
  if (const auto* map = left.map()) {
    if (map->entries.size() != right.map()->entries.size()) return false;
    return std::ranges::all_of(map->entries, [&](const auto& entry) {  // NOLINT(misc-no-recursion)
      const Value* other = find(*right.map(), entry.first);
      return other != nullptr && equal(entry.second, *other);
    });
  }
  return left.held == right.held;
}

std::optional<std::partial_ordering> order(const Value& left, const Value& right) {
  if (left.is_number() && right.is_number()) return compare_numbers(left, right);
  if (left.text() != nullptr && right.text() != nullptr) return *left.text() <=> *right.text();
  if (const auto* a = left.as<bool>()) {
    if (const auto* b = right.as<bool>()) return static_cast<int>(*a) <=> static_cast<int>(*b);
  }
  return std::nullopt;
}

const Value* find(const Map& map, const Value& key) {  // NOLINT(misc-no-recursion)
  if (map.in_order) {
    if (key.text() == nullptr) return nullptr;
    const auto at = std::ranges::lower_bound(
        map.entries, *key.text(), {}, [](const auto& entry) -> const std::string& { return *entry.first.text(); });
    return at != map.entries.end() && *at->first.text() == *key.text() ? &at->second : nullptr;
  }
  const auto at = std::ranges::find_if(map.entries, [&](const auto& entry) { return equal(entry.first, key); });
  return at == map.entries.end() ? nullptr : &at->second;
}

core::Result<Value> read_json(std::string_view text) {
  JsonReader reader;
  const bool read = json::sax_parse(text.begin(), text.end(), &reader);
  return reader.take(read);
}

std::string double_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  // The shortest digits that give the number back, with an exponent below -4 and from 6 on (Go's strconv, ftoa.go).
  std::array<char, 512> buffer{};
  const auto scientific =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string text(buffer.data(), scientific.ptr);
  const int exponent = std::atoi(text.c_str() + text.find('e') + 1);
  constexpr int kExponentFrom = 6;
  if (exponent >= -4 && exponent < kExponentFrom) {
    const auto fixed = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
    text.assign(buffer.data(), fixed.ptr);
  }
  return text;
}

}  // namespace collector::probe::cel
