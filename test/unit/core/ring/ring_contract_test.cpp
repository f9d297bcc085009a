// SPDX-License-Identifier: Apache-2.0
// What ring.h promises, asked of every ring.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/ring/mapped_ring.h"
#include "core/ring/ring.h"
#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/value_families.h"

namespace core::ring {
namespace {

using ring_test::agree;
using ring_test::find;
using ring_test::history;
using ring_test::kEarliest;
using ring_test::kLatest;
using ring_test::read;
using ring_test::RingFolder;
using ring_test::scrape;
using Samples = std::vector<Sample>;

enum class Kind { kMemory, kMapped };

class RingContract : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Ring> make(std::uint64_t max_series = 5000) {
    if (GetParam() == Kind::kMemory) return make_memory_ring({.max_series = max_series, .max_samples = 1'000'000});
    const std::string path = folder_.file("ring" + std::to_string(made_++));
    return ring_test::open_or_abort({.path = path, .size_bytes = 8ULL << 20, .max_series = max_series, .boot_id = "b"});
  }

  RingFolder folder_;
  int made_ = 0;
  std::unique_ptr<Ring> ring_ = make();
  const Reader& reader_ = ring_->reader();
  std::unique_ptr<Appender> appender_ = ring_->make_appender();
  TimelineRef timeline_ = *appender_->open_timeline(7);

  SeriesRef series(const std::string& name) { return *appender_->upsert(timeline_, {{"__name__", name}}); }
};

INSTANTIATE_TEST_SUITE_P(Rings, RingContract, testing::Values(Kind::kMemory, Kind::kMapped),
                         [](const auto& each) { return each.param == Kind::kMemory ? "Memory" : "Mapped"; });

TEST_P(RingContract, AScrapeBecomesVisibleWhole) {
  const SeriesRef a = series("a");
  const SeriesRef b = series("b");
  appender_->begin(timeline_, 1000);
  EXPECT_EQ(appender_->append(a, 1), AppendOutcome::kAppended);
  EXPECT_FALSE(reader_.last(a));
  EXPECT_TRUE(read(reader_, a).empty());
  EXPECT_EQ(appender_->append(b, 2), AppendOutcome::kAppended);
  appender_->publish();
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 1}}));
  EXPECT_EQ(reader_.last(a)->value, 1);
  EXPECT_EQ(reader_.last(b)->time_ms, 1000);
  // The same value again is a sample, and no sooner than it is published.
  appender_->begin(timeline_, 2000);
  EXPECT_EQ(appender_->append(a, 1), AppendOutcome::kAppended);
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 1}}));
  EXPECT_EQ(reader_.last(a)->time_ms, 1000);
  EXPECT_EQ(reader_.counter_window(a, kEarliest, kLatest).count, 1U);
  appender_->publish();
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 1}, {2000, 1}}));
  EXPECT_TRUE(agree(read(reader_, b), {{1000, 2}})) << "b was not in the second scrape";
}

TEST_P(RingContract, OldAndRepeatedTimesAreToldApart) {
  const SeriesRef a = series("a");
  appender_->begin(timeline_, 1000);
  EXPECT_EQ(appender_->append(a, 1), AppendOutcome::kAppended);
  EXPECT_EQ(appender_->append(a, 1), AppendOutcome::kUnchanged);
  EXPECT_EQ(appender_->append(a, 2), AppendOutcome::kDuplicate);
  EXPECT_EQ(appender_->append_at(a, {999, 5}), AppendOutcome::kOutOfOrder);
  EXPECT_EQ(appender_->append_at(a, {1001, stale_marker()}), AppendOutcome::kAppended);
  EXPECT_EQ(appender_->append_at(a, {1001, stale_marker()}), AppendOutcome::kUnchanged);
  EXPECT_EQ(appender_->append_at(a, {1001, normal_nan()}), AppendOutcome::kDuplicate);
  EXPECT_EQ(appender_->append(a, 1), AppendOutcome::kOutOfOrder);
  appender_->publish();
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 1}, {1001, stale_marker()}}));
  EXPECT_TRUE(is_stale(reader_.last(a)->value));
  // What was published counts as what was staged does.
  appender_->begin(timeline_, 1001);
  EXPECT_EQ(appender_->append(a, stale_marker()), AppendOutcome::kUnchanged);
  EXPECT_EQ(appender_->append(a, 0), AppendOutcome::kDuplicate);
  EXPECT_EQ(appender_->append_at(a, {1000, 1}), AppendOutcome::kOutOfOrder);
  appender_->publish();
  EXPECT_EQ(read(reader_, a).size(), 2U);
}

