// SPDX-License-Identifier: Apache-2.0
#include "collector/exposition/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "collector/exposition/excerpt.h"
#include "core/ring/sample.h"

namespace collector::exposition {
namespace {

using core::Errc;
using core::Result;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool equals_folded(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // Setting bit 5 makes ASCII letters lower case; no other byte becomes a letter of these words by it
    // except its own capital.
    if (static_cast<char>(text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

// Whether a well-formed decimal number that does not fit a double is too large rather than too small.
bool is_huge(std::string_view number) {
  std::int64_t exponent = 0;
  std::string_view mantissa = number;
  const std::size_t e = number.find_first_of("eE");
  if (e != std::string_view::npos) {
    mantissa = number.substr(0, e);
    std::string_view digits = number.substr(e + 1);
    const bool negative = digits.front() == '-';
    if (digits.front() == '-' || digits.front() == '+') digits.remove_prefix(1);
    for (const char digit : digits) {
      // Far past every double; more digits change nothing.
      if (exponent < 1'000'000'000) exponent = exponent * 10 + (digit - '0');
    }
    if (negative) exponent = -exponent;
  }
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  const std::size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) return false;
  const auto position = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  return position + exponent > 0;
}

tl::unexpected<core::Error> syntax_error(std::string_view text) {
  if (text.find_first_of("pP_") != std::string_view::npos) {
    return core::fail(Errc::kInvalid, "unsupported character in float");
  }
  return core::fail(Errc::kInvalid, "strconv.ParseFloat: parsing {}: invalid syntax", quote_excerpt(text));
}

}  // namespace

Result<double> parse_value(std::string_view text) {
  std::string_view number = text;
  bool negative = false;
  const bool has_sign = !number.empty() && (number.front() == '+' || number.front() == '-');
  if (has_sign) {
    negative = number.front() == '-';
    number.remove_prefix(1);
  }
  if (number.empty()) return syntax_error(text);
  if (!is_digit(number.front()) && number.front() != '.') {
    if (equals_folded(number, "inf") || equals_folded(number, "infinity")) {
      return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    }
    if (!has_sign && equals_folded(number, "nan")) return core::ring::normal_nan();
    return syntax_error(text);
  }
  double value = 0;
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), value);
  if (parsed.ec == std::errc::invalid_argument || parsed.ptr != number.data() + number.size()) {
    return syntax_error(text);
  }
  if (parsed.ec == std::errc::result_out_of_range) {
    if (is_huge(number)) {
      return core::fail(Errc::kInvalid, "strconv.ParseFloat: parsing {}: value out of range", quote_excerpt(text));
    }
    value = 0;
  }
  return negative ? -value : value;
}

Result<std::int64_t> parse_timestamp_ms(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc()) {
    return core::fail(Errc::kInvalid, "strconv.ParseInt: parsing {}: value out of range", quote_excerpt(text));
  }
  return value;
}

std::string format_label_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 64> buffer{};
  const auto scientific =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(scientific.ptr - buffer.data()));
  int exponent = 0;
  const char* digits = text.data() + text.rfind('e') + 1;
  if (*digits == '+') ++digits;
  std::from_chars(digits, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 6) return std::string(text);
  std::array<char, 64> plain{};
  const auto fixed = std::to_chars(plain.data(), plain.data() + plain.size(), value, std::chars_format::fixed);
  std::string result(plain.data(), fixed.ptr);
  if (result.find('.') == std::string::npos) result += ".0";
  return result;
}

}  // namespace collector::exposition
