// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace core::ring {

// How the values of a chunk become integers whose differences are small. Every form is exact: what does not come back
// bit for bit is refused here and stored as it is.
//
//   kBits      the 64 bits, in the order of the numbers
//   kDecimal   m / 10^k exactly, as exporters print milliseconds or ratios; k = 0 are whole numbers
//   kNear      m / 10^k moved by `ulps` units in the last place: sums of decimals that were added up in binary, such as
//              0.64300000000000046
enum class DomainKind : std::uint8_t { kBits, kDecimal, kNear };

inline constexpr int kDecimalPlacesMax = 12;
// Beyond it the bits themselves are shorter.
inline constexpr std::int64_t kUlpsMax = 127;

struct Domain {
  DomainKind kind = DomainKind::kBits;
  std::uint8_t places = 0;
  bool operator==(const Domain&) const = default;
};

// A value in a domain. `ulps` is 0 outside kNear.
struct Mantissa {
  std::int64_t m = 0;
  std::int32_t ulps = 0;
  bool exact = false;  // false: the domain cannot hold the value
};

inline constexpr std::array<double, kDecimalPlacesMax + 1> kPowersOfTen = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                                                           1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

// Five bits in a chunk's header.
constexpr std::uint32_t domain_code(Domain domain) {
  switch (domain.kind) {
    case DomainKind::kBits:
      break;
    case DomainKind::kDecimal:
      return 1U + domain.places;
    case DomainKind::kNear:
      return 2U + kDecimalPlacesMax + domain.places;
  }
  return 0;
}

constexpr Domain domain_of(std::uint32_t code) {
  if (code == 0) return {};
  if (code <= 1U + kDecimalPlacesMax) return {DomainKind::kDecimal, static_cast<std::uint8_t>(code - 1)};
  // What no writer makes reads as whole numbers.
  if (code > 2U + 2U * kDecimalPlacesMax) return {DomainKind::kDecimal, 0};
  return {DomainKind::kNear, static_cast<std::uint8_t>(code - 2 - kDecimalPlacesMax)};
}

// Order-preserving and its own inverse up to the type: negative numbers have their other bits turned round.
inline std::int64_t ordered_bits(std::uint64_t bits) {
  const auto sign = static_cast<std::int64_t>(bits) >> 63;
  return static_cast<std::int64_t>(bits ^ (static_cast<std::uint64_t>(sign) >> 1));
}
inline std::uint64_t bits_of_ordered(std::int64_t ordered) {
  return static_cast<std::uint64_t>(ordered) ^ (static_cast<std::uint64_t>(ordered >> 63) >> 1);
}

// From here on whole numbers have gaps.
inline constexpr double kMantissaEnd = 9007199254740992.0;

// REQUIRES: |scaled| < kMantissaEnd. A little less than a half: past 2^52 a half would round an odd number up.
inline std::int64_t nearest_whole(double scaled) {
  return static_cast<std::int64_t>(scaled + std::copysign(0x1.fffffffffffffp-2, scaled));
}

inline double decimal_value(std::int64_t m, double power) { return static_cast<double>(m) / power; }

inline double value_of(Domain domain, std::int64_t m, std::int32_t ulps) {
  switch (domain.kind) {
    case DomainKind::kBits:
      break;
    case DomainKind::kDecimal:
      return decimal_value(m, kPowersOfTen[domain.places]);
    case DomainKind::kNear: {
      const auto base = std::bit_cast<std::uint64_t>(decimal_value(m, kPowersOfTen[domain.places]));
      return std::bit_cast<double>(base + static_cast<std::uint64_t>(static_cast<std::int64_t>(ulps)));
    }
  }
  return std::bit_cast<double>(bits_of_ordered(m));
}

inline Mantissa mantissa_of(Domain domain, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  if (domain.kind == DomainKind::kBits) return {ordered_bits(bits), 0, true};
  if (domain == Domain{DomainKind::kDecimal, 0}) {
    // Of whole numbers a division by one would say the same, and take longer than all the rest.
    if (!(std::fabs(value) < kMantissaEnd)) return {};
    const auto whole = static_cast<std::int64_t>(value);
    return {whole, 0, std::bit_cast<std::uint64_t>(static_cast<double>(whole)) == bits};
  }
  const double power = kPowersOfTen[domain.places];
  const double scaled = value * power;
  // Also false for NaN.
  if (!(std::fabs(scaled) < kMantissaEnd)) return {};
  const std::int64_t m = nearest_whole(scaled);
  const auto base = std::bit_cast<std::uint64_t>(decimal_value(m, power));
  const auto ulps = static_cast<std::int64_t>(bits - base);
  if (ulps == 0) return {m, 0, true};
  if (domain.kind != DomainKind::kNear || ulps > kUlpsMax || ulps < -kUlpsMax) return {};
  return {m, static_cast<std::int32_t>(ulps), true};
}

// The same for a value that the domain holds, with less to look at.
inline Mantissa held_mantissa(Domain domain, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  if (domain.kind == DomainKind::kBits) return {ordered_bits(bits), 0, true};
  if (domain == Domain{DomainKind::kDecimal, 0}) return {static_cast<std::int64_t>(value), 0, true};
  const double power = kPowersOfTen[domain.places];
  const std::int64_t m = nearest_whole(value * power);
  if (domain.kind == DomainKind::kDecimal) return {m, 0, true};
  const auto base = std::bit_cast<std::uint64_t>(decimal_value(m, power));
  return {m, static_cast<std::int32_t>(static_cast<std::int64_t>(bits - base)), true};
}

// The domain with the fewest places that holds the value; kBits if none does it well.
Domain find_domain(double value);
// A domain that holds `value`, and what `domain` held as far as that is small enough for the places: kBits at worst.
Domain widen_domain(Domain domain, double value);

}  // namespace core::ring
