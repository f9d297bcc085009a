// SPDX-License-Identifier: Apache-2.0
// What a mapped ring keeps when its process ends, and what it says about how it was found.
#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <map>

#include "core/ring/mapped_ring.h"
#include "core/ring/ring_layout.h"
#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/value_families.h"

namespace core::ring {
namespace {

using ring_test::agree;
using ring_test::history;
using ring_test::open_or_abort;
using ring_test::scrape;
using Samples = std::vector<Sample>;

class RingRestart : public testing::Test {
 protected:
  // A process of its own would have a ring, an appender and a timeline.
  struct Life {
    std::unique_ptr<MappedRing> ring;
    std::unique_ptr<Appender> appender;
    TimelineRef timeline;

    SeriesRef series(const std::string& name) { return *appender->upsert(timeline, {{"__name__", name}}); }
  };

  Life live(const MappedRingOptions& options) {
    Life life{open_or_abort(options), nullptr, TimelineRef::kNone};
    life.appender = life.ring->make_appender();
    life.timeline = *life.appender->open_timeline(42);
    return life;
  }

  Life live() { return live(options_); }

  // The file as a process that is killed now would leave it.
  MappedRingOptions killed_now() {
    MappedRingOptions copy = options_;
    copy.path = folder_.file("killed" + std::to_string(copies_++));
    std::filesystem::copy_file(options_.path, copy.path);
    return copy;
  }

  static Samples of(const MappedRing& ring, const std::string& name) {
    return history(ring.reader(), {{"__name__", name}});
  }

