// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/series_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/support/noting_ring.h"

namespace rules {
namespace {

using core::ring::Labels;
using core::ring::Sample;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Labels series(std::string instance) { return Labels{{"__name__", "m"}, {"instance", std::move(instance)}}; }

class SeriesWriting : public testing::Test {
 protected:
  // time:value of everything the ring has of a series; "stale" for a marker.
  std::vector<std::string> written(const Labels& labels) const {
    std::vector<std::string> texts;
    for (const auto& selected : ring_->reader().select({})) {
      if (*selected.labels != labels) continue;
      std::vector<Sample> samples;
      ring_->reader().read(selected.ref, 0, 1'000'000, samples);
      for (const Sample& sample : samples) {
        texts.push_back(std::to_string(sample.time_ms) + ":" +
                        (core::ring::is_stale(sample.value) ? "stale" : std::to_string(int(sample.value))));
      }
    }
    return texts;
  }

  std::unique_ptr<core::ring::Ring> ring_ = core::ring::make_memory_ring();
  SeriesWriter writer_{ring_->make_appender()};
  core::ring::TimelineRef timeline_ = *writer_.open_timeline();
  RuleSeries own_;
};

TEST_F(SeriesWriting, WhatIsNoLongerMadeGetsAStaleMarkerOnce) {
  const std::vector<SeriesSample> both = {{series("a"), 1}, {series("b"), 2}};
  const std::vector<SeriesSample> one = {{series("b"), 3}};
  EXPECT_EQ(writer_.write(timeline_, own_, both, 1000).dropped, 0U);
  EXPECT_EQ(writer_.write(timeline_, own_, one, 2000).dropped, 0U);
  EXPECT_EQ(writer_.write(timeline_, own_, one, 3000).dropped, 0U);
  EXPECT_THAT(written(series("a")), ElementsAre("1000:1", "2000:stale"));
  EXPECT_THAT(written(series("b")), ElementsAre("1000:2", "2000:3", "3000:3"));
  EXPECT_EQ(own_.size(), 1U);
}

TEST_F(SeriesWriting, ASeriesComesBackAfterItsMarker) {
  const std::vector<SeriesSample> one = {{series("a"), 1}};
  writer_.write(timeline_, own_, one, 1000);
  writer_.write(timeline_, own_, {}, 2000);
  writer_.write(timeline_, own_, one, 3000);
  EXPECT_THAT(written(series("a")), ElementsAre("1000:1", "2000:stale", "3000:1"));
}

TEST_F(SeriesWriting, RefusedSamplesAreDroppedAndTheOthersWritten) {
  writer_.write(timeline_, own_, std::vector<SeriesSample>{{series("a"), 1}}, 2000);
  const auto outcome =
      writer_.write(timeline_, own_, std::vector<SeriesSample>{{series("a"), 5}, {series("b"), 1}}, 2000);
  EXPECT_EQ(outcome.dropped, 1U);
  EXPECT_THAT(outcome.reason, HasSubstr("duplicate sample for timestamp"));
  EXPECT_THAT(written(series("b")), ElementsAre("2000:1"));
  const auto late = writer_.write(timeline_, own_, std::vector<SeriesSample>{{series("a"), 5}}, 1000);
  EXPECT_THAT(late.reason, HasSubstr("out of order sample"));
}

TEST_F(SeriesWriting, ASeriesBelongsToOneGroupAtATime) {
  const core::ring::TimelineRef other = *writer_.open_timeline();
  RuleSeries others;
  const std::vector<SeriesSample> one = {{series("a"), 1}};
  writer_.write(timeline_, own_, one, 1000);
  const auto outcome = writer_.write(other, others, one, 1500);
  EXPECT_EQ(outcome.dropped, 1U);
  EXPECT_THAT(outcome.reason, HasSubstr("another group"));
  writer_.write(timeline_, own_, {}, 2000);
  EXPECT_EQ(writer_.write(other, others, one, 2500).dropped, 0U);
  EXPECT_THAT(written(series("a")), ElementsAre("1000:1", "2000:stale", "2500:1"));
}

TEST(SeriesWriter, ATimelineKeepsItsIdentity) {
  test_support::NotingRing ring;
  SeriesWriter writer(ring.make_appender());
  ASSERT_TRUE(writer.open_timeline(42));
  ASSERT_TRUE(writer.open_timeline());
  EXPECT_THAT(ring.identities, ElementsAre(42, 0));
}

TEST(SeriesWriter, AFullRingIsSaidAndNotFatal) {
  const auto ring = core::ring::make_memory_ring({.max_series = 1});
  SeriesWriter writer(ring->make_appender());
  const auto timeline = writer.open_timeline();
  RuleSeries own;
  const auto outcome =
      writer.write(*timeline, own, std::vector<SeriesSample>{{series("a"), 1}, {series("b"), 1}}, 1000);
  EXPECT_EQ(outcome.dropped, 1U);
  EXPECT_THAT(outcome.reason, HasSubstr("the ring is full"));
}

}  // namespace
}  // namespace rules
