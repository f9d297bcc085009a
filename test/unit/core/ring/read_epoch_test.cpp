// SPDX-License-Identifier: Apache-2.0
#include "core/ring/read_epoch.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace core::ring {
namespace {

TEST(ReadEpoch, MovesOnWhileNobodyReads) {
  ReadEpoch epoch;
  const std::uint64_t begin = epoch.current();
  for (int i = 0; i < 5; ++i) epoch.try_advance();
  EXPECT_EQ(epoch.current(), begin + 5);
}

TEST(ReadEpoch, AReaderHoldsUpTheSecondEpochAfterItsOwn) {
  ReadEpoch epoch;
  const std::uint64_t begin = epoch.current();
  std::optional<ReadEpoch::Guard> first(std::in_place, epoch);
  for (int i = 0; i < 5; ++i) epoch.try_advance();
  EXPECT_EQ(epoch.current(), begin + 1);
  // One that comes later does not prolong it.
  std::optional<ReadEpoch::Guard> second(std::in_place, epoch);
  first.reset();
  for (int i = 0; i < 5; ++i) epoch.try_advance();
  EXPECT_EQ(epoch.current(), begin + 2);
  second.reset();
  epoch.try_advance();
  EXPECT_EQ(epoch.current(), begin + 3);
}

TEST(ReadEpoch, EveryReaderOfAnEpochCounts) {
  ReadEpoch epoch;
  const std::uint64_t begin = epoch.current();
  auto first = std::make_unique<ReadEpoch::Guard>(epoch);
  auto second = std::make_unique<ReadEpoch::Guard>(epoch);
  first.reset();
  for (int i = 0; i < 5; ++i) epoch.try_advance();
  EXPECT_EQ(epoch.current(), begin + 1);
  second.reset();
  epoch.try_advance();
  EXPECT_EQ(epoch.current(), begin + 2);
}

// What is retired in epoch n is destroyed from n + 2 on, while readers follow the pointer to it.
TEST(ReadEpoch, NoReaderSeesWhatWasGivenUp) {
  struct Thing {
    std::uint64_t number = 0;
    ~Thing() { number = ~std::uint64_t{0}; }
  };
  struct Retired {
    std::uint64_t epoch;
    std::unique_ptr<const Thing> thing;
  };
  ReadEpoch epoch;
  std::atomic<const Thing*> shared{new Thing};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      std::uint64_t newest = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        const ReadEpoch::Guard guard(epoch);
        const Thing* const thing = shared.load(std::memory_order_acquire);
        for (int look = 0; look < 20; ++look) {
          if (thing->number < newest || thing->number == ~std::uint64_t{0}) wrong.fetch_add(1);
        }
        newest = thing->number;
      }
    });
  }
  std::vector<Retired> retired;
  for (std::uint64_t number = 1; number <= 20'000; ++number) {
    retired.push_back({0, std::unique_ptr<const Thing>(shared.exchange(new Thing{number}, std::memory_order_acq_rel))});
    retired.back().epoch = epoch.current();
    epoch.try_advance();
    std::erase_if(retired, [&](const Retired& each) { return each.epoch + 2 <= epoch.current(); });
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  delete shared.load();
  EXPECT_EQ(wrong.load(), 0U);
}

}  // namespace
}  // namespace core::ring