TEST_P(RingContract, ZeroAndMinusZeroAreTwoValues) {
  const SeriesRef a = series("a");
  appender_->begin(timeline_, 1000);
  EXPECT_EQ(appender_->append(a, 0.0), AppendOutcome::kAppended);
  EXPECT_EQ(appender_->append(a, -0.0), AppendOutcome::kDuplicate);
  appender_->publish();
  scrape(*appender_, timeline_, 2000, {{a, -0.0}});
  scrape(*appender_, timeline_, 3000, {{a, 0.0}});
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 0.0}, {2000, -0.0}, {3000, 0.0}}));
}

TEST_P(RingContract, ReadsTheClosedInterval) {
  const SeriesRef a = series("a");
  for (int t = 0; t < 10; ++t) scrape(*appender_, timeline_, t * 10, {{a, t}});
  EXPECT_TRUE(agree(read(reader_, a, 20, 40), {{20, 2}, {30, 3}, {40, 4}}));
  EXPECT_TRUE(agree(read(reader_, a, 21, 39), {{30, 3}}));
  EXPECT_TRUE(agree(read(reader_, a, 85, kLatest), {{90, 9}}));
  EXPECT_TRUE(read(reader_, a, 31, 39).empty());
  EXPECT_TRUE(read(reader_, a, 40, 20).empty());
  EXPECT_TRUE(read(reader_, a, 91, kLatest).empty());
  EXPECT_TRUE(read(reader_, a, kEarliest, -1).empty());
  // `out` is replaced, whatever was in it.
  Samples samples(3);
  reader_.read(SeriesRef{999}, 0, 100, samples);
  EXPECT_TRUE(samples.empty());
  EXPECT_TRUE(read(reader_, SeriesRef::kNone).empty());
  EXPECT_FALSE(reader_.last(SeriesRef{UINT64_MAX}));
  EXPECT_EQ(reader_.counter_window(SeriesRef{1ULL << 40}, kEarliest, kLatest).count, 0U);
}

TEST_P(RingContract, MissingSamplesStayMissing) {
  const SeriesRef constant = series("constant");
  const SeriesRef moving = series("moving");
  Samples of_constant;
  Samples of_moving;
  ring_test::Random random(ring_test::test_seed());
  for (std::int64_t t = 1; t <= 400; ++t) {
    appender_->begin(timeline_, t * 1000);
    // Runs of presence and of absence, the constant's over the same value.
    if ((t / 7) % 3 != 1) {
      EXPECT_EQ(appender_->append(constant, 5), AppendOutcome::kAppended);
      of_constant.push_back({t * 1000, 5});
    }
    if (!random.one_in(3)) {
      EXPECT_EQ(appender_->append(moving, static_cast<double>(t)), AppendOutcome::kAppended);
      of_moving.push_back({t * 1000, static_cast<double>(t)});
    }
    appender_->publish();
    ASSERT_EQ(reader_.last(constant)->time_ms, of_constant.back().time_ms);
  }
  EXPECT_TRUE(agree(read(reader_, constant), of_constant));
  EXPECT_TRUE(agree(read(reader_, moving), of_moving));
  EXPECT_EQ(reader_.counter_window(constant, kEarliest, kLatest).count, of_constant.size());
}

TEST_P(RingContract, EveryBitPatternComesBack) {
  const SeriesRef a = series("a");
  ring_test::Random random(ring_test::test_seed());
  Samples wanted;
  for (std::int64_t t = 1; t <= 3000; ++t) {
    const std::uint64_t special = ring_test::kSpecialBits[random.below(ring_test::kSpecialBits.size())];
    // A NaN of any payload, a known troublemaker, any bits.
    const std::array<std::uint64_t, 3> choices = {0x7ff0000000000001ULL | random.bits(), special, random.bits()};
    const double value = std::bit_cast<double>(choices[random.below(choices.size())]);
    scrape(*appender_, timeline_, t, {{a, value}});
    wanted.push_back({t, value});
    ASSERT_TRUE(same_bits(reader_.last(a)->value, value));
  }
  EXPECT_TRUE(agree(read(reader_, a), wanted));
  EXPECT_TRUE(agree(reader_.counter_window(a, kEarliest, kLatest), ring_test::fold(wanted)));
}

