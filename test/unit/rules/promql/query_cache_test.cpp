// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/query_cache.h"

#include <gtest/gtest.h>

#include <string>

#include "core/ring/ring.h"
#include "core/time/simulated_clock.h"
#include "rules/promql/engine.h"

namespace rules::promql {
namespace {

// A ring with ten series of `up`, and an engine that keeps queries.
class QueryCacheTest : public ::testing::Test {
 protected:
  QueryCacheTest() : ring_(core::ring::make_memory_ring()), appender_(ring_->make_appender()) {
    for (int i = 0; i < 10; ++i) add(std::to_string(i));
  }

  void add(const std::string& host) {
    const auto timeline = appender_->open_timeline();
    const auto series = appender_->upsert(*timeline, {{"__name__", "up"}, {"host", host}});
    appender_->begin(*timeline, 1000);
    appender_->append(*series, 1);
    appender_->publish();
  }

  // How many series `query` finds.
  std::size_t ask(QueryCache& cache, const std::string& query) const {
    EngineOptions options;
    options.cache = &cache;
    const auto result = Engine(ring_->reader(), clock_, options).instant(query, 1000);
    return result ? std::get<Vector>(result->value).size() : 0;
  }

  core::SimulatedClock clock_;
  std::unique_ptr<core::ring::Ring> ring_;
  std::unique_ptr<core::ring::Appender> appender_;
};

TEST_F(QueryCacheTest, KeepsWhatIsAskedAgain) {
  QueryCache cache;
  EXPECT_EQ(ask(cache, "up"), 10U);
  EXPECT_EQ(ask(cache, "up"), 10U);
  EXPECT_EQ(cache.counts().hits, 1U);
  EXPECT_EQ(cache.counts().misses, 1U);
  EXPECT_EQ(cache.counts().queries, 1U);
  EXPECT_EQ(cache.counts().series, 10U);
}

TEST_F(QueryCacheTest, FindsSeriesThatCameLater) {
  QueryCache cache;
  EXPECT_EQ(ask(cache, "up"), 10U);
  add("later");
  EXPECT_EQ(ask(cache, "up"), 11U);
  EXPECT_EQ(cache.counts().series, 11U);
}

TEST_F(QueryCacheTest, LetsTheOldestGoFirst) {
  QueryCache cache({.queries_max = 2});
  for (const char* query : {"up + 1", "up + 2", "up + 1", "up + 3", "up + 1"}) EXPECT_EQ(ask(cache, query), 10U);
  EXPECT_EQ(cache.counts().hits, 2U);
  EXPECT_EQ(ask(cache, "up + 2"), 10U);
  EXPECT_EQ(cache.counts().hits, 2U);
  EXPECT_EQ(cache.counts().queries, 2U);
}

TEST_F(QueryCacheTest, HoldsNoMoreSeriesThanItMay) {
  QueryCache cache({.series_max = 15});
  ask(cache, "up + 1");
  ask(cache, "up + 2");
  EXPECT_EQ(cache.counts().queries, 1U);
  EXPECT_EQ(cache.counts().series, 10U);
  QueryCache small({.series_max = 9});
  ask(small, "up");
  EXPECT_EQ(small.counts().queries, 0U);
}

TEST_F(QueryCacheTest, AQueryInUseIsNobodyElses) {
  QueryCache cache;
  {
    auto first = cache.take("up");
    auto second = cache.take("up");
    ASSERT_TRUE(first && second);
    EXPECT_NE(&first->query(), &second->query());
  }
  EXPECT_EQ(cache.counts().queries, 1U);
  EXPECT_EQ(cache.counts().misses, 2U);
}

TEST_F(QueryCacheTest, SaysWhatIsWrongWithAQuery) {
  QueryCache cache;
  const auto broken = cache.take("up +");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, core::Errc::kInvalid);
  EXPECT_EQ(cache.counts().queries, 0U);
}

}  // namespace
}  // namespace rules::promql
