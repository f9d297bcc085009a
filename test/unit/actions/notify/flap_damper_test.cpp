// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/flap_damper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/config/node.h"
#include "core/time/simulated_clock.h"

namespace actions::notify {
namespace {

using core::ring::Labels;
using rules::AlertState;
using rules::Transition;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// What a receiver hears, as "<second> <instance> firing since <second>" or "... resolved".
class Damped : public testing::Test, public rules::AlertSink {
 protected:
  Damped() { begin({seconds(30), minutes(2), 2, minutes(10)}); }

  void begin(NotificationDelayConfig config) {
    damper.reset();
    damper = std::make_unique<FlapDamper>(clock, clock, *this);
    damper->configure(config);
    clock.run_due();
  }

  void on_transitions(std::span<const Transition> transitions) override {
    for (const Transition& each : transitions) {
      std::string line = at(clock.wall_now()) + " " + std::string(each.labels.get("instance"));
      if (each.to == AlertState::kFiring) line += " firing since " + at(*each.fired_at);
      if (each.to == AlertState::kInactive) line += " resolved";
      if (each.to == AlertState::kPending) line += " pending";
      told.push_back(line);
    }
  }
  std::string at(core::WallTime time) const { return std::to_string((time - start) / seconds(1)); }

  Transition make(AlertState from, AlertState to) {
    Transition transition;
    transition.labels = Labels{{"alertname", "A"}, {"instance", "a"}};
    transition.from = from;
    transition.to = to;
    transition.at = clock.wall_now();
    transition.fired_at = fired_at;
    if (to == AlertState::kInactive) transition.resolved_at = resolved_at;
    return transition;
  }
  void say(AlertState from, AlertState to) {
    const std::vector one = {make(from, to)};
    damper->on_transitions(one);
    clock.run_due();
  }
  void fire() {
    fired_at = clock.wall_now();
    say(AlertState::kInactive, AlertState::kFiring);
  }
  void refresh() { say(AlertState::kFiring, AlertState::kFiring); }
  void resolve() {
    resolved_at = clock.wall_now();
    say(AlertState::kFiring, AlertState::kInactive);
  }
  void remind() { say(AlertState::kInactive, AlertState::kInactive); }
  std::vector<std::string> take() { return std::exchange(told, {}); }

