// SPDX-License-Identifier: Apache-2.0
// Whose a series is, and what becomes of its samples when that changes: asked of every ring.
#include <gtest/gtest.h>

#include <bit>
#include <optional>

#include "core/ring/mapped_ring.h"
#include "core/ring/ring.h"
#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

using ring_test::agree;
using ring_test::history;
using ring_test::read;
using ring_test::scrape;
using Samples = std::vector<Sample>;

enum class Kind { kMemory, kMapped };

class RingOwners : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Ring> make() {
    if (GetParam() == Kind::kMemory) return make_memory_ring({.max_series = 5000, .max_samples = 1'000'000});
    return ring_test::open_or_abort(
        {.path = folder_.file(), .size_bytes = 8ULL << 20, .max_series = 5000, .boot_id = "b"});
  }

  ring_test::RingFolder folder_;
  std::unique_ptr<Ring> ring_ = make();
  const Reader& reader_ = ring_->reader();
  std::unique_ptr<Appender> first_ = ring_->make_appender();
  std::unique_ptr<Appender> second_ = ring_->make_appender();
  TimelineRef one_ = *first_->open_timeline(1);
  TimelineRef two_ = *second_->open_timeline(2);
  const Labels a_{{"__name__", "a"}};
};

INSTANTIATE_TEST_SUITE_P(Rings, RingOwners, testing::Values(Kind::kMemory, Kind::kMapped),
                         [](const auto& each) { return each.param == Kind::kMemory ? "Memory" : "Mapped"; });

TEST_P(RingOwners, ASeriesBelongsToWhoeverUpsertedItLast) {
  const SeriesRef a = *first_->upsert(one_, a_);
  scrape(*first_, one_, 1000, {{a, 1}});
  const SeriesRef now = *second_->upsert(two_, a_);
  first_->begin(one_, 2000);
  EXPECT_EQ(first_->append(a, 2), AppendOutcome::kGone);
  EXPECT_EQ(first_->append_at(a, {2001, 2}), AppendOutcome::kGone);
  first_->publish();
  second_->begin(two_, 3000);
  EXPECT_EQ(second_->append(now, 3), AppendOutcome::kAppended);
  second_->publish();
  EXPECT_TRUE(agree(history(reader_, a_), {{1000, 1}, {3000, 3}}));
  // And back.
  const SeriesRef again = *first_->upsert(one_, a_);
  scrape(*first_, one_, 4000, {{again, 3}});
  second_->begin(two_, 5000);
  EXPECT_EQ(second_->append(now, 3), AppendOutcome::kGone);
  second_->publish();
  scrape(*first_, one_, 6000, {{again, 3}});
  EXPECT_TRUE(agree(history(reader_, a_), {{1000, 1}, {3000, 3}, {4000, 3}, {6000, 3}}));
}

TEST_P(RingOwners, WhatWasStagedWhenTheOwnerChangedDisturbsNobody) {
  const SeriesRef a = *first_->upsert(one_, a_);
  const SeriesRef other = *first_->upsert(one_, {{"__name__", "other"}});
  first_->begin(one_, 1000);
  EXPECT_EQ(first_->append(a, 1), AppendOutcome::kAppended);
  EXPECT_EQ(first_->append(other, 1), AppendOutcome::kAppended);
  const SeriesRef now = *second_->upsert(two_, a_);
  EXPECT_EQ(first_->append_at(a, {1500, 2}), AppendOutcome::kGone);
  second_->begin(two_, 5000);
  EXPECT_EQ(second_->append(now, 5), AppendOutcome::kAppended);
  second_->publish();
  first_->publish();
  // The sample that was staged may be lost or not, as the two threads that do this in life meet.
  const Samples samples = history(reader_, a_);
  EXPECT_TRUE(agree(samples, {{5000, 5}}) || agree(samples, {{1000, 1}, {5000, 5}})) << agree(samples, {}).message();
  EXPECT_TRUE(agree(read(reader_, other), {{1000, 1}})) << "the rest of the scrape is not concerned";
}

