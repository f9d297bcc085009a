// SPDX-License-Identifier: Apache-2.0
// What a mapped ring never exceeds, whatever is thrown at it.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <fstream>

#include "core/ring/mapped_ring.h"
#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

using ring_test::Random;
using ring_test::scrape;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // shadow memory is resident too
#else
constexpr bool kSanitized = false;
#endif

// Beside the ring, of which mapped_ring_bytes_max() speaks: what the test itself holds, and the allocator's slack.
constexpr std::uint64_t kOwnBytes = 12ULL << 20;
constexpr std::int64_t kStepMs = 15'000;

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// As series have them: a few labels that many share, one that tells them apart.
Labels labels_of(const std::string& name, std::uint64_t i) {
  return {{"__name__", name},
          {"id", std::to_string(i)},
          {"instance", "host-" + std::to_string(i % 10) + ".example.org:9100"},
          {"job", "thrown"}};
}

// Some exporters put whole paths and sentences into labels: what they use up is bytes of labels, not numbers of series.
Labels long_labels(const std::string& name, std::uint64_t i) {
  return labels_of(name, i).with("path", "/a/path/that/is/as/long/as/paths/get/" + std::to_string(Random::mix(i)));
}

class RingBounds : public testing::Test {
 protected:
  void expect_bounded() const {
    const RingUsage usage = ring_->reader().usage();
    EXPECT_LE(usage.bytes, usage.bytes_limit);
    EXPECT_LE(usage.series, usage.series_limit);
    EXPECT_EQ(usage.series_refused, refused_);
    const std::uint64_t resident = resident_bytes();
    if (!kSanitized) {
      EXPECT_LE(resident, resident_before_ + mapped_ring_bytes_max(options_) + kOwnBytes)
          << resident_before_ << " before, and a ring may take " << mapped_ring_bytes_max(options_);
    }
  }

  // The series, or none if it was refused.
  std::optional<SeriesRef> upsert(const Labels& labels) {
    const auto made = appender_->upsert(timeline_, labels);
    if (made) return *made;
    EXPECT_EQ(made.error().code, Errc::kLimitExceeded) << made.error().message;
    ++refused_;
    return std::nullopt;
  }

  ring_test::RingFolder folder_;
  MappedRingOptions options_{.path = folder_.file(), .size_bytes = 8ULL << 20, .max_series = 3000, .boot_id = "b"};
  std::uint64_t resident_before_ = resident_bytes();
  std::unique_ptr<MappedRing> ring_ = ring_test::open_or_abort(options_);
  std::unique_ptr<Appender> appender_ = ring_->make_appender();
  TimelineRef timeline_ = *appender_->open_timeline(1);
  std::uint64_t refused_ = 0;
};

TEST_F(RingBounds, ThreeTimesTheSeriesAreRefusedPastTheFirst) {
  const std::uint64_t limit = ring_->reader().usage().series_limit;
  ASSERT_LE(limit, 2 * options_.max_series);
  std::vector<std::pair<SeriesRef, double>> values;
  std::int64_t now_ms = 1'700'000'000'000;
  for (std::uint64_t i = 0; i < 3 * limit; ++i) {
    if (const auto made = upsert(labels_of("thrown", i))) values.emplace_back(*made, static_cast<double>(i));
    if (i % 500 == 0) scrape(*appender_, timeline_, now_ms += kStepMs, values);
  }
  EXPECT_EQ(values.size(), limit);
  EXPECT_EQ(refused_, 2 * limit);
  // And then the lives of those that were taken: values that do not compress, for as long as it takes to overwrite.
  Random random(ring_test::test_seed());
  for (int i = 0; i < 400; ++i) {
    for (auto& [series, value] : values) value = std::bit_cast<double>(random.bits());
    scrape(*appender_, timeline_, now_ms += kStepMs, values);
    if (i % 100 == 0) expect_bounded();
  }
  expect_bounded();
  for (const auto& [series, value] : values) {
    ASSERT_TRUE(ring_->reader().last(series)) << "a live series was lost";
    ASSERT_TRUE(same_bits(ring_->reader().last(series)->value, value));
  }
  EXPECT_EQ(ring_->reader().select({}).size(), limit);
  expect_bounded();
}

// How long samples stay must not depend on how often their series changes.
// Targets come one after another when an agent starts, and each makes postings anew: what is not read any more goes.
TEST(RingIndexMemory, OfPostingsOnlyTheNewestAreKept) {
  if (kSanitized) GTEST_SKIP() << "mallinfo2() says nothing of a sanitizer's allocator";
  constexpr std::uint64_t kSeries = 40'000;
  const ring_test::RingFolder folder;
  const auto ring = ring_test::open_or_abort(
      {.path = folder.file(), .size_bytes = 32ULL << 20, .max_series = 2 * kSeries, .boot_id = "b"});
  const auto appender = ring->make_appender();
  const TimelineRef timeline = *appender->open_timeline(1);
  const std::size_t before = mallinfo2().uordblks;
  std::int64_t now_ms = 1'700'000'000'000;
  for (std::uint64_t i = 0; i < kSeries; ++i) {
    ASSERT_TRUE(appender->upsert(timeline, labels_of("came", i)));
    if (i % 400 == 399) scrape(*appender, timeline, now_ms += kStepMs, {});
  }
  for (int i = 0; i < 4; ++i) scrape(*appender, timeline, now_ms += kStepMs, {});
  const std::size_t taken = mallinfo2().uordblks - before;
  // What mapped_ring_bytes_max() allows for beside the writers.
  EXPECT_LE(taken, kSeries * (19 + 4 + 32)) << taken / kSeries << " bytes a series";
}

