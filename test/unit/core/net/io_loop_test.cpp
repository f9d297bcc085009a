// SPDX-License-Identifier: Apache-2.0
#include "core/net/io_loop.h"

#include <csignal>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace core::net {
namespace {

using std::chrono::milliseconds;

TEST(IoLoopTest, TimersRunInTimeOrderAndTiesInTheOrderTheyWereScheduled) {
  SystemClock clock;
  IoLoop loop(clock);
  std::string order;
  const SteadyTime now = clock.steady_now();
  loop.schedule_at(now + milliseconds(20), [&] {
    order += "d";
    loop.stop();
  });
  loop.schedule_at(now + milliseconds(10), [&] { order += "b"; });
  loop.schedule_at(now + milliseconds(10), [&] { order += "c"; });
  loop.schedule_at(now - milliseconds(10), [&] { order += "a"; });
  loop.run();
  EXPECT_EQ(order, "abcd");
}

TEST(IoLoopTest, NeverRunsATimerEarly) {
  SystemClock clock;
  IoLoop loop(clock);
  const SteadyTime when = clock.steady_now() + milliseconds(15);
  SteadyTime ran;
  loop.schedule_at(when, [&] {
    ran = clock.steady_now();
    loop.stop();
  });
  loop.run();
  EXPECT_GE(ran, when);
}

TEST(IoLoopTest, CancelSaysWhetherItCameInTime) {
  SystemClock clock;
  IoLoop loop(clock);
  bool ran = false;
  const TimerId cancelled = loop.schedule_after(clock, milliseconds(1), [&] { ran = true; });
  EXPECT_TRUE(loop.cancel(cancelled));
  EXPECT_FALSE(loop.cancel(cancelled));
  EXPECT_FALSE(loop.cancel(0));
  TimerId own = 0;
  own = loop.schedule_after(clock, milliseconds(5), [&] {
    EXPECT_FALSE(loop.cancel(own)) << "it is running";
    loop.stop();
  });
  loop.run();
  EXPECT_FALSE(ran);
}

TEST(IoLoopTest, ATimerThatSchedulesItselfLeavesRoomForOthers) {
  SystemClock clock;
  IoLoop loop(clock);
  int turns = 0;
  std::function<void()> again = [&] {
    if (++turns == 1) loop.post([&] { loop.stop(); });
    loop.schedule_at(clock.steady_now(), again);
  };
  loop.schedule_at(clock.steady_now(), again);
  loop.run();
  EXPECT_GE(turns, 1);
}

TEST(IoLoopTest, OtherThreadsPostAndSchedule) {
  SystemClock clock;
  IoLoop loop(clock);
  EXPECT_FALSE(loop.on_loop_thread());
  int done = 0;  // touched on the loop's thread only
  constexpr int kEach = 500;
  const auto work = [&] {
    for (int i = 0; i < kEach; ++i) {
      const auto count = [&] {
        EXPECT_TRUE(loop.on_loop_thread());
        if (++done == 4 * kEach) loop.stop();
      };
      loop.post(count);
      loop.schedule_at(clock.steady_now() + milliseconds(i % 3), count);
      EXPECT_FALSE(loop.on_loop_thread());
    }
  };
  std::thread one(work);
  std::thread two(work);
  loop.run();
  one.join();
  two.join();
  EXPECT_EQ(done, 4 * kEach);
}

TEST(IoLoopTest, StopBeforeRunEndsThatRunOnly) {
  SystemClock clock;
  IoLoop loop(clock);
  bool ran = false;
  loop.stop();
  loop.run();
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(IoLoopTest, SignalsArriveOnTheLoopEachTime) {
  SystemClock clock;
  IoLoop loop(clock);
  int hangups = 0;
  loop.on_signals({SIGHUP, SIGUSR1}, [&](int signal) {
    EXPECT_TRUE(loop.on_loop_thread());
    if (signal == SIGHUP && ++hangups == 1) std::raise(SIGHUP);
    if (hangups == 2) loop.stop();
  });
  std::raise(SIGHUP);
  loop.run();
  EXPECT_EQ(hangups, 2);
}

}  // namespace
}  // namespace core::net
