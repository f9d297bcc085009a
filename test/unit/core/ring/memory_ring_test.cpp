// SPDX-License-Identifier: Apache-2.0
// What only the memory ring promises; the rest is in ring_contract_test.cpp.
#include <gtest/gtest.h>

#include "core/ring/ring.h"
#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

TEST(MemoryRing, CountsSamplesExactlyAndRecoversWhenOldOnesGo) {
  const auto ring = make_memory_ring({.max_series = 2, .max_samples = 4});
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  const SeriesRef a = *appender->upsert(timeline, {{"__name__", "a"}});
  const SeriesRef b = *appender->upsert(timeline, {{"__name__", "b"}});
  EXPECT_FALSE(appender->upsert(timeline, {{"__name__", "c"}}));
  ring_test::scrape(*appender, timeline, 1, {{a, 1}});
  const std::uint64_t generation = ring->reader().index_generation();
  for (int t = 2; t < 8; ++t) ring_test::scrape(*appender, timeline, t, {{b, t}});
  EXPECT_GT(ring->reader().index_generation(), generation);
  EXPECT_TRUE(ring->reader().select(std::vector{Matcher::equal("__name__", "a")}).empty());
  appender->begin(timeline, 9);
  EXPECT_EQ(appender->append(a, 9), AppendOutcome::kGone);
  appender->publish();
  EXPECT_TRUE(appender->upsert(timeline, {{"__name__", "c"}}));
  EXPECT_EQ(ring_test::read(ring->reader(), b).size(), 4U);
  EXPECT_EQ(ring->reader().usage().oldest_ms, 4);
  EXPECT_EQ(ring->reader().usage().series_reclaimed, 1U);
}

}  // namespace
}  // namespace core::ring
