// SPDX-License-Identifier: Apache-2.0
#include "core/ring/chunk_learning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "core/ring/chunk_writer.h"
#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/value_families.h"

namespace core::ring {
namespace {

using ring_test::Random;

TEST(ChunkLearning, ASignedWidthIsTheLeastThatHoldsTheNumber) {
  EXPECT_EQ(signed_width(0), 0U);
  EXPECT_EQ(signed_width(-1), 1U);
  EXPECT_EQ(signed_width(1), 2U);
  EXPECT_EQ(signed_width(-2), 2U);
  EXPECT_EQ(signed_width(std::numeric_limits<std::int64_t>::max()), 64U);
  EXPECT_EQ(signed_width(std::numeric_limits<std::int64_t>::min()), 64U);
  for (std::uint32_t width = 2; width < 64; ++width) {
    const std::int64_t most = (std::int64_t{1} << (width - 1)) - 1;
    EXPECT_EQ(signed_width(most), width);
    EXPECT_EQ(signed_width(-most - 1), width);
    EXPECT_EQ(signed_width(most + 1), width + 1);
  }
}

TEST(ChunkLearning, AWidthOfTheTableIsTheNextOneUp) {
  for (std::uint32_t width = 0; width <= 64; ++width) {
    const std::uint8_t index = width_index(width);
    EXPECT_GE(kWidths[index], width);
    if (index > 0) {
      EXPECT_LT(kWidths[index - 1U], width);
    }
  }
  EXPECT_EQ(width_index(65), kWidths.size() - 1);
}

TEST(ChunkLearning, AMiddleOfTenBitsIsExactAndALongerOneIsCut) {
  for (std::uint32_t shift = 0; shift < 32; ++shift) {
    for (std::int64_t mantissa = 0; mantissa < 1024; ++mantissa) {
      const std::int64_t center = mantissa << shift;
      ASSERT_EQ(center_of(center_code(center)), center);
      ASSERT_EQ(center_of(center_code(-center)), -center);
    }
  }
  Random random(ring_test::test_seed());
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t center = random.between(-(1LL << 41) + 1, (1LL << 41) - 1) >> random.below(41);
    const std::int64_t coded = center_of(center_code(center));
    ASSERT_LE(std::abs(coded), std::abs(center));
    ASSERT_LE(std::abs(center - coded), std::abs(center) >> 9) << center;
  }
  // Beyond its exponent there is none.
  EXPECT_EQ(center_code(1LL << 41), 0U);
  EXPECT_EQ(center_code(std::numeric_limits<std::int64_t>::min()), 0U);
}

// Bits of data for the differences with these widths; an escape's difference counts as a width of the table.
std::uint64_t cost(const std::vector<Difference>& differences, std::int64_t center, std::uint32_t narrow,
                   std::uint32_t wide) {
  std::uint64_t bits = 0;
  for (const Difference& each : differences) {
    const auto distance =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(each.m) - static_cast<std::uint64_t>(center));
    const std::uint32_t needed = kWidths[width_index(signed_width(distance))];
    bits += needed <= narrow ? narrow : needed <= wide ? wide : kEscapeBits + kFarWidthBits + needed;
  }
  return bits;
}

std::uint64_t least_cost(const std::vector<Difference>& differences, std::int64_t center) {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint8_t narrow : kWidths) {
    for (const std::uint8_t wide : kWidths) {
      if (narrow <= wide) least = std::min(least, cost(differences, center, narrow, wide));
    }
  }
  return least;
}