TEST_P(RingOwners, ASeriesMovesBetweenTimelinesOfAnAppender) {
  const TimelineRef three = *first_->open_timeline(3);
  Samples wanted;
  std::int64_t now_ms = 0;
  for (int round = 0; round < 40; ++round) {
    const TimelineRef timeline = round % 2 == 0 ? one_ : three;
    const SeriesRef a = *first_->upsert(timeline, a_);
    for (int i = 0; i < round % 5; ++i) {
      now_ms += 1000;
      // The value lasts over some of the moves.
      wanted.push_back({now_ms, static_cast<double>(round / 3)});
      scrape(*first_, timeline, now_ms, {{a, wanted.back().value}});
    }
    ASSERT_TRUE(agree(history(reader_, a_), wanted)) << "round " << round;
  }
}

TEST_P(RingOwners, TheOrderOfTimesOutlivesAMove) {
  scrape(*first_, one_, 5000, {{*first_->upsert(one_, a_), 1}});
  const SeriesRef a = *second_->upsert(two_, a_);
  second_->begin(two_, 4000);
  EXPECT_EQ(second_->append(a, 1), AppendOutcome::kOutOfOrder);
  second_->publish();
  second_->begin(two_, 5000);
  EXPECT_EQ(second_->append(a, 1), AppendOutcome::kUnchanged);
  EXPECT_EQ(second_->append(a, 2), AppendOutcome::kDuplicate);
  second_->publish();
  scrape(*second_, two_, 6000, {{a, 2}});
  EXPECT_TRUE(agree(history(reader_, a_), {{5000, 1}, {6000, 2}}));
}

TEST_P(RingOwners, ScrapesOfTwoAppendersInterleave) {
  const SeriesRef a = *first_->upsert(one_, a_);
  const SeriesRef b = *second_->upsert(two_, {{"__name__", "b"}});
  first_->begin(one_, 1000);
  second_->begin(two_, 900);
  first_->append(a, 1);
  second_->append(b, 2);
  first_->publish();
  EXPECT_TRUE(agree(read(reader_, a), {{1000, 1}}));
  EXPECT_FALSE(reader_.last(b));
  second_->publish();
  EXPECT_TRUE(agree(read(reader_, b), {{900, 2}}));
}

