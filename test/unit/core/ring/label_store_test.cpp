// SPDX-License-Identifier: Apache-2.0
#include "core/ring/label_store.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

using ring_test::Random;

// A store with its bytes, which a second store may be put on.
//
// Thread safety: confined to one thread.
class Region {
 public:
  explicit Region(std::uint64_t bytes) : words_(bytes / 8) { reopen(); }
  LabelStore& store() { return *store_; }
  std::byte* data() { return reinterpret_cast<std::byte*>(words_.data()); }
  std::uint64_t bytes() const { return words_.size() * 8; }
  void reopen() { store_ = std::make_unique<LabelStore>(data(), bytes()); }

 private:
  std::vector<std::uint64_t> words_;
  std::unique_ptr<LabelStore> store_;
};

std::uint64_t rounded(std::uint64_t bytes) { return (bytes + 7) / 8 * 8; }
std::uint64_t text_bytes(std::string_view text) { return rounded(20 + text.size()); }

std::string numbered(std::uint64_t number, std::size_t length) {
  std::string text = std::to_string(number);
  text.resize(length, 'x');
  return text;
}

TEST(LabelStore, EachNameAndPairIsThereOnce) {
  Region region(4096);
  LabelStore& store = region.store();
  const auto first = store.make_set({{"__name__", "up"}, {"job", "geth"}});
  const std::uint64_t used = store.bytes_used();
  EXPECT_EQ(used, text_bytes("__name__") + text_bytes("up") + text_bytes("job") + text_bytes("geth") + 16);
  const auto second = store.make_set({{"__name__", "up"}, {"job", "lodestar"}});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(store.bytes_used() - used, text_bytes("lodestar") + 16);
  EXPECT_EQ(store.pairs(*first)[0], store.pairs(*second)[0]);
  EXPECT_EQ(store.find_pair("job", "geth"), std::optional(store.pairs(*first)[1]));
  EXPECT_FALSE(store.find_pair("job", "up").has_value());
  EXPECT_FALSE(store.find_name("geth").has_value());
  EXPECT_EQ(store.text(store.name_of(store.pairs(*second)[1])), "job");
  EXPECT_EQ(store.materialise(*second), std::optional(Labels{{"__name__", "up"}, {"job", "lodestar"}}));
}

// The same text as a name and as a value are two things.
TEST(LabelStore, NamesAndValuesAreToldApart) {
  Region region(4096);
  const auto set = region.store().make_set({{"a", "a"}, {"b", "a"}});
  ASSERT_TRUE(set.has_value());
  const auto pairs = region.store().pairs(*set);
  EXPECT_NE(pairs[0], pairs[1]);
  EXPECT_EQ(region.store().find_pair("b", "a"), std::optional(pairs[1]));
}

TEST(LabelStore, ReleasingGivesBackWhatOnlyThatSetUsed) {
  Region region(4096);
  LabelStore& store = region.store();
  const auto first = store.make_set({{"__name__", "up"}, {"job", "geth"}});
  const std::uint64_t used = store.bytes_used();
  const auto second = store.make_set({{"__name__", "up"}, {"instance", "a"}});
  store.release(*second);
  EXPECT_EQ(store.bytes_used(), used);
  EXPECT_FALSE(store.find_name("instance").has_value());
  EXPECT_TRUE(store.find_pair("__name__", "up").has_value());
  store.release(*first);
  EXPECT_EQ(store.bytes_used(), 0U);
  EXPECT_FALSE(store.find_name("__name__").has_value());
}

TEST(LabelStore, ComingAndGoingWithValuesOfOneLengthFitsForEver) {
  constexpr std::size_t kLive = 20;
  const std::uint64_t each = text_bytes(numbered(0, 17)) + rounded(8 + 2 * 4);
  const std::uint64_t shared = text_bytes("__name__") + text_bytes("m") + text_bytes("id");
  Region region(8 + shared + (kLive + 1) * each);
  std::deque<LabelRef> live;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto set = region.store().make_set({{"__name__", "m"}, {"id", numbered(i, 17)}});
    ASSERT_TRUE(set.has_value()) << "at the " << i << "th";
    live.push_back(*set);
    if (live.size() <= kLive) continue;
    region.store().release(live.front());
    live.pop_front();
  }
  EXPECT_EQ(region.store().bytes_used(), shared + kLive * each);
}

TEST(LabelStore, TheSmallestHoleThatFitsIsTakenAndNeighboursBecomeOne) {
  Region region(8192);
  LabelStore& store = region.store();
  std::map<std::size_t, LabelRef> sets;
  std::map<std::size_t, LabelRef> pairs;
  for (const std::size_t length : {400U, 100U, 200U, 300U}) {
    // A wall behind each, so that holes stay apart.
    sets[length] = *store.make_set({{"n", std::string(length, 'v')}});
    pairs[length] = store.pairs(sets[length])[0];
    ASSERT_TRUE(store.make_set({{"wall", numbered(length, 9)}}).has_value());
  }
  for (const auto& [length, set] : sets) {
    if (length != 300) store.release(set);
  }
  const auto fits = store.make_set({{"n", std::string(190, 'w')}});
  ASSERT_TRUE(fits.has_value());
  EXPECT_EQ(store.pairs(*fits)[0], pairs[200]);
}

