// SPDX-License-Identifier: Apache-2.0
// Scrape times beside a plain model of them. RING_SEED=<seed> repeats a run.
#include "core/ring/timelines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

using ring_test::Random;

// Offsets in a page reach less than 25 days.
constexpr std::int64_t kBeyondAPage = 25LL * 24 * 3600 * 1000;

// The timelines of a file that is not there: only memory.
//
// Thread safety: confined to one thread.
class File {
 public:
  File() : geometry(*RingGeometry::make(4 << 20, 1000)), words_(geometry.segment_times_at / 8) { reopen(); }
  Timelines& operator*() { return *timelines_; }
  Timelines* operator->() { return timelines_.get(); }
  // As another process finds it.
  void reopen() {
    load();
    timelines_->adopt(Timelines::Extent::kUsed);
  }
  // As a process finds it after the machine was started anew. The pages dropped.
  std::uint64_t reopen_checked() {
    load();
    const std::uint64_t dropped = timelines_->verify();
    timelines_->adopt(Timelines::Extent::kUsed);
    return dropped;
  }

  // What a disk that lost a block has of a timeline.
  void wipe(TimelineNumber number) {
    const auto at = static_cast<std::ptrdiff_t>((geometry.timelines_at + number * sizeof(TimelineEntry)) / 8);
    std::fill_n(words_.begin() + at, sizeof(TimelineEntry) / 8, 0);
  }

  const RingGeometry geometry;

 private:
  void load() {
    auto* const bytes = reinterpret_cast<std::byte*>(words_.data());
    timelines_ = std::make_unique<Timelines>(bytes, geometry, *reinterpret_cast<Superblock*>(bytes));
  }

  std::vector<std::uint64_t> words_;
  std::unique_ptr<Timelines> timelines_;
};

// One timeline's writer, and what it should say.
struct Model {
  TimelineNumber number = 0;
  std::uint32_t next = 0;
  std::uint32_t least = 0;
  std::int64_t newest_ms = 0;
  std::map<std::uint32_t, std::optional<std::int64_t>> times;  // none: burnt
};

void add_scrape(File& file, Model& model, std::int64_t time_ms, bool burnt = false) {
  const std::uint32_t index = file->begin(model.number, model.next, time_ms);
  ASSERT_GE(index, model.next);
  if (burnt) {
    file->burn(model.number, index);
  } else {
    file->publish(model.number, index);
    model.newest_ms = time_ms;
  }
  model.times[index] = burnt ? std::nullopt : std::optional(time_ms);
  model.next = index + 1;
}

Model open(File& file, std::uint64_t identity = 0) {
  const auto opened = file->open(identity);
  EXPECT_TRUE(opened.has_value());
  Model model;
  model.number = opened->number;
  model.next = model.least = opened->next;
  return model;
}

