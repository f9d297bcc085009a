// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/number_text.h"

#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "core/ring/sample.h"

namespace rules::promql {

namespace {

// The longest shortest form without an exponent is that of the smallest denormal: "-0." and some 340 digits.
constexpr std::size_t kLongestPlain = 400;

std::optional<std::string> special(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return std::nullopt;
}

}  // namespace

std::string plain_number(double value) {
  if (auto text = special(value)) return *text;
  std::array<char, kLongestPlain> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return std::string(buffer.data(), end.ptr);
}

std::string general_number(double value) {
  if (auto text = special(value)) return *text;
  std::array<char, kLongestPlain> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string scientific(buffer.data(), end.ptr);
  int exponent = 0;
  const std::size_t mark = scientific.find('e');
  const char* digits = scientific.data() + mark + 1;
  if (*digits == '+') ++digits;
  std::from_chars(digits, scientific.data() + scientific.size(), exponent);
  // The bounds of C's and Go's %g with its default precision of 6.
  if (exponent < -4 || exponent >= 6) return scientific;
  return plain_number(value);
}

std::string two_digit_number(double value) {
  if (auto text = special(value)) return *text;
  return fmt::format("{:.2g}", value);
}

std::string fixed_number(double value) {
  if (auto text = special(value)) return *text;
  return fmt::format("{:.6f}", value);
}

std::optional<double> parse_number(std::string_view text) {
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
  if (failure == std::errc::result_out_of_range) {
    // Too small is zero to Go; too large is an error.
    if (end != text.data() + text.size() || std::fabs(value) > 1) return std::nullopt;
    value = 0;
  } else if (failure != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  if (std::isnan(value)) return core::ring::normal_nan();
  return negative ? -value : value;
}

}  // namespace rules::promql
