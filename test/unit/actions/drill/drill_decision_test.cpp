// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/time/simulated_clock.h"
#include "sample_drills.h"

namespace actions::drill {
namespace {

using rules::AlertState;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using Kind = Expectation::Kind;
using State = Expectation::State;

class DrillDecision : public testing::Test {
 protected:
  void tell(const Event& event) {
    Decision decision = decide(std::move(state_), event, {clock_.wall_now(), clock_.steady_now()});
    state_ = std::move(decision.state);
    effects_ = std::move(decision.effects);
    for (const Effect& effect : effects_) {
      if (const auto* record = std::get_if<Record>(&effect)) last_ = *record->run;
    }
  }
  template <class E>
  int count() const {
    return static_cast<int>(
        std::ranges::count_if(effects_, [](const Effect& effect) { return std::holds_alternative<E>(effect); }));
  }
  void pass(core::Duration time) { clock_.advance(time); }
  void begin(DrillConfig drill = geth_drill()) {
    tell(Begin{run_of(drill, clock_.wall_now()), drill});
    id_ = state_.run->id;
  }
  void inject() {
    pass(seconds(2));
    tell(Injected{id_, true, "geth.service is inactive"});
  }
  void fire(const core::ring::Labels& labels = geth_alert()) {
    tell(AlertSeen{transition_of(labels, AlertState::kFiring, clock_.wall_now(), clock_.wall_now() - seconds(1))});
  }
  void resolve(const core::ring::Labels& labels = geth_alert()) {
    tell(AlertSeen{transition_of(labels, AlertState::kInactive, clock_.wall_now(), clock_.wall_now())});
  }
  void remediate(remedy::RunState to, bool final = true) {
    remedy::Run run;
    run.remediation = "restart-geth";
    run.alert = geth_alert();
    run.fired_at = clock_.wall_now();
    run.created = run.fired_at;
    run.state = to;
    run.final = final;
    run.reason = "because";
    if (to == remedy::RunState::kSucceeded) run.started = run.finished = run.steps_done = clock_.wall_now();
    tell(RemediationsSeen{{std::make_shared<const remedy::Run>(std::move(run))}});
  }
  Expectation expectation(Kind kind) const { return *last_.find(kind); }
  std::vector<std::string> moments() const {
    std::vector<std::string> all;
    for (const Moment& each : last_.timeline) all.push_back(each.what);
    return all;
  }