// Every page that is left, from the newest one back to the first that is not.
void check_timeline(File& file, const Model& model, Random& random) {
  const std::uint32_t count = file->count(model.number);
  ASSERT_EQ(count, model.next);
  std::map<std::uint32_t, std::int64_t> left;
  bool broken = false;
  for (std::uint32_t index = count; index-- > model.least;) {
    broken = broken || !file->page_of(model.number, index).has_value();
    const auto known = model.times.find(index);
    const auto wanted = known == model.times.end() ? std::nullopt : known->second;
    const auto got = file->time_of(model.number, index);
    if (got) {
      ASSERT_EQ(got, wanted) << index;
    }
    if (broken || !wanted) continue;
    ASSERT_TRUE(got.has_value()) << index;
    left[index] = *got;
  }
  const auto newest = file->newest_before(model.number, count);
  if (!left.empty() && count - left.rbegin()->first < kTimesPerPage) {
    ASSERT_TRUE(newest.has_value());
    ASSERT_EQ(newest->index, left.rbegin()->first);
    ASSERT_EQ(newest->time_ms, left.rbegin()->second);
  }
  for (int window = 0; window < 30; ++window) {
    const std::int64_t middle =
        left.empty() ? 0 : std::next(left.begin(), static_cast<long>(random.below(left.size())))->second;
    const std::int64_t from_ms = random.one_in(6) ? ring_test::kEarliest : middle - random.between(-2, 40'000);
    const std::int64_t to_ms = random.one_in(6) ? ring_test::kLatest : middle + random.between(-2, 40'000);
    const ScrapeRange range = file->find(model.number, count, from_ms, to_ms);
    std::vector<std::uint32_t> got;
    for (std::int64_t index = range.first; index <= range.last; ++index) {
      ASSERT_TRUE(file->page_of(model.number, static_cast<std::uint32_t>(index)).has_value());
      if (file->time_of(model.number, static_cast<std::uint32_t>(index)))
        got.push_back(static_cast<std::uint32_t>(index));
    }
    std::vector<std::uint32_t> wanted;
    for (const auto& [index, time_ms] : left) {
      if (time_ms >= from_ms && time_ms <= to_ms) wanted.push_back(index);
    }
    ASSERT_EQ(got, wanted) << from_ms << " to " << to_ms;
  }
}

TEST(Timelines, FindAgreesWithAPlainModel) {
  Random random(ring_test::test_seed());
  File file;
  std::vector<Model> models;
  for (int i = 0; i < 6; ++i) models.push_back(open(file));
  for (Model& model : models) model.newest_ms = random.between(0, 1'700'000'000'000);
  for (int round = 0; round < 150; ++round) {
    Model& model = models[random.below(models.size())];
    for (std::uint64_t left = random.below(2000); left > 0; --left) {
      std::int64_t step = random.between(1, 6000);
      if (random.one_in(700)) step = random.between(0, 3) * kBeyondAPage;
      const bool burnt = random.one_in(50);
      add_scrape(file, model, model.newest_ms + (burnt ? 0 : std::max<std::int64_t>(step, 1)), burnt);
      if (testing::Test::HasFatalFailure()) return;
    }
    if (!random.one_in(5)) continue;
    check_timeline(file, models[random.below(models.size())], random);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Timelines, TheOldestPageIsGivenAway) {
  File file;
  Model slow = open(file);
  for (int i = 0; i < 10; ++i) add_scrape(file, slow, i * kBeyondAPage);
  Model fast = open(file);
  EXPECT_EQ(file->oldest_ms(), 0);
  for (std::uint32_t page = 0; page < file.geometry.pages - 5; ++page) add_scrape(file, fast, page * kBeyondAPage);
  // Five pages are gone, the oldest, which are the first five of the slow one.
  for (std::uint32_t i = 0; i < 10; ++i) {
    const std::uint32_t index = slow.least + i * kTimesPerPage;
    EXPECT_EQ(file->time_of(slow.number, index).has_value(), i >= 5) << i;
  }
  const ScrapeRange range = file->find(slow.number, slow.next, 0, ring_test::kLatest);
  EXPECT_EQ(range.first, slow.least + 5 * kTimesPerPage);
  EXPECT_EQ(range.last, slow.least + 9 * kTimesPerPage);
}

// A page that is being written to stays, however old it is.
TEST(Timelines, ACurrentPageIsNotGivenAway) {
  File file;
  Model slow = open(file);
  add_scrape(file, slow, 1000);
  Model fast = open(file);
  for (std::uint32_t page = 0; page < 3 * file.geometry.pages; ++page) add_scrape(file, fast, page * kBeyondAPage);
  EXPECT_EQ(file->time_of(slow.number, slow.next - 1), std::optional<std::int64_t>(1000));
}

TEST(Timelines, ACurrentPageIsNotGivenAwayAfterARestart) {
  File file;
  Model slow = open(file, 17);
  for (std::int64_t i = 1; i <= 3; ++i) add_scrape(file, slow, i * 1000);
  file.reopen();
  const auto again = file->open(17);
  ASSERT_TRUE(again.has_value() && again->continued);
  Model fast = open(file, 18);
  for (std::uint32_t page = 0; page < 3 * file.geometry.pages; ++page) add_scrape(file, fast, page * kBeyondAPage);
  EXPECT_EQ(file->time_of(slow.number, slow.next - 1), std::optional<std::int64_t>(3000));
  // And it is one page: the timeline goes on in it.
  const std::uint32_t next = slow.next;
  add_scrape(file, slow, 4000);
  EXPECT_EQ(slow.next, next + 1);
  EXPECT_EQ(file->time_of(slow.number, slow.next - 2), std::optional<std::int64_t>(3000));
}

TEST(Timelines, AClosedTimelineIsContinuedByItsIdentity) {
  File file;
  Model first = open(file, 5);
  for (std::int64_t i = 1; i <= 3; ++i) add_scrape(file, first, i * 1000);
  file->close(first.number);
  const auto again = file->open(5);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->continued);
  EXPECT_EQ(again->number, first.number);
  EXPECT_EQ(again->next, first.next);
  file.reopen();
  EXPECT_TRUE(file->open(5)->continued);
  EXPECT_FALSE(file->open(0)->continued);
  // Open, it is nobody else's.
  EXPECT_FALSE(file->open(5)->continued);
}

TEST(Timelines, WhatWasWipedIsNotBegunAnewUnderTheSameNumbers) {
  File file;
  std::vector<Model> models;
  for (std::uint32_t i = 0; i < 3; ++i) models.push_back(open(file, i + 1));
  for (std::int64_t i = 0; i < 2 * kTimesPerPage + 10; ++i) {
    for (Model& model : models) add_scrape(file, model, 1000 * (i + 1));
  }
  // The last one as well: there the next new timeline would go.
  file.wipe(models[1].number);
  file.wipe(models[2].number);
  EXPECT_GE(file.reopen_checked(), 2U);
  for (std::uint32_t i = 0; i < file.geometry.max_timelines; ++i) {
    const Model again = open(file, 100 + i);
    for (const Model& model : models) {
      if (again.number != model.number) continue;
      EXPECT_GT(again.least, model.next) << i;
    }
  }
}

TEST(Timelines, TheOneClosedLongestAgoGivesItsPlace) {
  File file;
  std::vector<Model> models;
  for (std::uint32_t i = 0; i < file.geometry.max_timelines; ++i) {
    models.push_back(open(file, i + 1));
    add_scrape(file, models.back(), 1000 + i);
  }
  EXPECT_EQ(file->open(0).error().code, Errc::kLimitExceeded);
  file->close(models[7].number);
  file->close(models[3].number);
  const Model successor = open(file, 1000);
  EXPECT_EQ(successor.number, models[7].number);
  // Nothing of the one before is the successor's, and no scrape has a number of its.
  EXPECT_GT(successor.least, models[7].next);
  EXPECT_EQ(file->first(successor.number), successor.least);
  EXPECT_FALSE(file->newest_before(successor.number, successor.next).has_value());
  EXPECT_TRUE(file->find(successor.number, successor.next, ring_test::kEarliest, ring_test::kLatest).empty());
  const auto evicted = file->open(8);
  ASSERT_TRUE(evicted.has_value());
  EXPECT_FALSE(evicted->continued);
  EXPECT_EQ(evicted->number, models[3].number);
  EXPECT_FALSE(file->open(4).has_value());
}

TEST(Timelines, AScrapeThatWasBeingWrittenIsBurntByTheNextProcess) {
  File file;
  Model model = open(file, 5);
  add_scrape(file, model, 1000);
  (void)file->begin(model.number, model.next, 2000);
  file->begin_writing(model.number);
  EXPECT_TRUE(file->was_writing(model.number));
  file.reopen();
  const auto again = file->open(5);
  ASSERT_TRUE(again.has_value() && again->continued);
  EXPECT_EQ(again->next, model.next + 1);
  EXPECT_FALSE(file->time_of(model.number, model.next).has_value());
  EXPECT_FALSE(file->was_writing(model.number));
  const auto newest = file->newest_before(model.number, again->next);
  EXPECT_TRUE(newest && newest->index == model.next - 1);
}

TEST(Timelines, SoundTimesPassTheChecksAndEndTheirTimelines) {
  Random random(ring_test::test_seed());
  File file;
  std::vector<Model> models;
  for (std::uint64_t i = 0; i < 4; ++i) {
    models.push_back(open(file, i + 1));
    for (std::uint64_t left = random.below(4000); left > 0; --left) {
      const bool burnt = random.one_in(9);
      add_scrape(file, models.back(), models.back().newest_ms + (burnt ? 0 : random.between(1, 5000)), burnt);
    }
  }
  EXPECT_EQ(file.reopen_checked(), 0U);
  for (const Model& model : models) check_timeline(file, model, random);
  EXPECT_FALSE(file->open(1)->continued);
}

}  // namespace
}  // namespace core::ring