TEST(LabelStore, WhenAllIsReleasedAllIsOneHole) {
  Region region(64 * 1024);
  Random random(ring_test::test_seed());
  LabelStore& store = region.store();
  std::vector<LabelRef> live;
  for (int round = 0; round < 3000; ++round) {
    if (!live.empty() && random.one_in(2)) {
      const std::size_t at = random.below(live.size());
      store.release(live[at]);
      live[at] = live.back();
      live.pop_back();
      continue;
    }
    std::vector<Label> labels;
    for (std::uint64_t left = 1 + random.below(5); left > 0; --left) {
      labels.push_back(
          {numbered(random.below(9), 1 + random.below(4)), numbered(random.below(40), 1 + random.below(90))});
    }
    if (const auto set = store.make_set(Labels(std::move(labels)))) live.push_back(*set);
  }
  for (const LabelRef set : live) store.release(set);
  EXPECT_EQ(store.bytes_used(), 0U);
  // The first granule is nobody's; a name of one byte and the set come to 24 and 16.
  const auto set = store.make_set({{"n", std::string(region.bytes() - 8 - 24 - 16 - 20, 'v')}});
  ASSERT_TRUE(set.has_value());
  EXPECT_EQ(store.bytes_used(), region.bytes() - 8);
}

TEST(LabelStore, WhatDoesNotFitLeavesNothingBehind) {
  Region region(1024);
  LabelStore& store = region.store();
  ASSERT_TRUE(store.make_set({{"a", "b"}}).has_value());
  const std::uint64_t used = store.bytes_used();
  EXPECT_FALSE(store.make_set({{"c", "d"}, {"e", std::string(900, 'v')}}).has_value());
  EXPECT_FALSE(store.make_set({{std::string(900, 'n'), "v"}}).has_value());
  EXPECT_EQ(store.bytes_used(), used);
  EXPECT_FALSE(store.find_name("c").has_value());
  EXPECT_FALSE(store.find_name("e").has_value());
}

TEST(LabelStore, TextsHaveALongestLength) {
  Region region(512 * 1024);
  const std::string longest(kLabelTextMax, 'v');
  const auto set = region.store().make_set({{"n", longest}});
  ASSERT_TRUE(set.has_value());
  EXPECT_EQ(region.store().materialise(*set), std::optional(Labels{{"n", longest}}));
  EXPECT_FALSE(region.store().make_set({{"n", longest + "v"}}).has_value());
  std::vector<Label> many;
  for (std::size_t i = 0; i <= kLabelsPerSeriesMax; ++i) many.push_back({"n" + std::to_string(i), "v"});
  EXPECT_FALSE(region.store().make_set(Labels(many)).has_value());
  many.pop_back();
  EXPECT_TRUE(region.store().make_set(Labels(many)).has_value());
}

TEST(LabelStore, AnotherProcessTakesOverWhatSeriesUse) {
  Region region(4096);
  const Labels kept{{"__name__", "up"}, {"job", "geth"}};
  const auto set = region.store().make_set(kept);
  const std::uint64_t used = region.store().bytes_used();
  const std::uint32_t check = region.store().set_check(*set);
  ASSERT_TRUE(region.store().make_set({{"__name__", "gone"}, {"job", "geth"}}).has_value());
  region.reopen();
  ASSERT_TRUE(region.store().adopt(*set, true));
  region.store().finish_adoption();
  EXPECT_EQ(region.store().materialise(*set), std::optional(kept));
  EXPECT_EQ(region.store().set_check(*set), check);
  // What no series used is free.
  EXPECT_EQ(region.store().bytes_used(), used);
  EXPECT_FALSE(region.store().find_pair("__name__", "gone").has_value());
  EXPECT_EQ(region.store().find_pair("job", "geth"), std::optional(region.store().pairs(*set)[1]));
  region.store().release(*set);
  EXPECT_EQ(region.store().bytes_used(), 0U);
}

TEST(LabelStore, ATurnedBitIsFoundByTheChecks) {
  Region region(512);
  const Labels labels{{"__name__", "up"}, {"job", "geth"}};
  const LabelRef set = *region.store().make_set(labels);
  for (std::uint64_t bit = 64; bit < region.bytes() * 8; ++bit) {
    std::byte& byte = region.data()[bit / 8];
    byte ^= std::byte{1} << (bit % 8);
    region.reopen();
    const bool adopted = region.store().adopt(set, true);
    region.store().finish_adoption();
    // A bit of the padding, of a hash or of a count says nothing.
    if (adopted) {
      ASSERT_EQ(region.store().materialise(set), std::optional(labels)) << bit;
    }
    // Adopting counts uses and makes hashes anew; the rest is as it was.
    byte ^= std::byte{1} << (bit % 8);
  }
}

TEST(LabelStore, AnyBytesAreReadWithinTheRegion) {
  Random random(ring_test::test_seed());
  for (int round = 0; round < 300; ++round) {
    Region region(256);
    for (std::uint64_t i = 0; i < region.bytes(); i += 8) {
      // Kinds and lengths that occur, and references into the region or a little past it.
      const std::uint64_t word = random.one_in(2) ? random.bits() : random.below(40) << 32 | random.below(5) << 48;
      std::memcpy(region.data() + i, &word, 8);
    }
    for (LabelRef ref = 0; ref < 40; ++ref) {
      (void)region.store().text(ref);
      (void)region.store().name_of(ref);
      (void)region.store().materialise(ref);
      (void)region.store().set_check(ref);
      (void)region.store().adopt(ref, random.one_in(2));
    }
    region.store().finish_adoption();
    EXPECT_LE(region.store().bytes_used(), region.bytes());
  }
}

}  // namespace
}  // namespace core::ring
