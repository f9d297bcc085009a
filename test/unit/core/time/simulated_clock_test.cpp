// SPDX-License-Identifier: Apache-2.0
#include "core/time/simulated_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace core {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST(SimulatedClock, FiresInTimeOrderAndTiesInOrderOfScheduling) {
  SimulatedClock clock;
  std::vector<int> fired;
  const SteadyTime now = clock.steady_now();
  clock.schedule_at(now + seconds(2), [&] { fired.push_back(3); });
  clock.schedule_at(now + seconds(1), [&] { fired.push_back(1); });
  clock.schedule_at(now + seconds(1), [&] { fired.push_back(2); });
  clock.advance(seconds(2));
  EXPECT_THAT(fired, testing::ElementsAre(1, 2, 3));
}

TEST(SimulatedClock, TimersSeeTheirOwnTimeAndMayScheduleMore) {
  SimulatedClock clock;
  std::vector<Duration> seen;
  const SteadyTime start = clock.steady_now();
  clock.schedule_at(start + seconds(1), [&] {
    seen.push_back(clock.steady_now() - start);
    clock.schedule_after(clock, seconds(1), [&] { seen.push_back(clock.steady_now() - start); });
  });
  clock.advance(seconds(10));
  EXPECT_THAT(seen, testing::ElementsAre(seconds(1), seconds(2)));
}

TEST(SimulatedClock, CancelledTimersDoNotFire) {
  SimulatedClock clock;
  bool fired = false;
  const TimerId timer = clock.schedule_after(clock, seconds(1), [&] { fired = true; });
  EXPECT_TRUE(clock.cancel(timer));
  EXPECT_FALSE(clock.cancel(timer));
  clock.advance(seconds(2));
  EXPECT_FALSE(fired);
}

TEST(SimulatedClock, WallStepsMoveNoTimer) {
  SimulatedClock clock;
  const WallTime wall = clock.wall_now();
  int fired = 0;
  clock.schedule_after(clock, seconds(5), [&] { ++fired; });
  clock.step_wall(-hours(1));
  EXPECT_EQ(clock.wall_now(), wall - hours(1));
  clock.suspend(hours(2));
  EXPECT_EQ(clock.wall_now(), wall + hours(1));
  clock.advance(seconds(4));
  EXPECT_EQ(fired, 0);
  clock.advance(seconds(1));
  EXPECT_EQ(fired, 1);
}

TEST(SimulatedClock, DriftMovesTheWallClockOnly) {
  SimulatedClock clock;
  const WallTime wall = clock.wall_now();
  clock.set_drift_ppm(100);
  clock.advance(seconds(1000));
  EXPECT_EQ(clock.wall_now() - wall, seconds(1000) + std::chrono::milliseconds(100));
  clock.set_drift_ppm(0);
  clock.advance(seconds(1000));
  EXPECT_EQ(clock.wall_now() - wall, seconds(2000) + std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace core