  ring_test::RingFolder folder_;
  MappedRingOptions options_{.path = folder_.file(), .size_bytes = 8ULL << 20, .max_series = 3000, .boot_id = "first"};
  int copies_ = 0;
};

TEST_F(RingRestart, WhatWasPublishedIsThereAfterwards) {
  Samples wanted;
  for (int round = 0; round < 5; ++round) {
    Life life = live();
    EXPECT_EQ(life.ring->recovery().found, round == 0 ? FoundState::kNew : FoundState::kClean);
    EXPECT_EQ(life.ring->recovery().series, round == 0 ? 0U : 2U);
    EXPECT_TRUE(agree(of(*life.ring, "a"), wanted)) << "before the series is asked for";
    const SeriesRef a = life.series("a");
    const SeriesRef constant = life.series("constant");
    EXPECT_TRUE(agree(of(*life.ring, "a"), wanted)) << "after";
    for (int i = 0; i < 40; ++i) {
      wanted.push_back({(round * 100 + i) * 1000, round + i * 0.1});
      scrape(*life.appender, life.timeline, wanted.back().time_ms, {{a, wanted.back().value}, {constant, 9}});
    }
    EXPECT_TRUE(agree(of(*life.ring, "a"), wanted));
    EXPECT_EQ(of(*life.ring, "constant").size(), wanted.size());
    EXPECT_EQ(life.ring->problem(), "");
  }
  EXPECT_EQ(std::filesystem::file_size(options_.path), options_.size_bytes);
}

TEST_F(RingRestart, AScrapeThatWasBeingWrittenIsAbsent) {
  Life life = live();
  const SeriesRef a = life.series("a");
  const SeriesRef constant = life.series("constant");
  scrape(*life.appender, life.timeline, 1000, {{a, 1}, {constant, 9}});
  const MappedRingOptions before = killed_now();
  life.appender->begin(life.timeline, 2000);
  const MappedRingOptions begun = killed_now();
  life.appender->append(a, 2);
  life.appender->append(constant, 9);
  life.appender->append_at(life.series("late"), {1990, 1});
  const MappedRingOptions half = killed_now();
  life.appender->publish();
  const MappedRingOptions whole = killed_now();
  for (const MappedRingOptions& options : {before, begun, half}) {
    Life next = live(options);
    EXPECT_EQ(next.ring->recovery().found, FoundState::kKilled);
    EXPECT_TRUE(agree(of(*next.ring, "a"), {{1000, 1}}));
    EXPECT_TRUE(agree(of(*next.ring, "constant"), {{1000, 9}}));
    EXPECT_TRUE(of(*next.ring, "late").empty());
    // The same scrape again, with another value, and without one of the series.
    scrape(*next.appender, next.timeline, 2000, {{next.series("a"), 3}});
    scrape(*next.appender, next.timeline, 3000, {{next.series("a"), 3}, {next.series("constant"), 9}});
    EXPECT_TRUE(agree(of(*next.ring, "a"), {{1000, 1}, {2000, 3}, {3000, 3}}));
    EXPECT_TRUE(agree(of(*next.ring, "constant"), {{1000, 9}, {3000, 9}}));
  }
  const auto next = open_or_abort(whole);
  EXPECT_TRUE(agree(of(*next, "a"), {{1000, 1}, {2000, 2}}));
  EXPECT_TRUE(agree(of(*next, "constant"), {{1000, 9}, {2000, 9}}));
  EXPECT_TRUE(agree(of(*next, "late"), {{1990, 1}}));
}

// As if the process had ended after the newest scrape was counted, and before it was noted that its writing is over.
void mark_as_writing(const MappedRingOptions& options) {
  const RingGeometry geometry = *RingGeometry::make(options.size_bytes, options.max_series);
  std::string bytes = ring_test::file_bytes(options.path);
  bytes[geometry.timelines_at + offsetof(TimelineEntry, writing)] = 1;
  ring_test::write_bytes(options.path, bytes);
}

// A page holds the times of 1024 scrapes: whichever of them was the last one, what lies before it stays in reach.
// The first sample with a time of its own makes a series another kind. A kill may leave everything of that but the
// state, and either value beside it.
TEST_F(RingRestart, AnEntryThatWasHalfWrittenFollowsItsChunks) {
  Samples wanted;
  {
    Life life = live();
    const SeriesRef a = life.series("a");
    for (int n = 1; n <= 5; ++n) {
      scrape(*life.appender, life.timeline, n * 1000, {{a, 4}});
      wanted.push_back({n * 1000, 4});
    }
    life.appender->begin(life.timeline, 6000);
    ASSERT_EQ(life.appender->append_at(a, {5990, 9}), AppendOutcome::kAppended);
    life.appender->publish();
  }
  const RingGeometry geometry = *RingGeometry::make(options_.size_bytes, options_.max_series);
  for (const bool old_value : {true, false}) {
    const MappedRingOptions killed = killed_now();
    std::string bytes = ring_test::file_bytes(killed.path);
    auto& superblock = *reinterpret_cast<Superblock*>(bytes.data());
    auto& entry = *reinterpret_cast<SeriesEntry*>(bytes.data() + geometry.series_at);
    auto& timeline = *reinterpret_cast<TimelineEntry*>(bytes.data() + geometry.timelines_at);
    ASSERT_EQ(state_of(entry.labels.load()), SeriesState::kTimed);
    ASSERT_EQ(timeline.identity.load(), 42U);
    superblock.clean.store(0);
    entry.labels.store(pack_labels(set_of(entry.labels.load()), 0, SeriesState::kPresent));
    if (old_value) entry.last.store(std::bit_cast<std::uint64_t>(4.0));
    timeline.count.store(timeline.count.load() - 1);
    timeline.writing.store(1);
    ring_test::write_bytes(killed.path, bytes);
    Life next = live(killed);
    EXPECT_EQ(next.ring->recovery().found, FoundState::kKilled);
    EXPECT_TRUE(agree(of(*next.ring, "a"), wanted));
    const SeriesRef a = next.series("a");
    EXPECT_EQ(next.ring->reader().last(a)->value, 4);
    scrape(*next.appender, next.timeline, 7000, {{a, 9}});
    Samples after = wanted;
    after.push_back({7000, 9});
    EXPECT_TRUE(agree(of(*next.ring, "a"), after)) << (old_value ? "the old value" : "the new one");
  }
}

TEST_F(RingRestart, AKillMayFallBetweenAnyTwoScrapes) {
  Life life = live();
  const SeriesRef a = life.series("a");
  const SeriesRef constant = life.series("constant");
  Samples wanted;
  for (std::int64_t n = 1; n <= 2060; ++n) {
    wanted.push_back({n * 1000, static_cast<double>(n)});
    scrape(*life.appender, life.timeline, n * 1000, {{a, n}, {constant, 1}});
    if (n % 1024 > 3 && n % 1024 < 1021 && n % 100 != 0) continue;
    const MappedRingOptions killed = killed_now();
    if (n % 1024 == 0 || n % 2 == 1) mark_as_writing(killed);
    {
      Life next = live(killed);
      EXPECT_TRUE(agree(of(*next.ring, "a"), wanted)) << n;
      const SeriesRef again = next.series("a");
      const SeriesRef constant_again = next.series("constant");
      for (std::int64_t later = n + 2; later <= n + 4; ++later) {
        scrape(*next.appender, next.timeline, later * 1000, {{again, later}, {constant_again, 1}});
      }
      Samples longer = wanted;
      for (std::int64_t later = n + 2; later <= n + 4; ++later)
        longer.push_back({later * 1000, static_cast<double>(later)});
      ASSERT_TRUE(agree(of(*next.ring, "a"), longer)) << "killed after " << n << " scrapes";
      ASSERT_EQ(of(*next.ring, "constant").size(), longer.size()) << "killed after " << n << " scrapes";
      ASSERT_EQ(next.ring->reader().usage().oldest_ms, 1000) << "killed after " << n << " scrapes";
    }
    std::filesystem::remove(killed.path);
  }
}

// After a reboot every byte is checked: what was written is always right, whichever scrape was the last one.
TEST_F(RingRestart, ARebootMayFallBetweenAnyTwoScrapes) {
  Life life = live();
  const std::vector<std::string> names = {"a", "constant", "bits", "late", "late_bits", "gaps", "mixed"};
  std::map<std::string, Samples> wanted;
  for (std::int64_t n = 1; n <= 120; ++n) {
    life.appender->begin(life.timeline, n * 1000);
    const auto add = [&](const std::string& name, double value, std::int64_t early_ms) {
      wanted[name].push_back({n * 1000 - early_ms, value});
      ASSERT_EQ(life.appender->append_at(life.series(name), wanted[name].back()), AppendOutcome::kAppended);
    };
    const double bits = std::bit_cast<double>(ring_test::Random::mix(static_cast<std::uint64_t>(n)));
    add("a", static_cast<double>(n), 0);
    add("constant", 1, 0);
    add("bits", bits, 0);
    add("late", static_cast<double>(n / 7), 20 + n % 3);
    add("late_bits", bits, 20);
    if (n % 5 < 3) add("gaps", static_cast<double>(n / 4), 0);
    add("mixed", static_cast<double>(n), n % 20 < 10 ? 0 : 7);
    life.appender->publish();
    MappedRingOptions rebooted = killed_now();
    rebooted.boot_id = "second";
    {
      const auto ring = open_or_abort(rebooted);
      EXPECT_EQ(ring->recovery().series_dropped, 0U) << "after " << n << " scrapes";
      EXPECT_EQ(ring->recovery().chunks_dropped, 0U) << "after " << n << " scrapes";
      EXPECT_EQ(ring->recovery().times_dropped, 0U) << "after " << n << " scrapes";
      for (const std::string& name : names) {
        ASSERT_TRUE(agree(of(*ring, name), wanted[name])) << name << " after " << n << " scrapes";
      }
    }
    std::filesystem::remove(rebooted.path);
  }
}

TEST_F(RingRestart, TheFileSaysHowItWasLeft) {
  Life life = live();
  scrape(*life.appender, life.timeline, 1000, {{life.series("a"), 1}});
  MappedRingOptions killed = killed_now();
  MappedRingOptions rebooted = killed_now();
  rebooted.boot_id = "second";
  EXPECT_EQ(open_or_abort(killed)->recovery().found, FoundState::kKilled);
  EXPECT_EQ(open_or_abort(killed)->recovery().found, FoundState::kClean);
  killed.boot_id = "second";
  EXPECT_EQ(open_or_abort(killed)->recovery().found, FoundState::kRebooted);
  EXPECT_EQ(open_or_abort(killed)->recovery().found, FoundState::kClean);
  const auto after_boot = open_or_abort(rebooted);
  EXPECT_EQ(after_boot->recovery().found, FoundState::kRebooted);
  EXPECT_TRUE(agree(of(*after_boot, "a"), {{1000, 1}}));
  EXPECT_EQ(after_boot->recovery().series, 1U);
  EXPECT_EQ(after_boot->recovery().series_dropped, 0U);
  EXPECT_EQ(after_boot->recovery().chunks_dropped, 0U);
  EXPECT_EQ(after_boot->recovery().times_dropped, 0U);
  for (const FoundState state :
       {FoundState::kNew, FoundState::kClean, FoundState::kKilled, FoundState::kRebooted, FoundState::kMigrated}) {
    EXPECT_NE(to_string(state), "");
  }
}

TEST_F(RingRestart, TheKernelsBootIdIsTakenWhereNoneIsGiven) {
  options_.boot_id.clear();
  (void)open_or_abort(options_);
  EXPECT_EQ(open_or_abort(options_)->recovery().found, FoundState::kClean);
}

TEST_F(RingRestart, AnotherSizeTakesOverWhatFits) {
  std::vector<Samples> wanted(40);
  {
    Life life = live();
    std::vector<ring_test::ValueSource> sources;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      sources.emplace_back(static_cast<ring_test::Family>(i % ring_test::kFamilies), i);
    }
    for (std::int64_t t = 1; t <= 5000; ++t) {
      life.appender->begin(life.timeline, t * 1000);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (static_cast<std::int64_t>(i) % 10 == 3 && t % 4 == 0) continue;
        wanted[i].push_back({t * 1000 - (i % 10 == 5 ? 17 : 0), sources[i].next()});
        ASSERT_EQ(life.appender->append_at(life.series("s" + std::to_string(i)), wanted[i].back()),
                  AppendOutcome::kAppended);
      }
      life.appender->publish();
    }
  }
  // Larger, with more series; smaller, to where not everything fits; the size it has.
  struct Step {
    std::uint64_t size_bytes;
    std::uint64_t max_series;
    FoundState found;
    bool everything;
  };
  for (const Step& step :
       {Step{16ULL << 20, 6000, FoundState::kMigrated, true}, Step{8ULL << 20, 1000, FoundState::kMigrated, true},
        Step{8ULL << 20, 1000, FoundState::kClean, true},
        Step{kLeastMappedRingBytes, 64, FoundState::kMigrated, false}}) {
    options_.size_bytes = step.size_bytes;
    options_.max_series = step.max_series;
    const auto ring = open_or_abort(options_);
    EXPECT_EQ(ring->recovery().found, step.found) << to_string(ring->recovery().found);
    EXPECT_EQ(ring->recovery().series, wanted.size());
    EXPECT_EQ(std::filesystem::file_size(options_.path), step.size_bytes);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const Samples kept = of(*ring, "s" + std::to_string(i));
      if (step.everything) {
        ASSERT_TRUE(agree(kept, wanted[i])) << i << " at " << step.size_bytes;
      } else {
        ASSERT_GE(kept.size(), 500U) << i;
        ASSERT_LE(kept.size(), wanted[i].size()) << i;
        ASSERT_TRUE(agree(kept, {wanted[i].end() - static_cast<std::ptrdiff_t>(kept.size()), wanted[i].end()})) << i;
      }
    }
  }
  // Nothing is left over beside the ring.
  const auto files = std::distance(std::filesystem::directory_iterator(folder_.path()), {});
  EXPECT_EQ(files, 1) << "a migration leaves no other file";
}

