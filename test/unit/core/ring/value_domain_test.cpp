// SPDX-License-Identifier: Apache-2.0
#include "core/ring/value_domain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/value_families.h"

namespace core::ring {
namespace {

using ring_test::Random;

std::vector<Domain> all_domains() {
  std::vector<Domain> domains{{}};
  for (int places = 0; places <= kDecimalPlacesMax; ++places) {
    domains.push_back({DomainKind::kDecimal, static_cast<std::uint8_t>(places)});
    domains.push_back({DomainKind::kNear, static_cast<std::uint8_t>(places)});
  }
  return domains;
}

bool holds(Domain domain, double value) {
  const Mantissa mantissa = mantissa_of(domain, value);
  return mantissa.exact && same_bits(value_of(domain, mantissa.m, mantissa.ulps), value);
}

// Where rounding goes wrong if it can: around powers of ten and two, and beside every short decimal.
std::vector<double> nasty_values(std::uint64_t seed) {
  std::vector<double> values;
  const auto with_neighbours = [&](double value) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    for (const double each : {value, std::nextafter(value, kInfinity), std::nextafter(value, -kInfinity)}) {
      values.push_back(each);
      values.push_back(-each);
    }
  };
  for (const std::uint64_t bits : ring_test::kSpecialBits) values.push_back(std::bit_cast<double>(bits));
  for (int exponent = -30; exponent <= 30; ++exponent) with_neighbours(std::pow(10.0, exponent));
  for (int exponent = -60; exponent <= 64; ++exponent) with_neighbours(std::ldexp(1.0, exponent));
  for (int places = 0; places <= kDecimalPlacesMax; ++places) {
    with_neighbours(std::ldexp(1.0, 53) / kPowersOfTen[static_cast<std::size_t>(places)]);
  }
  Random random(seed);
  for (int i = 0; i < 3000; ++i) {
    values.push_back(std::bit_cast<double>(random.bits()));
    const auto mantissa = static_cast<double>(random.between(-(1LL << random.below(54)), 1LL << random.below(54)));
    with_neighbours(mantissa / kPowersOfTen[random.below(kPowersOfTen.size())]);
  }
  for (std::size_t family = 0; family < ring_test::kFamilies; ++family) {
    ring_test::ValueSource source(static_cast<ring_test::Family>(family), seed);
    for (int i = 0; i < 200; ++i) values.push_back(source.next());
  }
  return values;
}

TEST(ValueDomain, WhatADomainTakesItGivesBackBitForBit) {
  for (const double value : nasty_values(ring_test::test_seed())) {
    for (const Domain domain : all_domains()) {
      const Mantissa mantissa = mantissa_of(domain, value);
      if (!mantissa.exact) continue;
      ASSERT_TRUE(same_bits(value_of(domain, mantissa.m, mantissa.ulps), value))
          << value << " in kind " << static_cast<int>(domain.kind) << " with " << int{domain.places} << " places";
    }
    ASSERT_TRUE(holds({}, value)) << value;
  }
}

TEST(ValueDomain, FindsTheFewestPlaces) {
  struct Case {
    double value;
    Domain domain;
  };
  const Case cases[] = {
      {0, {DomainKind::kDecimal, 0}},
      {-7, {DomainKind::kDecimal, 0}},
      {9007199254740991, {DomainKind::kDecimal, 0}},
      {9007199254740992, {}},
      {0.5, {DomainKind::kDecimal, 1}},
      {21.25, {DomainKind::kDecimal, 2}},
      {1e-12, {DomainKind::kDecimal, 12}},
      {0.64300000000000046, {DomainKind::kNear, 3}},
      {-0.0, {}},
      {1.0 / 3, {}},
      {std::numeric_limits<double>::infinity(), {}},
      {normal_nan(), {}},
      {stale_marker(), {}},
  };
  for (const Case& each : cases) EXPECT_EQ(find_domain(each.value), each.domain) << each.value;
  for (const double value : nasty_values(ring_test::test_seed())) {
    const Domain found = find_domain(value);
    ASSERT_TRUE(holds(found, value)) << value;
    for (const Domain other : all_domains()) {
      const bool shorter =
          other.kind == DomainKind::kDecimal && (found.kind != DomainKind::kDecimal || other.places < found.places);
      ASSERT_FALSE(shorter && holds(other, value)) << value << " has " << int{other.places} << " places";
    }
  }
}

TEST(ValueDomain, AWidenedDomainHoldsTheValue) {
  const Domain thousandths{DomainKind::kDecimal, 3};
  // A number so large that three more places are beyond 2^53.
  EXPECT_EQ(widen_domain(thousandths, 1e15), Domain{});
  for (const double value : nasty_values(ring_test::test_seed())) {
    for (const Domain domain : all_domains()) {
      const Domain wide = widen_domain(domain, value);
      ASSERT_TRUE(holds(wide, value)) << value << " from kind " << static_cast<int>(domain.kind) << " with "
                                      << int{domain.places} << " places";
      if (holds(domain, value)) {
        ASSERT_EQ(wide, domain);
      }
    }
  }
}

TEST(ValueDomain, AWidenedDomainStillHoldsWhatItHeld) {
  Random random(ring_test::test_seed());
  for (int i = 0; i < 20'000; ++i) {
    // Of the size and with the places that measurements have.
    const auto measurement = [&] {
      const double sum = static_cast<double>(random.between(-900'000'000, 900'000'000)) / kPowersOfTen[random.below(7)];
      return random.one_in(3) ? sum + 0.001 * static_cast<double>(random.below(5000)) : sum;
    };
    const double first = measurement();
    const double second = measurement();
    const Domain before = find_domain(first);
    const Domain after = widen_domain(before, second);
    const bool room = std::fabs(first) * kPowersOfTen[after.places] < std::ldexp(1.0, 51);
    if (before.kind != DomainKind::kDecimal || after.kind == DomainKind::kBits || !room) continue;
    ASSERT_TRUE(holds(after, first)) << first << " then " << second;
  }
}

TEST(ValueDomain, CodesOfDomainsAreFiveBits) {
  for (const Domain domain : all_domains()) {
    EXPECT_LT(domain_code(domain), 32U);
    EXPECT_EQ(domain_of(domain_code(domain)), domain);
  }
  for (std::uint32_t code = 27; code < 32; ++code) EXPECT_EQ(domain_of(code), (Domain{DomainKind::kDecimal, 0}));
}

TEST(ValueDomain, OrderedBitsAreInTheOrderOfTheNumbers) {
  std::vector<double> values = nasty_values(ring_test::test_seed());
  for (const double value : values) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    ASSERT_EQ(bits_of_ordered(ordered_bits(bits)), bits);
  }
  std::erase_if(values, [](double value) { return std::isnan(value); });
  std::sort(values.begin(), values.end());
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i - 1] == values[i]) continue;
    ASSERT_LT(ordered_bits(std::bit_cast<std::uint64_t>(values[i - 1])),
              ordered_bits(std::bit_cast<std::uint64_t>(values[i])));
  }
}

}  // namespace
}  // namespace core::ring
