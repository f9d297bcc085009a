// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/series_cursors.h"

#include <gmock/gmock.h>

#include "collector/remote_write/write_request.h"

namespace collector::remote_write {
namespace {

using core::ring::SeriesRef;

class SeriesCursorsTest : public testing::Test {
 protected:
  SeriesRef make(const std::string& name) { return *appender_->upsert(timeline_, {{"__name__", name}}); }
  void sample(SeriesRef ref) {
    appender_->begin(timeline_, ++time_ms_);
    appender_->append(ref, 1);
    appender_->publish();
  }

  std::unique_ptr<core::ring::Ring> ring_ = core::ring::make_memory_ring();
  std::unique_ptr<core::ring::Appender> appender_ = ring_->make_appender();
  core::ring::TimelineRef timeline_ = *appender_->open_timeline(1);
  std::int64_t time_ms_ = 1000;
};

TEST_F(SeriesCursorsTest, WhatIsSavedComesBack) {
  for (int i = 0; i < 200; ++i) sample(make("m" + std::to_string(i)));
  SeriesCursors cursors(ring_->reader(), 500);
  cursors.refresh();
  ASSERT_EQ(cursors.series().size(), 200U);
  for (std::size_t i = 0; i < 200; ++i) {
    TrackedSeries& each = cursors.series()[i];
    EXPECT_EQ(each.sent_ms, 500);
    if (i % 3 == 0) continue;
    each.exact = true;
    each.sent_ms = 1'700'000'000'000 + (i % 5 == 0 ? -77'000'000 : static_cast<std::int64_t>(i / 50));
    each.ended = i % 7 == 0;
  }
  const std::string saved = cursors.save();
  SeriesCursors again(ring_->reader(), 500);
  ASSERT_TRUE(again.restore(saved));
  again.refresh();
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_EQ(again.series()[i].ref, cursors.series()[i].ref);
    EXPECT_EQ(again.series()[i].sent_ms, cursors.series()[i].sent_ms) << i;
    EXPECT_EQ(again.series()[i].exact, cursors.series()[i].exact);
    EXPECT_EQ(again.series()[i].ended, cursors.series()[i].ended);
  }
}

TEST_F(SeriesCursorsTest, ManySeriesOfOneTargetTakeLittleRoom) {
  for (int i = 0; i < 5000; ++i) make("m" + std::to_string(i));
  sample(make("m0"));
  SeriesCursors cursors(ring_->reader(), 0);
  cursors.refresh();
  for (TrackedSeries& each : cursors.series()) {
    each.exact = true;
    each.sent_ms = 1'700'000'000'000;
  }
  EXPECT_LT(cursors.save().size(), 2500U);
}

TEST_F(SeriesCursorsTest, DamagedBytesAreRefused) {
  for (int i = 0; i < 20; ++i) sample(make("m" + std::to_string(i)));
  SeriesCursors cursors(ring_->reader(), 0);
  cursors.refresh();
  for (TrackedSeries& each : cursors.series()) each.exact = true;
  const std::string bytes = *decompress(cursors.save(), 1 << 20);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    SeriesCursors other(ring_->reader(), 0);
    EXPECT_FALSE(other.restore(compress(bytes.substr(0, length)))) << length;
    EXPECT_TRUE(other.series().empty());
  }
  SeriesCursors other(ring_->reader(), 0);
  EXPECT_FALSE(other.restore("nonsense"));
  EXPECT_FALSE(other.restore(compress(bytes + "x")));
  EXPECT_TRUE(other.restore(compress(bytes)));
}

TEST_F(SeriesCursorsTest, AnotherRingIsNoticed) {
  for (int i = 0; i < 20; ++i) sample(make("m" + std::to_string(i)));
  SeriesCursors cursors(ring_->reader(), 0);
  cursors.refresh();
  for (TrackedSeries& each : cursors.series()) each.exact = true;
  const auto ring = core::ring::make_memory_ring();
  const auto appender = ring->make_appender();
  const auto timeline = *appender->open_timeline(1);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(appender->upsert(timeline, {{"__name__", "m" + std::to_string(i + 1)}}));
  }
  SeriesCursors other(ring->reader(), 0);
  EXPECT_FALSE(other.restore(cursors.save()));
}

}  // namespace
}  // namespace collector::remote_write
