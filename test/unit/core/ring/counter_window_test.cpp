// SPDX-License-Identifier: Apache-2.0
// Windows of counters that fall now and then, at the seams of chunks as well as within them, against their samples.
#include <gtest/gtest.h>

#include <cstring>

#include "core/ring/mapped_ring.h"
#include "core/ring/ring_state.h"
#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

using ring_test::Random;

constexpr std::int64_t kStepMs = 5000;

Labels labels_of(std::uint64_t i) { return {{"__name__", "falls_total"}, {"i", std::to_string(i)}}; }

class CounterWindows : public testing::Test {
 protected:
  // A counter that begins anew, a sample that is missing, a stale marker, a NaN: each in some hundred scrapes.
  double next(double before) {
    if (random_.one_in(120)) return static_cast<double>(random_.below(10));
    if (random_.one_in(900)) return std::numeric_limits<double>::quiet_NaN();
    if (random_.one_in(900)) return stale_marker();
    if (std::isnan(before)) return 0;
    return before + static_cast<double>(random_.one_in(3) ? 0 : random_.below(1000));
  }

  void fill(std::size_t series, std::size_t scrapes) {
    std::vector<double> values(series, 0);
    for (std::size_t i = 0; i < series; ++i) refs_.push_back(*appender_->upsert(timeline_, labels_of(i)));
    for (std::size_t n = 1; n <= scrapes; ++n) {
      appender_->begin(timeline_, static_cast<std::int64_t>(n) * kStepMs);
      for (std::size_t i = 0; i < series; ++i) {
        values[i] = next(values[i]);
        if (!random_.one_in(700)) appender_->append(refs_[i], values[i]);
      }
      appender_->publish();
    }
  }

  Random random_{ring_test::test_seed()};
  ring_test::RingFolder folder_;
  MappedRingOptions options_{.path = folder_.file(), .size_bytes = 16ULL << 20, .max_series = 1000, .boot_id = "b"};
  std::unique_ptr<MappedRing> ring_ = ring_test::open_or_abort(options_);
  std::unique_ptr<Appender> appender_ = ring_->make_appender();
  TimelineRef timeline_ = *appender_->open_timeline(1);
  std::vector<SeriesRef> refs_;
};

TEST_F(CounterWindows, SayWhatTheSamplesSay) {
  constexpr std::int64_t kScrapes = 1200;
  fill(400, kScrapes);
  std::vector<CounterWindow> windows;
  std::size_t fell = 0;
  for (int round = 0; round < 60; ++round) {
    // Mostly up to the newest, as rules ask.
    const std::int64_t to_ms = kStepMs * (random_.one_in(3) ? random_.between(1, kScrapes) : kScrapes);
    const std::int64_t from_ms = to_ms - random_.between(0, 90 * kStepMs);
    ring_->reader().counter_windows(refs_, from_ms, to_ms, windows);
    ASSERT_EQ(windows.size(), refs_.size());
    for (std::size_t i = 0; i < refs_.size(); ++i) {
      const std::vector<Sample> samples = ring_test::read(ring_->reader(), refs_[i], from_ms, to_ms);
      const CounterWindow wanted = ring_test::fold(samples);
      fell += wanted.lost_to_resets > 0 ? 1U : 0U;
      ASSERT_TRUE(ring_test::agree(windows[i], wanted)) << "series " << i << " in [" << from_ms << ", " << to_ms << "]";
      ASSERT_TRUE(ring_test::agree(ring_->reader().counter_window(refs_[i], from_ms, to_ms), wanted));
    }
  }
  EXPECT_GT(fell, 1000U);
}

// A chunk whose head does not say that a value falls in it, though one does, is not what was written.
TEST_F(CounterWindows, AFallThatTheDiskLostIsDamage) {
  const SeriesRef series = *appender_->upsert(timeline_, labels_of(0));
  for (const double value : {5.0, 9.0, 3.0, 4.0}) {
    appender_->begin(timeline_, static_cast<std::int64_t>(refs_.size() + 1) * kStepMs);
    refs_.push_back(series);
    appender_->append(series, value);
    appender_->publish();
  }
  const auto wanted = ring_test::read(ring_->reader(), series);
  ASSERT_EQ(ring_->reader().counter_window(series, ring_test::kEarliest, ring_test::kLatest).lost_to_resets, 9);
  appender_.reset();
  ring_.reset();
  const RingGeometry geometry = *RingGeometry::make(options_.size_bytes, options_.max_series);
  std::string bytes = ring_test::file_bytes(options_.path);
  std::size_t cleared = 0;
  for (std::uint32_t slot = 0; slot < geometry.slots(); ++slot) {
    std::uint64_t word = 0;
    char* const at = bytes.data() + geometry.slots_at + slot * kSlotBytes;
    std::memcpy(&word, at, sizeof(word));
    ChunkHead head = ChunkHead::unpack(word);
    if (!std::exchange(head.uneven, false)) continue;
    ++cleared;
    word = head.pack();
    std::memcpy(at, &word, sizeof(word));
  }
  ASSERT_EQ(cleared, 1U);
  ring_test::write_bytes(options_.path, bytes);
  options_.boot_id = "another";
  ring_ = ring_test::open_or_abort(options_);
  EXPECT_EQ(ring_->recovery().chunks_dropped, 1U);
  const auto left = ring_test::find(ring_->reader(), labels_of(0));
  ASSERT_TRUE(left);
  // Of what was there only the run in the entry is left.
  EXPECT_TRUE(ring_test::agree(ring_test::read(ring_->reader(), *left), {wanted.back()}));
}

}  // namespace
}  // namespace core::ring