TEST_P(RingContract, EveryFamilyOfValuesComesBack) {
  const std::uint64_t seed = ring_test::test_seed();
  for (std::size_t family = 0; family < ring_test::kFamilies; ++family) {
    const SeriesRef a = series("family" + std::to_string(family));
    ring_test::ValueSource source(static_cast<ring_test::Family>(family), seed + family);
    Samples wanted;
    for (std::int64_t t = 1; t <= 1500; ++t) {
      wanted.push_back({(1500 * static_cast<std::int64_t>(family) + t) * 1000, source.next()});
      scrape(*appender_, timeline_, wanted.back().time_ms, {{a, wanted.back().value}});
    }
    EXPECT_TRUE(agree(read(reader_, a), wanted)) << "family " << family;
    EXPECT_TRUE(agree(reader_.counter_window(a, kEarliest, kLatest), ring_test::fold(wanted))) << "family " << family;
  }
}

TEST_P(RingContract, TimesOfTheirOwnAreExact) {
  const SeriesRef scraped = series("scraped");
  const SeriesRef late = series("late");
  const SeriesRef mixed = series("mixed");
  Samples of_late;
  Samples of_mixed;
  for (std::int64_t t = 1; t <= 500; ++t) {
    appender_->begin(timeline_, t * 1000);
    appender_->append(scraped, static_cast<double>(t));
    of_late.push_back({t * 1000 - 1 - t % 7, static_cast<double>(t / 50)});
    EXPECT_EQ(appender_->append_at(late, of_late.back()), AppendOutcome::kAppended);
    // The scrape's time, one of its own before it, and a second sample in the same scrape.
    of_mixed.push_back({t * 1000 - (t % 3 == 0 ? 10 : 0), static_cast<double>(t)});
    EXPECT_EQ(appender_->append_at(mixed, of_mixed.back()), AppendOutcome::kAppended);
    if (t % 5 == 0) {
      of_mixed.push_back({t * 1000 + 3, static_cast<double>(t)});
      EXPECT_EQ(appender_->append_at(mixed, of_mixed.back()), AppendOutcome::kAppended);
    }
    appender_->publish();
  }
  EXPECT_EQ(read(reader_, scraped).size(), 500U);
  EXPECT_TRUE(agree(read(reader_, late), of_late));
  EXPECT_TRUE(agree(read(reader_, mixed), of_mixed));
  EXPECT_TRUE(agree(read(reader_, mixed, 100'000, 200'000), ring_test::cut(of_mixed, 100'000, 200'000)));
  EXPECT_TRUE(ring_test::same_sample(*reader_.last(late), of_late.back()));
}

TEST_P(RingContract, TimesMayLieAnywhere) {
  const SeriesRef a = series("a");
  const SeriesRef b = series("b");
  const Samples wanted = {{-62'135'596'800'000, 1}, {-1, 2}, {0, 2}, {1, 2}, {1'700'000'000'000, 3},
                          {253'402'300'799'999, 4}};
  for (const Sample& sample : wanted) {
    scrape(*appender_, timeline_, sample.time_ms, {{a, sample.value}});
    appender_->begin(timeline_, sample.time_ms);
    EXPECT_EQ(appender_->append_at(b, {sample.time_ms + 1000, sample.value}), AppendOutcome::kAppended);
    appender_->publish();
  }
  EXPECT_TRUE(agree(read(reader_, a), wanted));
  EXPECT_EQ(read(reader_, b).size(), wanted.size());
}

TEST_P(RingContract, AScrapeAtTheSameTimeAddsWhatIsMissing) {
  const SeriesRef a = series("a");
  const SeriesRef b = series("b");
  scrape(*appender_, timeline_, 1000, {{a, 1}});
  appender_->begin(timeline_, 1000);
  EXPECT_EQ(appender_->append(a, 1), AppendOutcome::kUnchanged);
  EXPECT_EQ(appender_->append(b, 2), AppendOutcome::kAppended);
  appender_->publish();
  scrape(*appender_, timeline_, 2000, {{a, 1}, {b, 2}});
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 1}, {2000, 1}}));
  EXPECT_TRUE(agree(read(reader_, b), {{1000, 2}, {2000, 2}}));
}

TEST_P(RingContract, AnEarlierScrapeIsOutOfOrder) {
  const SeriesRef a = series("a");
  scrape(*appender_, timeline_, 1000, {{a, 1}});
  appender_->begin(timeline_, 500);
  EXPECT_EQ(appender_->append(a, 1), AppendOutcome::kOutOfOrder);
  appender_->publish();
  scrape(*appender_, timeline_, 2000, {{a, 2}});
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 1}, {2000, 2}}));
}