TEST_F(RingBounds, WhatASeldomChangingSeriesHadStaysForHalfARound) {
  constexpr std::int64_t kBeginMs = 1'700'000'000'000;
  Random random(ring_test::test_seed());
  std::vector<std::pair<SeriesRef, double>> values;
  for (std::uint64_t i = 0; i < 200; ++i) values.emplace_back(*upsert(labels_of("busy", i)), 0);
  // One that changes some ten times a round, and others that do less often.
  constexpr std::array<std::int64_t, 4> kEvery = {11, 37, 101, 149};
  for (std::uint64_t i = 0; i < kEvery.size(); ++i) values.emplace_back(*upsert(labels_of("seldom", i)), 0);
  const auto value_at = [&](std::int64_t scrape_number, std::size_t i) {
    return static_cast<double>(scrape_number / kEvery[i]);
  };
  std::int64_t round = 0;  // scrapes that fill the ring once
  std::vector<Sample> shown;
  for (std::int64_t n = 0; round == 0 || n < 4 * round; ++n) {
    for (auto& [series, value] : values) value = std::bit_cast<double>(random.bits());
    for (std::size_t i = 0; i < kEvery.size(); ++i) values[200 + i].second = value_at(n, i);
    scrape(*appender_, timeline_, kBeginMs + n * kStepMs, values);
    const std::int64_t oldest = (ring_->reader().usage().oldest_ms - kBeginMs) / kStepMs;
    if (round == 0 && oldest > 0) round = n;
    if (round == 0 || n % 13 != 0) continue;
    // A little less than a half: the last segments of a round are shared with what came after.
    const std::int64_t surely = n - round * 45 / 100;
    for (std::size_t i = 0; i < kEvery.size(); ++i) {
      ring_->reader().read(values[200 + i].first, kBeginMs + surely * kStepMs, kBeginMs + n * kStepMs, shown);
      ASSERT_EQ(shown.size(), static_cast<std::size_t>(n - surely + 1)) << "every " << kEvery[i] << ", scrape " << n;
      for (std::size_t at = 0; at < shown.size(); ++at) {
        ASSERT_EQ(shown[at].value, value_at(surely + static_cast<std::int64_t>(at), i));
      }
    }
  }
}

struct Churn {
  bool stale_markers;  // at the end of a series; otherwise it is just not there any more
  bool long_labels;
};

class RingChurn : public RingBounds, public testing::WithParamInterface<Churn> {
 protected:
  static constexpr std::size_t kSteady = 50;
  static constexpr std::size_t kNewEachScrape = 250;

  void SetUp() override {
    for (std::size_t i = 0; i < kSteady; ++i) steady_.push_back(*upsert(labels("steady", i)));
  }

  static Labels labels(const std::string& name, std::uint64_t i) {
    return GetParam().long_labels ? long_labels(name, i) : labels_of(name, i);
  }

  // A scrape with the series that stay, and `fresh` that were never there before and are gone with the next.
  void churn(std::size_t fresh) {
    now_ms_ += kStepMs;
    appender_->begin(timeline_, now_ms_);
    for (std::size_t i = 0; i < kSteady; ++i) {
      ASSERT_EQ(appender_->append(steady_[i], i % 2 == 0 ? 1.0 : static_cast<double>(now_ms_)),
                AppendOutcome::kAppended)
          << "a live series was given up";
    }
    if (GetParam().stale_markers) {
      for (const SeriesRef ended : passing_) appender_->append(ended, stale_marker());
    }
    passing_.clear();
    for (std::size_t i = 0; i < fresh; ++i) {
      const auto made = upsert(labels("passing", ++made_));
      if (!made) continue;
      EXPECT_EQ(appender_->append(*made, static_cast<double>(i)), AppendOutcome::kAppended);
      passing_.push_back(*made);
    }
    appender_->publish();
    ++scrapes_;
  }

  std::vector<SeriesRef> steady_;
  std::vector<SeriesRef> passing_;
  std::uint64_t made_ = 0;
  std::size_t scrapes_ = 0;
  std::int64_t now_ms_ = 1'700'000'000'000;
};

INSTANTIATE_TEST_SUITE_P(Kinds, RingChurn,
                         testing::Values(Churn{true, false}, Churn{false, false}, Churn{true, true},
                                         Churn{false, true}),
                         [](const auto& each) {
                           return std::string(each.param.stale_markers ? "StaleMarkers" : "Absence") +
                                  (each.param.long_labels ? "LongLabels" : "");
                         });

TEST_P(RingChurn, IsRefusedWhileItLastsAndForgottenAfterwards) {
  for (int i = 0; i < 240; ++i) {
    churn(kNewEachScrape);
    if (i % 40 == 0) expect_bounded();
  }
  // 250 new ones in 15 s are 10,000 in the ten minutes for which an ended series is kept.
  EXPECT_GT(refused_, 0U);
  EXPECT_LT(refused_, made_) << "some find room as others are given up";
  EXPECT_GT(ring_->reader().usage().series_reclaimed, 0U);
  expect_bounded();
  // Quiet for a quarter of an hour: there is room again for a third of all there may be.
  for (int i = 0; i < 60; ++i) churn(0);
  const std::uint64_t refused = refused_;
  const std::size_t third = options_.max_series / 3;
  churn(third);
  churn(0);
  EXPECT_EQ(refused_, refused) << "of " << third << " new series";
  expect_bounded();
  for (std::size_t i = 0; i < kSteady; ++i) {
    const std::vector<Sample> samples = ring_test::history(ring_->reader(), labels("steady", i));
    ASSERT_EQ(samples.size(), scrapes_) << "what stayed is whole: it all fits";
    ASSERT_EQ(samples.back().time_ms, now_ms_);
  }
}

}  // namespace
}  // namespace core::ring
