// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/announcer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/time/simulated_clock.h"
#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using rules::AlertState;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AnnouncerTest : public ::testing::Test, public rules::AlertSink {
 protected:
  void on_transitions(std::span<const rules::Transition> transitions) override {
    for (const rules::Transition& each : transitions) {
      const std::string state(each.labels.get("state"));
      if (each.to == AlertState::kInactive) {
        EXPECT_TRUE(each.resolved_at);
        told_.push_back("end of " + state);
      } else {
        EXPECT_TRUE(each.fired_at);
        told_.push_back((each.from == AlertState::kFiring ? "still " : "") + state);
        last_ = each;
      }
    }
  }
  std::vector<std::string> told() { return std::exchange(told_, {}); }
  void record(RunState state, const std::string& reason = "why", bool final = false) {
    run_.state = state;
    run_.reason = reason;
    run_.final = final;
    announcer_.on_record(run_, &config_);
  }

  core::SimulatedClock clock_;
  std::vector<std::string> told_;
  rules::Transition last_;
  RemediationConfig config_ = remediation("restart", Level::kAuto, {exec_step({"/bin/x"})});
  remedy::Run run_ = [] {
    remedy::Run run;
    run.id = "restart-1";
    run.remediation = "restart";
    run.alert = alert_of("a");
    run.plan = std::string(64, 'a');
    run.steps.emplace_back().step = exec_step({"/bin/x"});
    return run;
  }();
  Announcer announcer_{*this, clock_};
};

TEST_F(AnnouncerTest, TellsWhatNeedsAttention) {
  record(RunState::kRefused, "cooldown");
  EXPECT_THAT(told(), ElementsAre("refused"));
  EXPECT_EQ(last_.labels.get("alertname"), "WatchkeeperRemediation");
  EXPECT_EQ(last_.labels.get("remediation"), "restart");
  EXPECT_EQ(last_.labels.get("alert"), "Stuck");
  EXPECT_EQ(last_.labels.get("instance"), "a");
  EXPECT_EQ(last_.labels.get("severity"), "warning");
  EXPECT_EQ(last_.annotations.at("summary"), "restart is refused: cooldown");
  EXPECT_THAT(last_.annotations.at("description"), HasSubstr("1. exec /bin/x: pending"));
  record(RunState::kRefused, "runs");
  EXPECT_THAT(told(), ElementsAre("still refused"));
  record(RunState::kRunning);  // goes as it should
  EXPECT_THAT(told(), ElementsAre("end of refused"));
  record(RunState::kSucceeded, "all", true);
  EXPECT_THAT(told(), IsEmpty());
  record(RunState::kWaiting);
  EXPECT_THAT(last_.annotations.at("description"),
              HasSubstr("watchkeeper remedy approve restart-1 --plan aaaaaaaaaaaa"));
  record(RunState::kFailed, "broke", true);
  EXPECT_THAT(told(), ElementsAre("waiting", "end of waiting", "failed"));
  EXPECT_EQ(last_.labels.get("severity"), "critical");
}

TEST_F(AnnouncerTest, TellsAsItIsConfigured) {
  config_.notify = Telling::kAll;
  record(RunState::kRunning);
  record(RunState::kSucceeded, "all", true);
  EXPECT_THAT(told(), ElementsAre("running", "end of running", "succeeded"));
  config_.on_failure.notify = false;
  record(RunState::kFailed, "broke", true);
  EXPECT_THAT(told(), ElementsAre("end of succeeded"));
  config_.notify = Telling::kNone;
  record(RunState::kInterrupted);
  EXPECT_THAT(told(), IsEmpty());
  announcer_.on_record(run_, nullptr);  // no longer configured, and needs a person
  EXPECT_THAT(told(), ElementsAre("interrupted"));
}

TEST_F(AnnouncerTest, WhatWaitsStandsAndAnEndGoes) {
  record(RunState::kWaiting);
  announcer_.refresh();
  EXPECT_THAT(told(), ElementsAre("waiting"));
  for (int i = 0; i < 20; ++i) {
    clock_.advance(minutes(1));
    announcer_.refresh();
  }
  EXPECT_EQ(told().size(), 20U);
  record(RunState::kRefused, "nobody approved it in time", true);
  EXPECT_THAT(told(), ElementsAre("end of waiting", "refused"));
  clock_.advance(minutes(4));
  announcer_.refresh();
  EXPECT_THAT(told(), ElementsAre("still refused"));
  clock_.advance(minutes(1));
  announcer_.refresh();
  announcer_.refresh();
  EXPECT_THAT(told(), ElementsAre("end of refused"));
}

TEST_F(AnnouncerTest, TellsTheTextOfAStepOnce) {
  announcer_.tell(run_, "look at geth");
  EXPECT_EQ(last_.annotations.at("summary"), "look at geth");
  clock_.advance(minutes(5));
  announcer_.refresh();
  EXPECT_THAT(told(), ElementsAre("message", "end of message"));
}

}  // namespace
}  // namespace actions::remedy