TEST_P(RingContract, SeriesMayComeInTheMiddleOfAScrape) {
  const SeriesRef a = series("a");
  scrape(*appender_, timeline_, 1000, {{a, 1}});
  appender_->begin(timeline_, 2000);
  appender_->append(a, 1);
  const SeriesRef b = series("b");
  EXPECT_EQ(appender_->append(b, 3), AppendOutcome::kAppended);
  EXPECT_EQ(series("a"), a);
  EXPECT_EQ(appender_->append(a, 1), AppendOutcome::kUnchanged);
  appender_->publish();
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 1}, {2000, 1}}));
  EXPECT_TRUE(agree(read(reader_, b), {{2000, 3}}));
}

TEST_P(RingContract, SelectsByEveryKindOfMatcher) {
  for (const char* zone : {"a", "b", "c"}) {
    ASSERT_TRUE(appender_->upsert(timeline_, {{"__name__", "up"}, {"zone", zone}}));
  }
  ASSERT_TRUE(appender_->upsert(timeline_, {{"__name__", "down"}}));
  // Series are there for readers from the next scrape on.
  scrape(*appender_, timeline_, 1000, {});
  const auto count = [&](std::vector<Matcher> matchers) { return reader_.select(matchers).size(); };
  EXPECT_EQ(count({}), 4U);
  EXPECT_EQ(count({Matcher::equal("__name__", "up")}), 3U);
  EXPECT_EQ(count({Matcher::equal("zone", "")}), 1U);
  EXPECT_EQ(count({*Matcher::make(MatchType::kNotEqual, "zone", "")}), 3U);
  EXPECT_EQ(count({*Matcher::make(MatchType::kRegexMatch, "zone", "a|b")}), 2U);
  EXPECT_EQ(count({*Matcher::make(MatchType::kRegexMatch, "zone", "a|")}), 2U);
  EXPECT_EQ(count({*Matcher::make(MatchType::kRegexNotMatch, "zone", "a|b")}), 2U);
  EXPECT_EQ(count({Matcher::equal("__name__", "up"), *Matcher::make(MatchType::kNotEqual, "zone", "a")}), 2U);
  EXPECT_EQ(count({Matcher::equal("__name__", "up"), Matcher::equal("zone", "a")}), 1U);
  EXPECT_EQ(count({Matcher::equal("nothing", "x")}), 0U);
  EXPECT_EQ(count({*Matcher::make(MatchType::kNotEqual, "nothing", "x")}), 4U);
  EXPECT_EQ(count({Matcher::equal("zone", "a"), Matcher::equal("zone", "b")}), 0U);
}

TEST_P(RingContract, LabelsComeBackAsTheyWere) {
  const std::vector<Labels> all = {
      Labels{{"__name__", "plain"}},
      Labels{{"only", "one"}},
      Labels{{"__name__", "plain"}, {"a", "b"}, {"ab", ""}},
      Labels{{"__name__", "plain"}, {"a", "bc"}},
      Labels{{"__name__", "plain"}, {"ab", "c"}},
      Labels{{"__name__", "odd"},
             {"path", "/x?y=\"1\"\n\t\\"},
             {"utf8", "zürich ☃"},
             {"bytes", std::string("\xff\0\x01", 3)}},
      Labels{{"__name__", "long"}, {"value", std::string(2000, 'v')}},
  };
  std::set<SeriesRef> refs;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto made = appender_->upsert(timeline_, all[i]);
    ASSERT_TRUE(made) << all[i].to_string() << ": " << made.error().message;
    EXPECT_NE(*made, SeriesRef::kNone);
    EXPECT_TRUE(refs.insert(*made).second) << all[i].to_string();
    scrape(*appender_, timeline_, static_cast<std::int64_t>(i) * 1000, {{*made, static_cast<double>(i)}});
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(agree(history(reader_, all[i]), {{static_cast<std::int64_t>(i) * 1000, static_cast<double>(i)}}))
        << all[i].to_string();
    EXPECT_TRUE(refs.contains(*appender_->upsert(timeline_, all[i]))) << "not made a second time";
  }
  EXPECT_EQ(reader_.select({}).size(), all.size());
}

TEST_P(RingContract, TheGenerationGrowsWithSeriesAndNotWithSamples) {
  const SeriesRef a = series("a");
  scrape(*appender_, timeline_, 1000, {{a, 1}});
  const std::uint64_t before = reader_.index_generation();
  scrape(*appender_, timeline_, 2000, {{a, 1}});
  EXPECT_EQ(series("a"), a);
  EXPECT_EQ(reader_.index_generation(), before);
  const SeriesRef b = series("b");
  scrape(*appender_, timeline_, 3000, {{b, 1}});
  EXPECT_GT(reader_.index_generation(), before);
}

