// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "core/ring/ring.h"

namespace core::ring {
namespace {

std::vector<std::pair<std::int64_t, double>> read_all(const Ring& ring, SeriesRef series) {
  std::vector<Sample> samples;
  ring.reader().read(series, INT64_MIN, INT64_MAX, samples);
  std::vector<std::pair<std::int64_t, double>> pairs;
  for (const Sample& sample : samples) pairs.emplace_back(sample.time_ms, sample.value);
  return pairs;
}

TEST(MemoryRing, AScrapeBecomesVisibleWhole) {
  const auto ring = make_memory_ring();
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  const SeriesRef a = *appender->upsert(timeline, {{"__name__", "a"}});
  const SeriesRef b = *appender->upsert(timeline, {{"__name__", "b"}});
  appender->begin(timeline, 1000);
  EXPECT_EQ(appender->append(a, 1), AppendOutcome::kAppended);
  EXPECT_FALSE(ring->reader().last(a));
  EXPECT_EQ(appender->append(b, 2), AppendOutcome::kAppended);
  appender->publish();
  EXPECT_EQ(ring->reader().last(a)->value, 1);
  EXPECT_EQ(ring->reader().last(b)->time_ms, 1000);
}

TEST(MemoryRing, OldAndRepeatedTimesAreToldApart) {
  const auto ring = make_memory_ring();
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  const SeriesRef a = *appender->upsert(timeline, {{"__name__", "a"}});
  appender->begin(timeline, 1000);
  EXPECT_EQ(appender->append(a, 1), AppendOutcome::kAppended);
  EXPECT_EQ(appender->append(a, 1), AppendOutcome::kUnchanged);
  EXPECT_EQ(appender->append(a, 2), AppendOutcome::kDuplicate);
  EXPECT_EQ(appender->append_at(a, {999, 5}), AppendOutcome::kOutOfOrder);
  EXPECT_EQ(appender->append_at(a, {1001, stale_marker()}), AppendOutcome::kAppended);
  EXPECT_EQ(appender->append_at(a, {1001, stale_marker()}), AppendOutcome::kUnchanged);
  EXPECT_EQ(appender->append_at(a, {1001, normal_nan()}), AppendOutcome::kDuplicate);
  appender->publish();
  EXPECT_EQ(read_all(*ring, a).size(), 2U);
  EXPECT_TRUE(is_stale(ring->reader().last(a)->value));
}

TEST(MemoryRing, ReadsTheClosedInterval) {
  const auto ring = make_memory_ring();
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  const SeriesRef a = *appender->upsert(timeline, {{"__name__", "a"}});
  for (int t = 0; t < 10; ++t) {
    appender->begin(timeline, t * 10);
    appender->append(a, t);
    appender->publish();
  }
  std::vector<Sample> samples;
  ring->reader().read(a, 20, 40, samples);
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples.front().value, 2);
  EXPECT_EQ(samples.back().value, 4);
  ring->reader().read(SeriesRef{999}, 0, 100, samples);
  EXPECT_TRUE(samples.empty());
}

TEST(MemoryRing, SelectsByEveryKindOfMatcher) {
  const auto ring = make_memory_ring();
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  for (const char* zone : {"a", "b", "c"}) {
    ASSERT_TRUE(appender->upsert(timeline, {{"__name__", "up"}, {"zone", zone}}));
  }
  ASSERT_TRUE(appender->upsert(timeline, {{"__name__", "down"}}));
  const auto count = [&](std::vector<Matcher> matchers) { return ring->reader().select(matchers).size(); };
  EXPECT_EQ(count({}), 4U);
  EXPECT_EQ(count({Matcher::equal("__name__", "up")}), 3U);
  EXPECT_EQ(count({Matcher::equal("zone", "")}), 1U);
  EXPECT_EQ(count({*Matcher::make(MatchType::kRegexMatch, "zone", "a|b")}), 2U);
  EXPECT_EQ(count({Matcher::equal("__name__", "up"), *Matcher::make(MatchType::kNotEqual, "zone", "a")}), 2U);
  EXPECT_EQ(count({Matcher::equal("nothing", "x")}), 0U);
}

TEST(MemoryRing, RefusesSeriesPastTheLimitAndRecoversWhenOldOnesGo) {
  const auto ring = make_memory_ring({.max_series = 2, .max_samples = 4});
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  const SeriesRef a = *appender->upsert(timeline, {{"__name__", "a"}});
  const SeriesRef b = *appender->upsert(timeline, {{"__name__", "b"}});
  const auto refused = appender->upsert(timeline, {{"__name__", "c"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kLimitExceeded);
  EXPECT_EQ(*appender->upsert(timeline, {{"__name__", "a"}}), a);
  appender->begin(timeline, 1);
  appender->append(a, 1);
  appender->publish();
  const std::uint64_t generation = ring->reader().index_generation();
  for (int t = 2; t < 8; ++t) {
    appender->begin(timeline, t);
    appender->append(b, t);
    appender->publish();
  }
  EXPECT_GT(ring->reader().index_generation(), generation);
  EXPECT_TRUE(ring->reader().select(std::vector{Matcher::equal("__name__", "a")}).empty());
  appender->begin(timeline, 9);
  EXPECT_EQ(appender->append(a, 9), AppendOutcome::kGone);
  appender->publish();
  EXPECT_TRUE(appender->upsert(timeline, {{"__name__", "c"}}));
  EXPECT_EQ(read_all(*ring, b).size(), 4U);
  EXPECT_EQ(ring->reader().usage().oldest_ms, 4);
}

TEST(MemoryRing, ASeriesBelongsToWhoeverUpsertedItLast) {
  const auto ring = make_memory_ring();
  const auto first = ring->make_appender();
  const auto second = ring->make_appender();
  const TimelineRef one = *first->open_timeline();
  const TimelineRef two = *second->open_timeline();
  const SeriesRef a = *first->upsert(one, {{"__name__", "a"}});
  first->begin(one, 1);
  EXPECT_EQ(first->append(a, 1), AppendOutcome::kAppended);
  EXPECT_EQ(*second->upsert(two, {{"__name__", "a"}}), a);
  EXPECT_EQ(first->append_at(a, {2, 2}), AppendOutcome::kGone);
  second->begin(two, 5);
  EXPECT_EQ(second->append(a, 5), AppendOutcome::kAppended);
  second->publish();
  // Staged before the other took the series, published after: too late.
  first->publish();
  EXPECT_EQ(read_all(*ring, a), (std::vector<std::pair<std::int64_t, double>>{{5, 5}}));
}

TEST(MemoryRing, AgreesWithAPlainModel) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const auto ring = make_memory_ring();
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  std::map<SeriesRef, std::vector<std::pair<std::int64_t, double>>> model;
  std::int64_t now = 0;
  for (int scrape = 0; scrape < 300; ++scrape) {
    now += static_cast<std::int64_t>(random() % 3);
    std::vector<std::pair<SeriesRef, double>> values;
    for (int i = 0; i < 10; ++i) {
      values.emplace_back(*appender->upsert(timeline, {{"i", std::to_string(random() % 20)}}),
                          static_cast<double>(random() % 4));
    }
    appender->begin(timeline, now);
    for (const auto& [series, value] : values) {
      auto& samples = model[series];
      const AppendOutcome outcome = appender->append(series, value);
      const bool newer = samples.empty() || samples.back().first < now;
      EXPECT_EQ(outcome == AppendOutcome::kAppended, newer);
      if (newer) samples.emplace_back(now, value);
    }
    appender->publish();
  }
  for (const auto& [series, samples] : model) EXPECT_EQ(read_all(*ring, series), samples);
}

TEST(MemoryRing, ReadersSeeOrderedSamplesWhileAWriterRuns) {
  const auto ring = make_memory_ring({.max_series = 10, .max_samples = 100});
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  const SeriesRef a = *appender->upsert(timeline, {{"__name__", "a"}});
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    for (int t = 1; t <= 20'000; ++t) {
      appender->begin(timeline, t);
      appender->append(a, t);
      appender->publish();
    }
    done = true;
  });
  std::vector<Sample> samples;
  while (!done) {
    ring->reader().read(a, INT64_MIN, INT64_MAX, samples);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      ASSERT_EQ(static_cast<double>(samples[i].time_ms), samples[i].value);
      if (i > 0) {
        ASSERT_EQ(samples[i].time_ms, samples[i - 1].time_ms + 1);
      }
    }
  }
}

}  // namespace
}  // namespace core::ring