TEST_P(RingOwners, AClosedTimelineLeavesItsSeriesReadable) {
  const SeriesRef a = *first_->upsert(one_, a_);
  for (std::int64_t t = 1; t <= 30; ++t) scrape(*first_, one_, t * 1000, {{a, 4}});
  first_->close_timeline(one_);
  EXPECT_EQ(history(reader_, a_).size(), 30U);
  // Another timeline's scrapes are none of the closed one's.
  const SeriesRef b = *second_->upsert(two_, {{"__name__", "b"}});
  scrape(*second_, two_, 40'000, {{b, 1}});
  EXPECT_EQ(history(reader_, a_).size(), 30U);
  // The same identity goes on where it was.
  const TimelineRef again = *first_->open_timeline(1);
  const SeriesRef a_again = *first_->upsert(again, a_);
  EXPECT_EQ(history(reader_, a_).size(), 30U);
  scrape(*first_, again, 50'000, {{a_again, 4}});
  Samples wanted;
  for (std::int64_t t = 1; t <= 30; ++t) wanted.push_back({t * 1000, 4});
  wanted.push_back({50'000, 4});
  EXPECT_TRUE(agree(history(reader_, a_), wanted));
}

TEST_P(RingOwners, AnotherAppenderMayGoOnWithATimeline) {
  const SeriesRef a = *first_->upsert(one_, a_);
  scrape(*first_, one_, 1000, {{a, 4}});
  first_->close_timeline(one_);
  const TimelineRef again = *second_->open_timeline(1);
  const SeriesRef a_again = *second_->upsert(again, a_);
  scrape(*second_, again, 2000, {{a_again, 4}});
  scrape(*second_, again, 3000, {});
  scrape(*second_, again, 4000, {{a_again, 5}});
  EXPECT_TRUE(agree(history(reader_, a_), {{1000, 4}, {2000, 4}, {4000, 5}}));
}

TEST_P(RingOwners, OneIdentityOpenedTwiceIsTwoTimelines) {
  const TimelineRef twin = *first_->open_timeline(1);
  EXPECT_NE(twin, one_);
  const SeriesRef a = *first_->upsert(one_, a_);
  const SeriesRef b = *first_->upsert(twin, {{"__name__", "b"}});
  scrape(*first_, one_, 5000, {{a, 1}});
  scrape(*first_, twin, 1000, {{b, 2}});
  scrape(*first_, one_, 6000, {{a, 1}});
  EXPECT_TRUE(agree(history(reader_, a_), {{5000, 1}, {6000, 1}}));
  EXPECT_TRUE(agree(read(reader_, b), {{1000, 2}}));
}

// Targets come and go for as long as an agent runs: what they leave must not add up.
TEST_P(RingOwners, TimelinesComeAndGoWithoutEnd) {
  for (std::int64_t i = 1; i <= 20'000; ++i) {
    const auto timeline = first_->open_timeline(i % 2 == 0 ? 0 : static_cast<std::uint64_t>(1000 + i));
    ASSERT_TRUE(timeline) << "timeline " << i << ": " << timeline.error().message;
    const auto series = first_->upsert(*timeline, {{"__name__", "coming"}, {"i", std::to_string(i % 100)}});
    ASSERT_TRUE(series) << "series " << i << ": " << series.error().message;
    scrape(*first_, *timeline, i * 1000, {{*series, static_cast<double>(i)}});
    ASSERT_EQ(reader_.last(*series)->value, static_cast<double>(i));
    first_->close_timeline(*timeline);
  }
}

// A small file has room for 64 at least, of which two are open already.
// A timeline that is continued must not take back what has gone on elsewhere since.
TEST_P(RingOwners, AContinuedTimelineLeavesWhatHasMovedOn) {
  const TimelineRef left = *first_->open_timeline(7);
  const SeriesRef before = *first_->upsert(left, {{"__name__", "moved"}});
  scrape(*first_, left, 1000, {{before, 1}});
  first_->close_timeline(left);
  const TimelineRef other = *first_->open_timeline(8);
  const SeriesRef moved = *first_->upsert(other, {{"__name__", "moved"}});
  for (int t = 2; t <= 5; ++t) scrape(*first_, other, t * 1000, {{moved, t}});
  first_->close_timeline(other);
  const TimelineRef again = *first_->open_timeline(7);
  for (int t = 6; t <= 9; ++t) scrape(*first_, again, t * 1000, {});
  EXPECT_TRUE(
      agree(history(reader_, {{"__name__", "moved"}}), {{1000, 1}, {2000, 2}, {3000, 3}, {4000, 4}, {5000, 5}}));
  EXPECT_EQ(reader_.last(moved)->time_ms, 5000);
}

TEST_P(RingOwners, ManyTimelinesAreOpenAtOnce) {
  std::vector<TimelineRef> timelines;
  std::vector<SeriesRef> series;
  for (int i = 0; i < 60; ++i) {
    const auto timeline = first_->open_timeline(static_cast<std::uint64_t>(100 + i));
    ASSERT_TRUE(timeline) << "timeline " << i << ": " << timeline.error().message;
    timelines.push_back(*timeline);
    series.push_back(*first_->upsert(*timeline, {{"__name__", "up"}, {"i", std::to_string(i)}}));
  }
  for (int t = 1; t <= 20; ++t) {
    for (std::size_t i = 0; i < timelines.size(); ++i) {
      scrape(*first_, timelines[i], t * 1000 + static_cast<std::int64_t>(i), {{series[i], t / 7}});
    }
  }
  for (std::size_t i = 0; i < timelines.size(); ++i) {
    Samples wanted;
    for (int t = 1; t <= 20; ++t)
      wanted.push_back({t * 1000 + static_cast<std::int64_t>(i), static_cast<double>(t / 7)});
    ASSERT_TRUE(agree(read(reader_, series[i]), wanted)) << i;
  }
}

// A writer notes half of a scrape's number: what is absent, new or moved when the same half comes again has no sample
// yet.
TEST_P(RingOwners, AfterSixtyFiveThousandScrapesASampleIsNotTakenForASecondOne) {
  constexpr std::int64_t kRound = 1 << 16;
  const SeriesRef clock = *first_->upsert(one_, {{"__name__", "clock"}});
  const SeriesRef a = *first_->upsert(one_, a_);
  const TimelineRef three = *first_->open_timeline(3);
  const SeriesRef moved = *first_->upsert(three, {{"__name__", "moved"}});
  scrape(*first_, three, 500, {{moved, 7}});
  scrape(*first_, one_, 1000, {{clock, 1}, {a, 5}});
  for (std::int64_t t = 2; t <= kRound; ++t) scrape(*first_, one_, t * 1000, {{clock, 1}});
  const SeriesRef here = *first_->upsert(one_, {{"__name__", "moved"}});
  std::vector<SeriesRef> made;
  first_->begin(one_, (kRound + 1) * 1000);
  EXPECT_EQ(first_->append(clock, 1), AppendOutcome::kAppended);
  EXPECT_EQ(first_->append(a, 5), AppendOutcome::kAppended);
  EXPECT_EQ(first_->append(a, 5), AppendOutcome::kUnchanged);
  EXPECT_EQ(first_->append(a, 6), AppendOutcome::kDuplicate);
  EXPECT_EQ(first_->append(here, 7), AppendOutcome::kAppended);
  EXPECT_EQ(first_->append(here, 8), AppendOutcome::kDuplicate);
  first_->publish();
  const SeriesRef fresh = *first_->upsert(one_, {{"__name__", "fresh"}});
  first_->begin(one_, (kRound + 2) * 1000);
  EXPECT_EQ(first_->append(fresh, 0), AppendOutcome::kAppended);
  EXPECT_EQ(first_->append(fresh, 1), AppendOutcome::kDuplicate);
  first_->publish();
  EXPECT_TRUE(agree(history(reader_, a_), {{1000, 5}, {(kRound + 1) * 1000, 5}}));
  EXPECT_TRUE(agree(read(reader_, here), {{500, 7}, {(kRound + 1) * 1000, 7}}));
  EXPECT_TRUE(agree(read(reader_, fresh), {{(kRound + 2) * 1000, 0}}));
}

// The value before one that is no number stands nowhere but in the chunk.
TEST_P(RingOwners, ValuesGoOnAfterOneThatIsWrittenAsItIs) {
  const SeriesRef a = *first_->upsert(one_, a_);
  const double nan = std::bit_cast<double>(0x7ff8000000000001ULL);
  Samples wanted;
  std::int64_t now_ms = 0;
  const auto step = [&](std::optional<double> value) {
    now_ms += 1000;
    if (value) wanted.push_back({now_ms, *value});
    if (value) {
      scrape(*first_, one_, now_ms, {{a, *value}});
    } else {
      scrape(*first_, one_, now_ms, {});
    }
  };
  for (const double value : {10.0, 11.0, 12.0, nan, 13.0, nan, nan, -0.0, 14.0, 1e300, 15.0}) step(value);
  step(nan);
  step(std::nullopt);
  step(nan);  // the same as before the absence
  step(16.0);
  first_->close_timeline(one_);
  one_ = *first_->open_timeline(1);
  (void)first_->upsert(one_, a_);
  for (const double value : {nan, 17.0, 18.0}) step(value);
  EXPECT_TRUE(agree(history(reader_, a_), wanted));
}

}  // namespace
}  // namespace core::ring
