// SPDX-License-Identifier: Apache-2.0
#include "core/ring/ring_layout.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/ring/label_store.h"
#include "core/ring/mapped_ring.h"

namespace core::ring {
namespace {

// Regions as the geometry says, each behind the one before.
void check_geometry(const RingGeometry& g) {
  struct Region {
    std::uint64_t begin;
    std::uint64_t bytes;
  };
  const std::vector<Region> regions = {
      {0, sizeof(Superblock)},
      {g.series_at, g.max_series * sizeof(SeriesEntry)},
      {g.labels_at, g.label_bytes},
      {g.timelines_at, g.max_timelines * sizeof(TimelineEntry)},
      {g.page_entries_at, g.pages * sizeof(PageEntry)},
      {g.pages_at, g.pages * sizeof(TimePage)},
      {g.segment_times_at, g.segments * sizeof(Word)},
      {g.slots_at, std::uint64_t{g.slots()} * kSlotBytes},
  };
  std::uint64_t end = 0;
  for (const Region& region : regions) {
    EXPECT_EQ(region.begin % kRegionAlignment, 0U);
    EXPECT_GE(region.begin, end);
    end = region.begin + region.bytes;
  }
  EXPECT_LE(end, g.file_bytes);
  EXPECT_EQ(g.slots() % kSlotsPerSegment, 0U);
  EXPECT_LT(g.slots(), ChunkLink::kNoSlot);
  EXPECT_LT(g.max_timelines, kNoTimeline);
  // One page of times for each timeline, and some that are nobody's current one.
  EXPECT_GT(g.pages, g.max_timelines);
  // A label reference counts granules in 32 bits.
  EXPECT_LT(g.label_bytes / kLabelGranule, 1ULL << 32) << g.max_series << " series";
}

TEST(RingLayout, EverySizeHasItsPlaces) {
  int fitting = 0;
  for (std::uint64_t size = 4ULL << 20; size <= 64ULL << 30; size += size / 8 + 12'345) {
    // With the default number of series it always fits; with others it may.
    const auto usual = RingGeometry::make(size, size / kBytesPerSeriesDefault);
    ASSERT_TRUE(usual.has_value()) << size;
    check_geometry(*usual);
    for (std::uint64_t series = 1; series < size / 32; series = series * 3 + 1) {
      const auto geometry = RingGeometry::make(size, series);
      if (!geometry) continue;
      ++fitting;
      check_geometry(*geometry);
    }
    for (std::uint64_t bytes_per_series = 97; bytes_per_series < 120; ++bytes_per_series) {
      if (const auto tight = RingGeometry::make(size, size / bytes_per_series)) check_geometry(*tight);
    }
  }
  EXPECT_GT(fitting, 500);
}

TEST(RingLayout, WhatDoesNotFitIsRefused) {
  constexpr std::uint64_t kMib = 1 << 20;
  struct Case {
    std::uint64_t bytes;
    std::uint64_t series;
  };
  const Case refused[] = {
      {0, 1},
      {4096, 1},
      {kMib, 100},
      {4 * kMib, 0},
      {4 * kMib, 4 * kMib / 64},
      {512 * kMib, 512 * kMib / 96},
      {128 * 1024 * kMib, 1ULL << 29},
      {4 * kMib, ~std::uint64_t{0}},
  };
  for (const Case& each : refused) {
    const auto geometry = RingGeometry::make(each.bytes, each.series);
    ASSERT_FALSE(geometry.has_value()) << each.bytes << " bytes, " << each.series << " series";
    EXPECT_EQ(geometry.error().code, Errc::kInvalid);
    EXPECT_NE(geometry.error().message.find("ring.size, ring.max_series"), std::string::npos);
  }
}

TEST(RingLayout, ALargerFileHasMoreOfEverything) {
  const auto small = RingGeometry::make(64ULL << 20, 100'000);
  const auto large = RingGeometry::make(128ULL << 20, 100'000);
  ASSERT_TRUE(small && large);
  EXPECT_GT(large->segments, small->segments);
  EXPECT_GT(large->pages, small->pages);
  EXPECT_GE(large->max_timelines, small->max_timelines);
  EXPECT_EQ(large->label_bytes, small->label_bytes);
}

TEST(RingLayout, TheSuperblocksCheckIsOfWhatSaysHowToReadTheFile) {
  Superblock superblock{};
  superblock.magic = kRingMagic;
  superblock.version = kRingVersion;
  superblock.file_bytes = 4 << 20;
  superblock.max_series = 8192;
  const std::uint32_t check = superblock_check(superblock);
  const auto differs = [&](auto&& change) {
    Superblock other{};
    other.magic = superblock.magic;
    other.version = superblock.version;
    other.file_bytes = superblock.file_bytes;
    other.max_series = superblock.max_series;
    change(other);
    return superblock_check(other) != check;
  };
  EXPECT_TRUE(differs([](Superblock& s) { s.magic[3] ^= 1; }));
  EXPECT_TRUE(differs([](Superblock& s) { s.version ^= 1; }));
  EXPECT_TRUE(differs([](Superblock& s) { s.file_bytes ^= 1; }));
  EXPECT_TRUE(differs([](Superblock& s) { s.max_series ^= 1; }));
  EXPECT_FALSE(differs([](Superblock& s) { s.boot_id[0] ^= 1; }));
  EXPECT_FALSE(differs([](Superblock& s) { s.clean = 1; }));
}

}  // namespace
}  // namespace core::ring