  core::SimulatedClock clock;
  const core::WallTime start = clock.wall_now();
  core::WallTime fired_at;
  core::WallTime resolved_at;
  std::vector<std::string> told;
  std::unique_ptr<FlapDamper> damper;
};

TEST_F(Damped, BothEndsAreToldOnceTheyHaveLasted) {
  fire();
  clock.advance(seconds(29));
  EXPECT_THAT(take(), IsEmpty());
  clock.advance(seconds(1));
  EXPECT_THAT(take(), ElementsAre("30 a firing since 0"));
  clock.advance(seconds(30));
  refresh();
  EXPECT_THAT(take(), ElementsAre("60 a firing since 0"));
  resolve();
  clock.advance(seconds(119));
  EXPECT_THAT(take(), ElementsAre("60 a firing since 0")) << "it goes on as firing meanwhile";
  clock.advance(seconds(1));
  EXPECT_THAT(take(), ElementsAre("180 a resolved"));
  remind();
  EXPECT_THAT(take(), ElementsAre("180 a resolved")) << "reminders pass";
}

TEST_F(Damped, WhatIsOverWithinTheDelayIsNeverHeardOf) {
  fire();
  clock.advance(seconds(20));
  resolve();
  clock.advance(minutes(5));
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(damper->counters().suppressed_firings.load(), 1U);
}

TEST_F(Damped, OneThatFiresAgainWithinTheDelayHasFiredAllTheTime) {
  fire();
  clock.advance(minutes(1));
  resolve();
  clock.advance(seconds(60));
  remind();
  clock.advance(seconds(59));
  take();
  fire();
  EXPECT_THAT(take(), ElementsAre("179 a firing since 0"));
  EXPECT_EQ(damper->counters().suppressed_resolutions.load(), 1U);
  resolve();
  clock.advance(seconds(239));
  take();
  clock.advance(seconds(1));
  EXPECT_THAT(take(), ElementsAre("419 a resolved")) << "the delay has doubled";
}

TEST_F(Damped, DelaysGrowToTheLongestAndComeBack) {
  for (int i = 0; i < 12; ++i) {
    fire();
    clock.advance(seconds(1));
    resolve();
    clock.advance(seconds(1));
  }
  EXPECT_THAT(take(), IsEmpty());
  fire();
  clock.advance(minutes(10) - seconds(1));
  EXPECT_THAT(take(), IsEmpty());
  clock.advance(seconds(1));
  EXPECT_THAT(take(), ElementsAre("624 a firing since 24"));
  resolve();
  clock.advance(minutes(3));
  EXPECT_THAT(take(), ElementsAre("624 a firing since 24", "744 a resolved")) << "it kept still for long enough";
}

TEST_F(Damped, ARestartDoesNotBeginTheDelayAnew) {
  fire();
  clock.advance(seconds(20));
  begin({seconds(30), minutes(2), 2, minutes(10)});
  refresh();
  clock.advance(seconds(9));
  EXPECT_THAT(take(), IsEmpty());
  clock.advance(seconds(1));
  EXPECT_THAT(take(), ElementsAre("30 a firing since 0"));
}

TEST_F(Damped, SteppingTheWallClockMovesNoDelay) {
  fire();
  clock.step_wall(-std::chrono::hours(1));
  clock.advance(seconds(30));
  EXPECT_THAT(take(), testing::SizeIs(1));
}

TEST_F(Damped, WithoutDelaysEverythingPassesAtOnce) {
  begin({});
  fire();
  EXPECT_THAT(take(), ElementsAre("0 a firing since 0"));
  resolve();
  EXPECT_THAT(take(), ElementsAre("0 a resolved"));
}

TEST_F(Damped, SwitchingItOffTellsWhatWasHeldBack) {
  fire();
  clock.advance(seconds(5));
  damper->configure({});
  clock.run_due();
  EXPECT_THAT(take(), ElementsAre("5 a firing since 0"));
  resolve();
  EXPECT_THAT(take(), ElementsAre("5 a resolved"));
}

// Whatever happens: what is told alternates, an end is told only of what was told, and the last state is told.
TEST_F(Damped, TheLastStateIsAlwaysToldInTheEnd) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 dice(seed);
  for (int round = 0; round < 50; ++round) {
    bool firing = false;
    for (int i = 0; i < 60; ++i) {
      clock.advance(seconds(dice() % 90));
      if (dice() % 3 == 0) {
        firing = !firing;
        firing ? fire() : resolve();
      } else if (firing) {
        refresh();
      }
    }
    clock.advance(minutes(11));
    if (firing) {
      ASSERT_THAT(told.back(), testing::HasSubstr("firing"));
      resolve();
      clock.advance(minutes(11));
    }
    bool open = false;
    for (const std::string& line : take()) {
      ASSERT_TRUE(open || !line.ends_with("resolved")) << line;
      open = !line.ends_with("resolved");
    }
    ASSERT_FALSE(open);
  }
}

TEST(NotificationDelayConfig, IsChecked) {
  const auto read = [](std::string_view text) {
    const auto node = core::config::Node::parse(text, "w.yml");
    return core::config::Codec<NotificationDelayConfig>::read(*node);
  };
  EXPECT_TRUE(read("{up: 30s, down: 5m, multiplier: 1.5, max: 2h}"));
  EXPECT_THAT(read("{multiplier: 0.5}").error().message, testing::StartsWith("w.yml:1:14: expected 1 to 100"));
  EXPECT_THAT(read("{up: 2h}").error().message, testing::HasSubstr("expected no less than up and down"));
}

}  // namespace
}  // namespace actions::notify