TEST_F(RingRestart, AMigratedRingGoesOn) {
  {
    Life life = live();
    const SeriesRef a = life.series("a");
    for (std::int64_t t = 1; t <= 100; ++t) scrape(*life.appender, life.timeline, t * 1000, {{a, 7}});
  }
  options_.size_bytes *= 2;
  Life life = live();
  const SeriesRef a = life.series("a");
  life.appender->begin(life.timeline, 100'000);
  EXPECT_EQ(life.appender->append(a, 7), AppendOutcome::kUnchanged);
  EXPECT_EQ(life.appender->append(a, 8), AppendOutcome::kDuplicate);
  life.appender->publish();
  scrape(*life.appender, life.timeline, 200'000, {{a, 7}});
  const Samples samples = of(*life.ring, "a");
  EXPECT_EQ(samples.size(), 101U);
  EXPECT_EQ(samples.back().time_ms, 200'000);
}

// A series that changed hands has its chunks where each of its writers put them, in no order of their places.
TEST_F(RingRestart, AMigrationTakesOverSeriesThatChangedHands) {
  Samples wanted;
  Samples constant;
  {
    Life life = live();
    const auto other = life.ring->make_appender();
    const TimelineRef others = *other->open_timeline(43);
    for (std::int64_t n = 1; n <= 400; ++n) {
      Appender& by = n / 20 % 2 == 0 ? *life.appender : *other;
      const TimelineRef timeline = n / 20 % 2 == 0 ? life.timeline : others;
      wanted.push_back({n * 1000, std::bit_cast<double>(ring_test::Random::mix(static_cast<std::uint64_t>(n)))});
      constant.push_back({n * 1000, static_cast<double>(n / 150)});
      const SeriesRef a = *by.upsert(timeline, {{"__name__", "a"}});
      const SeriesRef b = *by.upsert(timeline, {{"__name__", "constant"}});
      scrape(by, timeline, n * 1000, {{a, wanted.back().value}, {b, constant.back().value}});
    }
    ASSERT_TRUE(agree(of(*life.ring, "a"), wanted));
  }
  options_.size_bytes *= 2;
  const auto ring = open_or_abort(options_);
  EXPECT_EQ(ring->recovery().found, FoundState::kMigrated);
  EXPECT_TRUE(agree(of(*ring, "a"), wanted));
  EXPECT_TRUE(agree(of(*ring, "constant"), constant));
}

TEST_F(RingRestart, TimesKeepTheirOrderOverARestart) {
  {
    Life life = live();
    scrape(*life.appender, life.timeline, 5000, {{life.series("a"), 1}});
  }
  Life life = live();
  const SeriesRef a = life.series("a");
  life.appender->begin(life.timeline, 5000);
  EXPECT_EQ(life.appender->append_at(a, {4000, 1}), AppendOutcome::kOutOfOrder);
  EXPECT_EQ(life.appender->append(a, 1), AppendOutcome::kUnchanged);
  EXPECT_EQ(life.appender->append(a, 2), AppendOutcome::kDuplicate);
  life.appender->publish();
  EXPECT_TRUE(agree(of(*life.ring, "a"), {{5000, 1}}));
}

// A hundred restarts with a constant: its timeline and its run go on, and nothing is used up.
TEST_F(RingRestart, RestartsUseNothingUp) {
  Samples wanted;
  std::uint64_t bytes = 0;
  for (int round = 0; round < 300; ++round) {
    Life life = live();
    const SeriesRef a = life.series("a");
    wanted.push_back({round * 1000, 1});
    scrape(*life.appender, life.timeline, round * 1000, {{a, 1}});
    ASSERT_EQ(of(*life.ring, "a").size(), wanted.size()) << "round " << round;
    const std::uint64_t used = life.ring->reader().usage().bytes;
    if (round == 10) bytes = used;
    if (round > 10) {
      ASSERT_LE(used, bytes + 64 * 1024) << "round " << round;
    }
  }
  EXPECT_TRUE(agree(of(*open_or_abort(options_), "a"), wanted));
}

TEST_F(RingRestart, TheUsageStaysWithinWhatWasPromised) {
  Life life = live();
  const RingUsage usage = life.ring->reader().usage();
  EXPECT_GE(mapped_ring_bytes_max(options_), options_.size_bytes);
  EXPECT_LE(usage.bytes_limit, mapped_ring_bytes_max(options_));
  EXPECT_LE(usage.bytes, usage.bytes_limit);
  EXPECT_GE(usage.series_limit, options_.max_series);
}

}  // namespace
}  // namespace core::ring