TEST_P(RingContract, RefusesSeriesPastTheLimit) {
  const auto ring = make(16);
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline();
  const std::uint64_t limit = ring->reader().usage().series_limit;
  ASSERT_GE(limit, 16U);
  ASSERT_LE(limit, 100'000U);
  std::vector<std::pair<SeriesRef, double>> values;
  for (std::uint64_t i = 0; i < limit; ++i) {
    const auto made = appender->upsert(timeline, {{"i", std::to_string(i)}});
    ASSERT_TRUE(made) << "series " << i << " of " << limit << ": " << made.error().message;
    values.emplace_back(*made, static_cast<double>(i));
  }
  scrape(*appender, timeline, 1000, values);
  for (int i = 0; i < 3; ++i) {
    const auto refused = appender->upsert(timeline, {{"one", "more"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kLimitExceeded);
    EXPECT_FALSE(refused.error().message.empty());
  }
  const RingUsage usage = ring->reader().usage();
  EXPECT_EQ(usage.series, limit);
  EXPECT_EQ(usage.series_refused, 3U);
  EXPECT_LE(usage.bytes, usage.bytes_limit);
  EXPECT_EQ(*appender->upsert(timeline, {{"i", "3"}}), values[3].first);
  scrape(*appender, timeline, 2000, values);
  EXPECT_EQ(read(ring->reader(), values.back().first).size(), 2U);
}

TEST_P(RingContract, UsageCountsWhatIsThere) {
  EXPECT_EQ(reader_.usage().oldest_ms, 0);
  EXPECT_EQ(reader_.usage().samples_appended, 0U);
  const SeriesRef a = series("a");
  const SeriesRef b = series("b");
  for (std::int64_t t = 5; t <= 50; t += 5)
    scrape(*appender_, timeline_, t * 1000, {{a, 1}, {b, static_cast<double>(t)}});
  const RingUsage usage = reader_.usage();
  EXPECT_EQ(usage.series, 2U);
  EXPECT_EQ(usage.samples_appended, 20U);
  EXPECT_EQ(usage.oldest_ms, 5000);
  EXPECT_EQ(usage.newest_ms, 50'000);
  EXPECT_EQ(usage.series_refused, 0U);
  EXPECT_EQ(usage.series_reclaimed, 0U);
  EXPECT_EQ(usage.damaged, 0U);
  EXPECT_LE(usage.bytes, usage.bytes_limit);
  EXPECT_EQ(ring_->problem(), "");
}

TEST_P(RingContract, ListsEverySeriesAndItsLabels) {
  EXPECT_TRUE(reader_.list().empty());
  std::set<SeriesRef> made;
  for (int i = 0; i < 300; ++i) made.insert(series("m" + std::to_string(i)));
  const SeriesRef some = series("m7");
  scrape(*appender_, timeline_, 1000, {{some, 1}});
  const auto listed = reader_.list();
  EXPECT_EQ(std::set<SeriesRef>(listed.begin(), listed.end()), made);
  EXPECT_EQ(listed.size(), made.size());
  ASSERT_TRUE(reader_.labels(some));
  EXPECT_EQ(*reader_.labels(some), Labels({{"__name__", "m7"}}));
  // Another generation of the same number, and a number that nobody has.
  EXPECT_FALSE(reader_.labels(SeriesRef{static_cast<std::uint64_t>(some) + (std::uint64_t{1} << 40)}));
  EXPECT_FALSE(reader_.labels(SeriesRef{4'999}));
  EXPECT_FALSE(reader_.labels(SeriesRef{~std::uint64_t{0}}));
  EXPECT_FALSE(reader_.labels(SeriesRef::kNone));
}

TEST_P(RingContract, ACounterWindowAddsUpWhatResetsTook) {
  const SeriesRef a = series("a");
  const std::vector<double> values = {5, 7, 7,    2,  3, stale_marker(), stale_marker(), 1, normal_nan(),
                                      4, 0, -0.0, -1, 9};
  Samples all;
  for (const double value : values) {
    all.push_back({static_cast<std::int64_t>(all.size()) * 10, value});
    scrape(*appender_, timeline_, all.back().time_ms, {{a, value}});
  }
  for (std::int64_t from = -10; from <= 140; from += 5) {
    for (std::int64_t to = from - 5; to <= 140; to += 5) {
      ASSERT_TRUE(agree(reader_.counter_window(a, from, to), ring_test::fold(ring_test::cut(all, from, to))))
          << from << " to " << to;
    }
  }
}

}  // namespace
}  // namespace core::ring
