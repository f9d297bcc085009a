// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

namespace collector::exposition {

// 10^0 to 10^22: all the powers of ten that a double holds exactly.
inline constexpr std::array<double, 23> kExactPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                             1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                             1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Reads the digits at `at` into `number`, whose earlier digits stay; returns past them.
inline const char* read_digits(const char* at, std::uint64_t& number) {
  for (unsigned digit; (digit = static_cast<unsigned char>(*at) - unsigned{'0'}) <= 9; ++at)
    number = number * 10 + digit;
  return at;
}

// Reads a number of the plainest kind, which most samples are: [+-]digits[.digits][e[+-]digits] whose digits fit a
// double exactly and whose power of ten does too. Their product or quotient is one rounding away from the number, and
// so is the same double that std::from_chars finds (W. D. Clinger, "How to read floating point numbers accurately",
// 1990). Returns past the number; nullptr if it is of another kind, of which nothing is said.
//
// REQUIRES: a byte that no number contains comes before the end of the readable bytes.
inline const char* read_plain_number(const char* at, double& value) {
  constexpr std::ptrdiff_t kDigitsMax = 18;  // fit 64 bits, whatever they are
  const bool negative = *at == '-';
  if (negative || *at == '+') ++at;
  std::uint64_t digits = 0;
  const char* const first = at;
  at = read_digits(at, digits);
  std::ptrdiff_t count = at - first;
  std::int64_t exponent = 0;
  if (*at == '.') {
    const char* const fraction = ++at;
    at = read_digits(at, digits);
    exponent = -(at - fraction);
    count += at - fraction;
  }
  if (count == 0 || count > kDigitsMax) return nullptr;
  if (*at == 'e' || *at == 'E') {
    ++at;
    const bool small = *at == '-';
    if (small || *at == '+') ++at;
    std::uint64_t power = 0;
    const char* const begin = at;
    at = read_digits(at, power);
    if (at == begin || at - begin > kDigitsMax) return nullptr;
    exponent += small ? -static_cast<std::int64_t>(power) : static_cast<std::int64_t>(power);
  }
  constexpr auto kPowerMax = static_cast<std::int64_t>(kExactPowersOfTen.size()) - 1;
  if (digits > (std::uint64_t{1} << 53) || exponent < -kPowerMax || exponent > kPowerMax) return nullptr;
  auto result = static_cast<double>(digits);
  if (exponent < 0) {
    result /= kExactPowersOfTen[static_cast<std::size_t>(-exponent)];
  } else if (exponent > 0) {
    result *= kExactPowersOfTen[static_cast<std::size_t>(exponent)];
  }
  value = negative ? -result : result;
  return at;
}

}  // namespace collector::exposition
