// SPDX-License-Identifier: Apache-2.0
#include "core/config/codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace core::config {
namespace {

// YAML 1.1 spellings, as Prometheus's YAML reads them; quoted ones are text.
constexpr std::array<std::string_view, 11> kTrue = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                                    "on",   "On",   "ON",   "y",   "Y"};
constexpr std::array<std::string_view, 11> kFalse = {"false", "False", "FALSE", "no", "No", "NO",
                                                     "off",   "Off",   "OFF",   "n",  "N"};

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 13> kSizeUnits = {{{"EiB", 1ULL << 60},
                                                                                    {"PiB", 1ULL << 50},
                                                                                    {"TiB", 1ULL << 40},
                                                                                    {"GiB", 1ULL << 30},
                                                                                    {"MiB", 1ULL << 20},
                                                                                    {"KiB", 1ULL << 10},
                                                                                    {"EB", 1ULL << 60},
                                                                                    {"PB", 1ULL << 50},
                                                                                    {"TB", 1ULL << 40},
                                                                                    {"GB", 1ULL << 30},
                                                                                    {"MB", 1ULL << 20},
                                                                                    {"KB", 1ULL << 10},
                                                                                    {"B", 1}}};

std::string without_underscores(std::string_view text) {
  std::string digits;
  std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c != '_'; });
  return digits;
}

// [+-]digits, with 0x, 0o and 0b, underscores between digits. A leading zero is refused: YAML 1.1 reads it as octal and
// YAML 1.2 as decimal.
std::optional<std::int64_t> whole_number(std::string_view text) {
  std::string digits = without_underscores(text);
  bool negative = false;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    negative = digits[0] == '-';
    digits.erase(0, 1);
  }
  int base = 10;
  if (digits.starts_with("0x")) base = 16;
  if (digits.starts_with("0o")) base = 8;
  if (digits.starts_with("0b")) base = 2;
  if (base != 10) digits.erase(0, 2);
  if (base == 10 && digits.size() > 1 && digits[0] == '0') return std::nullopt;
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  if (negative) digits.insert(0, "-");
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<double> decimal_number(std::string_view text) {
  std::string digits = without_underscores(text);
  bool negative = false;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    negative = digits[0] == '-';
    digits.erase(0, 1);
  }
  double value = 0;
  if (digits == ".inf" || digits == ".Inf" || digits == ".INF") {
    value = std::numeric_limits<double>::infinity();
  } else {
    if (digits.empty() || !(digits[0] == '.' || (digits[0] >= '0' && digits[0] <= '9'))) return std::nullopt;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  }
  return negative ? -value : value;
}

}  // namespace

Result<bool> Codec<bool>::read(const Node& node) {
  if (node.is_scalar() && !node.is_quoted()) {
    if (std::ranges::find(kTrue, node.scalar()) != kTrue.end()) return true;
    if (std::ranges::find(kFalse, node.scalar()) != kFalse.end()) return false;
  }
  return fail(node.error("expected true or false, got {}", node.describe()));
}

Result<std::string> Codec<std::string>::read(const Node& node) {
  if (node.is_scalar()) return node.scalar();
  if (node.is_null()) return std::string();
  return fail(node.error("expected a text, got {}", node.describe()));
}

Result<Secret> Codec<Secret>::read(const Node& node) {
  // The value itself never goes into a message.
  if (node.is_scalar()) return Secret{node.scalar()};
  if (node.is_null()) return Secret{};
  return fail(node.error("expected a text, got {}", node.describe()));
}

Result<double> Codec<double>::read(const Node& node) {
  if (node.is_scalar() && !node.is_quoted()) {
    if (const auto whole = whole_number(node.scalar())) return static_cast<double>(*whole);
    if (const auto decimal = decimal_number(node.scalar())) return *decimal;
  }
  return fail(node.error("expected a number, got {}", node.describe()));
}

Result<std::int64_t> read_integer(const Node& node, std::int64_t least, std::int64_t most) {
  std::optional<std::int64_t> value;
  if (node.is_scalar() && !node.is_quoted()) {
    value = whole_number(node.scalar());
    if (!value && node.scalar().find_first_of(".eE") != std::string::npos) {
      // 1e6 and 5.0 are whole numbers too; beyond 2^53 a double no longer says which.
      const auto decimal = decimal_number(node.scalar());
      if (decimal && std::trunc(*decimal) == *decimal && std::fabs(*decimal) <= 0x1p53) {
        value = static_cast<std::int64_t>(*decimal);
      }
    }
  }
  if (!value || *value < least || *value > most) {
    return fail(node.error("expected a whole number from {} to {}, got {}", least, most, node.describe()));
  }
  return *value;
}

Result<std::chrono::milliseconds> Codec<std::chrono::milliseconds>::read(const Node& node) {
  if (node.is_scalar()) {
    if (auto duration = parse_duration(node.scalar())) return *duration;
  }
  return fail(node.error("expected a duration such as 30s or 1h30m, got {}", node.describe()));
}

Result<ByteSize> Codec<ByteSize>::read(const Node& node) {
  const auto bad = [&] { return fail(node.error("expected a size such as 512MB or 1GiB, got {}", node.describe())); };
  if (!node.is_scalar()) return bad();
  std::string_view rest = node.scalar();
  if (rest == "0") return ByteSize{0};
  if (rest.empty()) return bad();
  std::uint64_t total = 0;
  while (!rest.empty()) {
    std::uint64_t number = 0;
    const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (problem != std::errc()) return bad();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const auto* const unit =
        std::ranges::find_if(kSizeUnits, [&](const auto& each) { return rest.starts_with(each.first); });
    std::uint64_t part = 0;
    if (unit == kSizeUnits.end() || __builtin_mul_overflow(number, unit->second, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return bad();
    }
    rest.remove_prefix(unit->first.size());
  }
  return ByteSize{total};
}

std::string Codec<ByteSize>::print(ByteSize value) {
  if (value.bytes == 0) return "0";
  for (const auto& [name, factor] : kSizeUnits) {
    if (name.size() != 2 && value.bytes % factor == 0) return fmt::format("{}{}", value.bytes / factor, name);
  }
  return {};
}

}  // namespace core::config
