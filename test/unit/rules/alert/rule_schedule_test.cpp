// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_schedule.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace rules {
namespace {

using core::Millis;
using core::WallTime;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kLoaded = core::from_unix_ms(1'700'000'000'000);

TEST(RuleSchedule, FirstSlotIsTheFirstNotBeforeTheStart) {
  const RuleSchedule schedule("a.yml", "g", minutes(1), kLoaded);
  const WallTime first = schedule.next(kLoaded);
  EXPECT_GE(first, kLoaded);
  EXPECT_LT(first, kLoaded + minutes(1));
  EXPECT_EQ((core::to_unix_ms(first) - schedule.offset().count()) % 60'000, 0);
  EXPECT_EQ(RuleSchedule("a.yml", "g", minutes(1), first).next(first), first) << "the start itself may be a slot";
}

TEST(RuleSchedule, SlotsAreTheSameAfterARestartAndSpreadOverTheInterval) {
  std::set<std::int64_t> offsets;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "group" + std::to_string(i);
    const RuleSchedule before("a.yml", name, minutes(1), kLoaded);
    const RuleSchedule after("a.yml", name, minutes(1), kLoaded + minutes(7));
    EXPECT_EQ(before.offset(), after.offset());
    EXPECT_EQ((after.next(kLoaded + minutes(7)) - before.next(kLoaded)) % minutes(1), Millis(0));
    offsets.insert(before.offset() / seconds(6));
  }
  EXPECT_EQ(offsets.size(), 10U) << "every tenth of the interval has groups";
}

TEST(RuleSchedule, EachSlotIsTakenOnce) {
  RuleSchedule schedule("a.yml", "g", minutes(1), kLoaded);
  const WallTime first = schedule.next(kLoaded);
  EXPECT_FALSE(schedule.take(first - Millis(1)));
  const auto due = schedule.take(first + Millis(5));
  ASSERT_TRUE(due);
  EXPECT_EQ(due->slot, first) << "the slot, not the clock";
  EXPECT_EQ(due->missed, 0U);
  EXPECT_FALSE(schedule.take(first + seconds(59)));
  EXPECT_TRUE(schedule.take(first + seconds(60)));
}

TEST(RuleSchedule, SlotsThatPassedMeanwhileAreMissed) {
  RuleSchedule schedule("a.yml", "g", minutes(1), kLoaded);
  const WallTime first = schedule.next(kLoaded);
  ASSERT_TRUE(schedule.take(first));
  const auto due = schedule.take(first + minutes(3) + seconds(20));
  ASSERT_TRUE(due);
  EXPECT_EQ(due->missed, 2U);
  EXPECT_EQ(due->slot, first + minutes(3));
  EXPECT_EQ(schedule.next(due->slot), first + minutes(4));
}

TEST(RuleSchedule, AClockSteppedBackDoesNotStopIt) {
  RuleSchedule schedule("a.yml", "g", minutes(1), kLoaded);
  const WallTime first = schedule.next(kLoaded);
  ASSERT_TRUE(schedule.take(first));
  const WallTime stepped = first - minutes(60) + seconds(10);
  EXPECT_EQ(schedule.next(stepped), first - minutes(60));
  const auto due = schedule.take(stepped);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->slot, first - minutes(60));
  EXPECT_EQ(due->missed, 0U);
  EXPECT_EQ(schedule.next(stepped), first - minutes(59));
}

TEST(RuleSchedule, TakesNothingUpToTheSlotOfItsPredecessor) {
  RuleSchedule schedule("a.yml", "g", minutes(1), kLoaded);
  const WallTime first = schedule.next(kLoaded);
  schedule.start_after(first);
  EXPECT_FALSE(schedule.take(first));
  EXPECT_TRUE(schedule.take(first + minutes(1)));
}

TEST(RuleSchedule, TimesBeforeTheEpochHaveSlotsToo) {
  const WallTime early = core::from_unix_ms(-90'000);
  const RuleSchedule schedule("a.yml", "g", minutes(1), early);
  EXPECT_GE(schedule.next(early), early);
  EXPECT_LT(schedule.next(early), early + minutes(1));
}

}  // namespace
}  // namespace rules
