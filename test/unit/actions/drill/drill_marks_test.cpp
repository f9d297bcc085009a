// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/time/simulated_clock.h"
#include "sample_drills.h"

namespace actions::drill {
namespace {

using rules::AlertState;
using rules::Transition;
using std::chrono::seconds;
using testing::HasSubstr;

class DrillMarksTest : public testing::Test {
 protected:
  DrillMarksTest() : start_(std::chrono::floor<core::Millis>(clock_.wall_now())), run_(run_of(geth_drill(), start_)) {}

  void begin(DrillConfig drill = geth_drill()) { marks_.begin(run_, std::move(drill), geth_component()); }
  Transition marked(Transition transition) {
    marks_.mark(transition);
    return transition;
  }
  Transition firing(core::ring::Labels labels, core::Duration after = seconds(10)) {
    const auto at = start_ + std::chrono::duration_cast<core::WallTime::duration>(after);
    return marked(transition_of(std::move(labels), AlertState::kFiring, at, at));
  }
  static bool is_marked(const Transition& transition) { return transition.annotations.contains("drill_run"); }

  core::SimulatedClock clock_;
  core::WallTime start_;
  drill::Run run_;
  DrillMarks marks_;
};

TEST_F(DrillMarksTest, LabelsStayAndPeopleSeeIt) {
  begin();
  const Transition alert = firing(geth_alert());
  EXPECT_EQ(alert.labels, geth_alert());
  EXPECT_EQ(alert.annotations.at("drill_run"), run_.id);
  EXPECT_EQ(alert.annotations.at("summary"), "DRILL geth-stops: GethDown");
  EXPECT_THAT(alert.annotations.at("drill"),
              HasSubstr("This is a drill: geth-stops (systemd stop geth.service), begun by ann at "));
}

TEST_F(DrillMarksTest, OnlyWhatTheDrillCaused) {
  DrillConfig drill = geth_drill();
  drill.may_fire = {{"x", {core::ring::Matcher::equal("alertname", "BeaconExecutionSilent")}}};
  EXPECT_TRUE(marks_.idle());
  EXPECT_FALSE(is_marked(firing(geth_alert())));
  begin(drill);
  EXPECT_FALSE(marks_.idle());
  EXPECT_FALSE(is_marked(firing(geth_alert(), -seconds(1)))) << "it began before";
  EXPECT_FALSE(is_marked(firing({{"alertname", "DiskFull"}, {"instance", "geth-b"}})));
  EXPECT_TRUE(is_marked(firing({{"alertname", "GethNoPeers"}, {"instance", "geth-a"}}))) << "the component's";
  EXPECT_TRUE(is_marked(firing({{"alertname", "BeaconExecutionSilent"}})));
  marks_.end();
  EXPECT_FALSE(is_marked(firing({{"alertname", "GethStuck"}, {"instance", "geth-a"}}, seconds(20))));
}

TEST_F(DrillMarksTest, AnEpisodeKeepsItsMarkUntilItIsOverAndTheNextHasNone) {
  begin();
  const Transition first = firing(geth_alert());
  marks_.end();
  EXPECT_TRUE(is_marked(firing(geth_alert()))) << "a refresh";
  const auto at = start_ + seconds(30);
  EXPECT_TRUE(is_marked(marked(transition_of(geth_alert(), AlertState::kInactive, at, start_ + seconds(10)))));
  Transition reminder = transition_of(geth_alert(), AlertState::kInactive, at, start_ + seconds(10));
  reminder.from = AlertState::kInactive;
  EXPECT_TRUE(is_marked(marked(reminder)));
  EXPECT_FALSE(is_marked(firing(geth_alert(), seconds(60)))) << "a real one";
}

TEST_F(DrillMarksTest, WhatRemediationsTellOfItIsMarked) {
  begin();
  const Transition alert = firing(geth_alert());
  const auto told = [&](const core::ring::Labels& about, core::WallTime fired) {
    return firing({{"alertname", "WatchkeeperRemediation"}, {"run", remedy::run_id("restart-geth", about, fired)}});
  };
  EXPECT_TRUE(is_marked(told(geth_alert(), *alert.fired_at)));
  EXPECT_FALSE(is_marked(told(geth_alert("geth-b"), *alert.fired_at)));
  EXPECT_FALSE(is_marked(told(geth_alert(), *alert.fired_at + seconds(1)))) << "another episode";
}

TEST_F(DrillMarksTest, ANewProcessKnowsWhatStillFires) {
  run_.alerts = {{geth_alert(), true, start_, start_ + seconds(10), {}},
                 {geth_alert("b"), true, start_, start_ + seconds(10), start_ + seconds(20)}};
  marks_.restore(run_);
  EXPECT_TRUE(is_marked(firing(geth_alert())));
  EXPECT_FALSE(is_marked(firing(geth_alert("b"))));
}

TEST_F(DrillMarksTest, TheSinkPassesEverythingOn) {
  struct Noting final : rules::AlertSink {
    void on_transitions(std::span<const Transition> transitions) override {
      seen.insert(seen.end(), transitions.begin(), transitions.end());
    }
    std::vector<Transition> seen;
  } next;
  MarkingSink sink(marks_, next);
  const std::vector<Transition> two = {
      transition_of(geth_alert(), AlertState::kFiring, start_ + seconds(1), start_ + seconds(1)),
      transition_of({{"alertname", "Other"}}, AlertState::kFiring, start_ + seconds(1), start_)};
  sink.on_transitions(two);
  begin();
  sink.on_transitions(two);
  ASSERT_EQ(next.seen.size(), 4U);
  EXPECT_FALSE(is_marked(next.seen[0]));
  EXPECT_TRUE(is_marked(next.seen[2]));
  EXPECT_FALSE(is_marked(next.seen[3]));
}

}  // namespace
}  // namespace actions::drill