TEST(ChunkLearning, PicksWhatTryingEverythingPicks) {
  Random random(ring_test::test_seed());
  for (int i = 0; i < 2000; ++i) {
    std::vector<Difference> differences;
    const std::int64_t around =
        random.one_in(2) ? 0 : random.between(-(1LL << random.below(40)), 1LL << random.below(40));
    const std::uint64_t spread = random.below(50);
    for (std::uint64_t left = 1 + random.below(15); left > 0; --left) {
      const std::int64_t far =
          random.one_in(8) ? static_cast<std::int64_t>(random.bits() >> (2 + random.below(62))) : 0;
      differences.push_back({around + far + random.between(-(1LL << spread), 1LL << spread), 0});
    }
    const ChunkParams params = learn_params({DomainKind::kDecimal, 0}, differences);
    std::vector<std::int64_t> sorted;
    for (const Difference& each : differences) sorted.push_back(each.m);
    std::sort(sorted.begin(), sorted.end());
    const auto code = static_cast<std::uint16_t>(center_code(sorted[sorted.size() / 2]));
    const std::uint64_t plain = least_cost(differences, 0);
    const std::uint64_t centered = least_cost(differences, center_of(code));
    ASSERT_EQ(params.has_center, (code & 0x7fff) != 0 && centered + kCenterBits < plain);
    if (params.has_center) {
      ASSERT_EQ(params.center, code);
    }
    ASSERT_LE(params.narrow, params.wide);
    ASSERT_EQ(cost(differences, params.has_center ? center_of(code) : 0, kWidths[params.narrow], kWidths[params.wide]),
              params.has_center ? centered : plain);
  }
}

TEST(ChunkLearning, WithoutDifferencesItExpectsSmallWholeNumbers) {
  const ChunkParams params = learn_params({DomainKind::kDecimal, 0}, {});
  EXPECT_EQ(kWidths[params.narrow], 4);
  EXPECT_EQ(kWidths[params.wide], 12);
  EXPECT_FALSE(params.has_center);
}

TEST(ChunkLearning, UlpsGetTheWidthOfTheWidest) {
  const std::vector<Difference> differences = {{5, 1}, {6, -4}, {7, 3}};
  EXPECT_EQ(kUlpWidths[learn_params({DomainKind::kNear, 3}, differences).ulps], 3);
  EXPECT_EQ(learn_params({DomainKind::kDecimal, 3}, differences).ulps, 0);
}

// The value with which a chunk begins has no escape: whatever was learned has to hold it.
TEST(ChunkLearning, TheNextChunkHoldsItsFirstValue) {
  const std::uint64_t seed = ring_test::test_seed();
  Random random(seed);
  for (int i = 0; i < 3000; ++i) {
    ring_test::ValueSource source(static_cast<ring_test::Family>(random.below(ring_test::kFamilies)), random.bits());
    Slot slot{};
    ChunkPen pen;
    ChunkOpening opening;
    opening.bits = std::bit_cast<std::uint64_t>(source.next());
    std::uint64_t previous = std::bit_cast<std::uint64_t>(source.next());
    opening.params = first_params(opening.bits, previous);
    ASSERT_TRUE(mantissa_of(opening.params.domain, std::bit_cast<double>(opening.bits)).exact);
    opening.index = static_cast<std::uint32_t>(random.below(1 << 20));
    opening.self.generation = static_cast<std::uint16_t>(random.bits());
    if (random.one_in(3)) opening.time_ms = random.between(-1'000'000, 1'000'000);
    open_chunk(slot, opening, pen);
    previous = opening.bits;
    for (std::uint32_t index = opening.index + 1; index < opening.index + random.below(600); ++index) {
      const auto bits = std::bit_cast<std::uint64_t>(source.next());
      if (bits == previous || opening.time_ms.has_value()) continue;
      if (!append_value(slot, pen, index, bits, previous)) break;
      previous = bits;
    }
    const auto image = copy_slot(slot, opening.self.generation);
    ASSERT_TRUE(image.has_value());
    const auto next = std::bit_cast<std::uint64_t>(source.next());
    ASSERT_TRUE(mantissa_of(next_params(*image, next).domain, std::bit_cast<double>(next)).exact);
  }
}

}  // namespace
}  // namespace core::ring