  core::SimulatedClock clock_;
  DrillState state_;
  std::vector<Effect> effects_;
  std::string id_;
  drill::Run last_;  // as recorded
};

TEST_F(DrillDecision, ADrillThatGoesAsExpectedPasses) {
  begin();
  EXPECT_EQ(count<Record>(), 1);
  EXPECT_EQ(count<Inject>(), 1);
  ASSERT_TRUE(std::holds_alternative<Record>(effects_.front())) << "the intent comes first";
  inject();
  EXPECT_EQ(last_.phase, Phase::kWatching);
  pass(seconds(20));
  fire();
  EXPECT_EQ(count<FindFirstSample>(), 1);
  tell(FirstSampleFound{id_, geth_alert().to_string(), clock_.wall_now() - seconds(3)});
  pass(seconds(1));
  tell(Delivered{id_, "GethDown", "on-call", false});
  pass(seconds(30));
  remediate(remedy::RunState::kSucceeded);
  EXPECT_EQ(count<Restore>(), 0);
  tell(Tick{});
  EXPECT_EQ(count<Restore>(), 1) << "nothing is waited for any more";
  pass(seconds(1));
  tell(Restored{id_, true, "geth.service is active"});
  EXPECT_EQ(last_.phase, Phase::kRecovering);
  pass(seconds(10));
  resolve();
  EXPECT_EQ(last_.phase, Phase::kOver);
  EXPECT_EQ(last_.ending, Ending::kPassed) << last_.reason;
  EXPECT_FALSE(state_.run);
  EXPECT_EQ(last_.took(expectation(Kind::kAlert)), core::Millis(20'000));
  EXPECT_EQ(last_.took(expectation(Kind::kNotified)), core::Millis(21'000));
  EXPECT_EQ(last_.took(expectation(Kind::kResolved)), core::Millis(10'000));
  EXPECT_THAT(moments(),
              testing::ElementsAre("begun", "injected", "first bad sample", "pending", "firing", "notified",
                                   "remediation begun", "verified", "remediation succeeded", "restored", "resolved"));
}

TEST_F(DrillDecision, WhatDoesNotHappenInTimeIsMissedAndTheRestIsStillWaitedFor) {
  begin();
  inject();
  pass(seconds(61));
  tell(Tick{});
  EXPECT_EQ(expectation(Kind::kAlert).state, State::kMissed);
  EXPECT_EQ(count<Restore>(), 0);
  fire();
  pass(seconds(1));
  tell(Delivered{id_, "GethDown", "on-call", false});
  EXPECT_EQ(expectation(Kind::kNotified).state, State::kMet);
  remediate(remedy::RunState::kRefused, false);
  pass(minutes(3));
  tell(Tick{});
  EXPECT_EQ(count<Restore>(), 1);
  EXPECT_EQ(expectation(Kind::kRemediation).why, "it is refused: because");
  tell(Restored{id_, true, ""});
  pass(minutes(5));
  tell(Tick{});
  EXPECT_EQ(last_.ending, Ending::kFailed);
  EXPECT_THAT(last_.reason, HasSubstr("the alert {alertname=\"GethDown\"} fires: it did not happen within 1m"));
  EXPECT_THAT(last_.reason, HasSubstr("the alert is over: it was not within 4m of the restore"));
}

TEST_F(DrillDecision, DeadlinesCountOnTheSteadyClock) {
  begin();
  inject();
  clock_.step_wall(minutes(30));
  tell(Tick{});
  EXPECT_EQ(last_.find(Kind::kAlert)->state, State::kWaiting);
  pass(seconds(59));
  fire();
  EXPECT_EQ(expectation(Kind::kAlert).state, State::kMet);
  pass(seconds(62));
  tell(Delivered{id_, "GethDown", "on-call", false});
  EXPECT_EQ(expectation(Kind::kNotified).state, State::kMissed) << "a second late";
  EXPECT_THAT(expectation(Kind::kNotified).why, HasSubstr("after its deadline of 2m"));
}

TEST_F(DrillDecision, OnlyOneAtATimeAndOthersAreNotTouched) {
  begin();
  tell(Begin{run_of(geth_drill(), clock_.wall_now() + seconds(1)), geth_drill()});
  EXPECT_EQ(count<Refuse>(), 1);
  EXPECT_EQ(count<Inject>(), 0);
  EXPECT_EQ(state_.run->id, id_);
  tell(Injected{"another", true, ""});
  EXPECT_EQ(state_.run->phase, Phase::kInjecting);
}

TEST_F(DrillDecision, AnInjectionThatFailsIsRestoredAsWell) {
  begin();
  tell(Injected{id_, false, "half of it"});
  EXPECT_EQ(count<Restore>(), 1);
  tell(Restored{id_, true, ""});
  EXPECT_EQ(last_.ending, Ending::kFailed);
  EXPECT_EQ(last_.reason, "the injection failed: half of it");
  EXPECT_FALSE(last_.injected);
}

TEST_F(DrillDecision, ACancelRestoresInEveryPhase) {
  begin();
  tell(CancelAsked{"cancelled by ann"});
  EXPECT_EQ(count<StopInjecting>(), 1);
  EXPECT_EQ(count<Restore>(), 0) << "not beside the injection";
  tell(Injected{id_, true, ""});
  EXPECT_EQ(count<Restore>(), 1);
  tell(CancelAsked{"again"});
  EXPECT_EQ(count<Restore>(), 0);
  tell(Restored{id_, true, ""});
  EXPECT_EQ(last_.ending, Ending::kCancelled);
  EXPECT_EQ(last_.reason, "cancelled by ann");
  tell(CancelAsked{"late"});
  EXPECT_EQ(count<Refuse>(), 1);

  begin();
  inject();
  tell(CancelAsked{"cancelled by bob"});
  EXPECT_EQ(count<Restore>(), 1);
}

TEST_F(DrillDecision, MaxDurationEndsWatchingAndInjecting) {
  DrillConfig drill = geth_drill();
  drill.max_duration = seconds(50);
  begin(drill);
  inject();
  pass(seconds(47));
  tell(Tick{});
  EXPECT_EQ(count<Restore>(), 0);
  pass(seconds(1));
  tell(Tick{});
  EXPECT_EQ(count<Restore>(), 1);
  EXPECT_EQ(expectation(Kind::kAlert).why, "max_duration was over first");
  tell(Restored{id_, true, ""});

  begin(drill);
  pass(seconds(51));
  tell(Tick{});
  EXPECT_EQ(count<StopInjecting>(), 1);
  tell(Injected{id_, false, "ended"});
  EXPECT_EQ(count<Restore>(), 1);
}

TEST_F(DrillDecision, ARestoreIsTriedAgainUntilItSucceeds) {
  begin();
  inject();
  tell(CancelAsked{"x"});
  for (int attempt = 1; attempt < 8; ++attempt) {
    tell(Restored{id_, false, "no"});
    EXPECT_EQ(last_.restore_error, "no");
    tell(Tick{});
    EXPECT_EQ(count<Restore>(), 0) << "not at once";
    pass(kRestoreAgainMax);
    tell(Tick{});
    ASSERT_EQ(count<Restore>(), 1);
    tell(Tick{});
    EXPECT_EQ(count<Restore>(), 0) << "one attempt at a time";
  }
  tell(Restored{id_, true, ""});
  EXPECT_EQ(last_.phase, Phase::kOver);
  EXPECT_TRUE(last_.restore_error.empty());
  EXPECT_EQ(last_.restores, 8);
}

TEST_F(DrillDecision, AfterARestartItIsRestoredAndNeverInjectedAgain) {
  for (const bool injected : {false, true}) {
    begin();
    if (injected) inject();
    DrillState again;
    again.run = last_;
    state_ = again;
    tell(Restarted{});
    EXPECT_EQ(count<Restore>(), 1);
    EXPECT_EQ(count<Inject>(), 0);
    tell(Restored{id_, true, ""});
    EXPECT_EQ(last_.ending, Ending::kInterrupted);
  }
  tell(Restarted{});
  EXPECT_TRUE(effects_.empty());
}

TEST_F(DrillDecision, AnAlertThatWasNotTheExpectedOneIsRemembered) {
  DrillConfig drill = geth_drill();
  begin(drill);
  inject();
  fire({{"alertname", "GethNoPeers"}, {"instance", "geth-a"}});
  EXPECT_EQ(last_.alerts.size(), 1U);
  EXPECT_EQ(last_.find(Kind::kAlert)->state, State::kWaiting);
  fire();
  fire();
  EXPECT_EQ(count<Record>(), 0) << "a refresh says nothing new";
  resolve();
  fire();
  EXPECT_FALSE(last_.alerts[1].resolved) << "it fires again";
}

TEST_F(DrillDecision, ARemediationOfAnotherAlertIsNotTheDrills) {
  begin();
  inject();
  remediate(remedy::RunState::kSucceeded);
  EXPECT_EQ(last_.find(Kind::kRemediation)->state, State::kWaiting);
}

}  // namespace
}  // namespace actions::drill
