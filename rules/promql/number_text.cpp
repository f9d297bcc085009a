// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/number_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "core/ring/sample.h"

namespace rules::promql {
namespace {

// -1.7976931348623157e+308 has 309 digits before the point; 5e-324 has 324 places after it.
using Buffer = std::array<char, 400>;

std::string written(double value, std::chars_format format) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  Buffer buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
  return {buffer.data(), end.ptr};
}

}  // namespace

std::string plain_number(double value) { return written(value, std::chars_format::fixed); }

std::string exponent_number(double value) { return written(value, std::chars_format::scientific); }

std::string short_number(double value) {
  std::string scientific = exponent_number(value);
  const std::size_t mark = scientific.find('e');
  if (mark == std::string::npos) return scientific;
  const bool negative = scientific[mark + 1] == '-';
  int exponent = 0;
  std::from_chars(scientific.data() + mark + 2, scientific.data() + scientific.size(), exponent);
  const bool plain = negative ? exponent <= 4 : exponent < 6;
  return plain ? plain_number(value) : scientific;
}

std::string two_digit_number(double value) {
  return std::isfinite(value) ? fmt::format("{:.2g}", value) : plain_number(value);
}

std::string fixed_number(double value) {
  return std::isfinite(value) ? fmt::format("{:.6f}", value) : plain_number(value);
}

std::optional<double> parse_float(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  // from_chars would take a second sign, and nan(payload), which Go does not.
  if (text.empty() || text[0] == '-' || text.find('(') != std::string_view::npos) return std::nullopt;
  auto format = std::chars_format::general;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    if (text.find_first_of("pP") == std::string_view::npos) return std::nullopt;
    format = std::chars_format::hex;
    text.remove_prefix(2);
  }
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, format);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (std::isnan(value)) return core::ring::normal_nan();
  return negative ? -value : value;
}

}  // namespace rules::promql
