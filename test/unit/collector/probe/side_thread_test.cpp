// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/side_thread.h"

#include <future>

#include <gtest/gtest.h>

#include "core/task.h"

namespace collector::probe {
namespace {

class SideThreadTest : public testing::Test {
 protected:
  // What the work comes to, or "none".
  core::RootTask ask(SideThread& thread, core::Duration limit, std::function<std::string()> work, std::string& into) {
    auto waiting = thread.run<std::string>(clock_.steady_now() + limit, std::move(work));
    const auto result = co_await waiting;
    into = result.value_or("none");
    if (--open_ == 0) loop_.stop();
  }
  core::RootTask begin(SideThread& thread, core::Duration limit, std::function<std::string()> work, std::string& into) {
    ++open_;
    return ask(thread, limit, std::move(work), into);
  }

  core::SystemClock clock_;
  core::net::IoLoop loop_{clock_};
  int open_ = 0;
};

TEST_F(SideThreadTest, WorksAsideInOrderAndRefusesWhatIsTooMuch) {
  std::promise<void> gate;
  const std::shared_future<void> opened = gate.get_future().share();
  std::string first, second, refused, after;
  {
    SideThread thread(loop_, clock_, "aside", 2);
    const auto here = std::this_thread::get_id();
    auto one = begin(
        thread, std::chrono::seconds(20),
        [opened, here] {
          opened.wait();
          return std::string(std::this_thread::get_id() == here ? "here" : "aside");
        },
        first);
    auto two = begin(thread, std::chrono::seconds(20), [] { return std::string("second"); }, second);
    auto three = begin(thread, std::chrono::seconds(20), [] { return std::string("third"); }, refused);
    one.start();
    two.start();
    three.start();
    EXPECT_EQ(refused, "none") << "two wait already";
    gate.set_value();
    loop_.run();
    EXPECT_EQ(first, "aside");
    EXPECT_EQ(second, "second");
    // There is room again.
    auto four = begin(thread, std::chrono::seconds(20), [] { return std::string("fourth"); }, after);
    four.start();
    loop_.run();
    EXPECT_EQ(after, "fourth");
  }
}

TEST_F(SideThreadTest, NobodyWaitsBeyondTheDeadline) {
  std::promise<void> gate;
  const std::shared_future<void> opened = gate.get_future().share();
  std::string late = "not yet";
  SideThread thread(loop_, clock_, "aside", 2);
  auto task = begin(
      thread, std::chrono::milliseconds(5),
      [opened] {
        opened.wait();
        return std::string("late");
      },
      late);
  task.start();
  loop_.run();
  EXPECT_EQ(late, "none");
  gate.set_value();
}

}  // namespace
}  // namespace collector::probe
