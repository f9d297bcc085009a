// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/number_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

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

}  // namespace rules::promql
