// SPDX-License-Identifier: Apache-2.0
// Decisions that need a look at the world, several people, or another remediation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "actions/remedy/decision.h"
#include "core/time/simulated_clock.h"
#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Answer kYes{Verdict::kYes, 0, ""};
const Answer kNo{Verdict::kNo, 0, "does not hold"};
const Answer kNobodyKnows{Verdict::kUnknown, 0, "no samples"};

class ConditionsTest : public ::testing::Test {
 protected:
  ConditionsTest() {
    policy_.remediations = {remediation("restart", Level::kAuto, {exec_step({"/bin/one"}), exec_step({"/bin/two"})})};
    use();
  }

  RemediationConfig& config(std::size_t index = 0) { return policy_.remediations[index]; }
  void use() { state_.policy = std::make_shared<const Policy>(policy_); }
  std::vector<Effect> on(const Event& event) {
    Decision decision = decide(state_, event, {clock_.wall_now(), clock_.steady_now()});
    state_ = std::move(decision.state);
    return decision.effects;
  }
  std::vector<Effect> fire(const std::string& instance = "a") {
    use();
    fired_at_[instance] = clock_.wall_now();
    return on(AlertFired{alert_of(instance), fired_at_[instance]});
  }
  std::vector<Effect> refresh(const std::string& instance = "a") {
    return on(AlertFired{alert_of(instance), fired_at_[instance]});
  }
  std::string id(const std::string& name = "restart", const std::string& instance = "a") {
    return run_id(name, alert_of(instance), fired_at_[instance]);
  }
  const remedy::Run& run(const std::string& name = "restart", const std::string& instance = "a") {
    return *state_.runs.at(id(name, instance));
  }
  std::vector<Effect> finish(std::size_t step, Outcome outcome = Outcome::kSucceeded,
                             const std::string& name = "restart", const std::string& instance = "a") {
    return on(StepFinished{id(name, instance), step, outcome, "result", ""});
  }
  // Answers the look in these effects, each question alike.
  std::vector<Effect> answer(const std::vector<Effect>& effects, const Answer& answer) {
    const StartLook* look = asked(effects);
    if (look == nullptr) {
      ADD_FAILURE() << "nothing was asked";
      return {};
    }
    return on(Looked{look->run, look->ticket, std::vector<Answer>(look->questions.size(), answer)});
  }
  template <class T>
  static const T* find_in(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      if (const auto* found = std::get_if<T>(&effect)) return found;
    }
    return nullptr;
  }
  static const StartStep* started(const std::vector<Effect>& effects) { return find_in<StartStep>(effects); }
  static const StartLook* asked(const std::vector<Effect>& effects) { return find_in<StartLook>(effects); }
  static std::string refusal(const std::vector<Effect>& effects) {
    const auto* refuse = find_in<Refuse>(effects);
    return refuse == nullptr ? "" : refuse->why;
  }

  core::SimulatedClock clock_;
  Policy policy_;
  EngineState state_;
  std::map<std::string, core::WallTime> fired_at_;
};

TEST_F(ConditionsTest, NothingStartsUnlessEveryConditionIsAYes) {
  policy_.gates = {{"calm", "finality < 3"}};
  config().require = {"up == 1", "peers > 3"};
  config().gates = {"calm"};
  const auto look = fire();
  ASSERT_NE(asked(look), nullptr);
  EXPECT_EQ(asked(look)->questions.size(), 3U);
  EXPECT_EQ(asked(look)->questions[2].text, "finality < 3");
  EXPECT_EQ(started(look), nullptr);
  EXPECT_THAT(state_.runs, IsEmpty());  // nothing is decided yet
  EXPECT_THAT(refresh(), IsEmpty());    // and it is asked once

  EXPECT_EQ(started(answer(look, kNobodyKnows)), nullptr);
  EXPECT_EQ(run().state, RunState::kRefused);
  EXPECT_EQ(run().reason, "require up == 1: unknown: no samples");
  EXPECT_EQ(run().findings.size(), 3U);
  EXPECT_FALSE(run().final);

  clock_.advance(minutes(1));
  EXPECT_THAT(answer(refresh(), kNobodyKnows), IsEmpty());  // the same answer is not recorded again
  const auto mixed = refresh();
  const auto refused = on(Looked{id(), asked(mixed)->ticket, {kYes, kNo, kYes}});
  EXPECT_EQ(started(refused), nullptr);
  EXPECT_EQ(run().reason, "require peers > 3: does not hold");
  EXPECT_NE(started(answer(refresh(), kYes)), nullptr);
  EXPECT_EQ(run().reason, "level auto, its conditions hold");
}

TEST_F(ConditionsTest, AnAnswerThatIsNotTheOneAskedForStartsNothing) {
  config().require = {"up == 1"};
  const auto look = fire();
  EXPECT_THAT(on(Looked{id(), asked(look)->ticket + 1, {kYes}}), IsEmpty());
  EXPECT_THAT(on(Looked{"other", asked(look)->ticket, {kYes}}), IsEmpty());
  // Too late.
  clock_.advance(seconds(31));
  EXPECT_EQ(started(answer(look, kYes)), nullptr);
  EXPECT_THAT(run().reason, HasSubstr("took too long"));
  // The alert is over.
  const auto again = refresh();
  on(AlertResolved{alert_of("a"), fired_at_["a"]});
  EXPECT_THAT(answer(again, kYes), IsEmpty());
  // The configuration has changed.
  const auto third = fire();
  config().require = {"up == 2"};
  use();
  EXPECT_THAT(answer(third, kYes), IsEmpty());
  // Somebody has pulled the switch meanwhile.
  config().require = {"up == 1"};
  clock_.advance(seconds(1));
  const auto fourth = fire();
  on(PauseAsked{"upgrade", "ann"});
  EXPECT_EQ(started(answer(fourth, kYes)), nullptr);
  EXPECT_EQ(run().state, RunState::kPaused);
}

TEST_F(ConditionsTest, ALostAnswerIsAskedForAgain) {
  config().require = {"up == 1"};
  const auto look = fire();
  clock_.advance(minutes(3));
  const auto again = refresh();
  ASSERT_NE(asked(again), nullptr);
  EXPECT_THAT(answer(look, kYes), IsEmpty());
  EXPECT_NE(started(answer(again, kYes)), nullptr);
}

TEST_F(ConditionsTest, ABackupMustBeFresh) {
  config().backup_fresh = BackupFreshConfig{"keys", hours(1)};
  EXPECT_EQ(started(answer(fire(), {Verdict::kYes, 3601, ""})), nullptr);
  EXPECT_EQ(run().reason, "fresh backup keys: the last good one is older than 1h");
  EXPECT_EQ(started(answer(refresh(), {Verdict::kUnknown, 5, "none"})), nullptr);
  EXPECT_NE(started(answer(refresh(), {Verdict::kYes, 3600, ""})), nullptr);
}

TEST_F(ConditionsTest, ABudgetIsShared) {
  policy_.budgets = {{"nodes", 1, "", 0}};
  policy_.remediations.push_back(remediation("replace", Level::kAuto, {exec_step({"/bin/x"})}, "Gone"));
  for (auto& each : policy_.remediations) each.limits.budget = "nodes";
  EXPECT_NE(started(fire()), nullptr);
  const AlertFired gone{alert_of("b", "Gone"), clock_.wall_now()};
  EXPECT_EQ(started(on(gone)), nullptr);
  const std::string other = run_id("replace", gone.alert, gone.fired_at);
  EXPECT_EQ(state_.runs.at(other)->reason, "budget nodes: 1 at once already");
  // One that was interrupted still holds its share: nobody knows what it has done.
  on(Restarted{});
  EXPECT_EQ(run().state, RunState::kInterrupted);
  EXPECT_EQ(started(on(gone)), nullptr);
  on(Rejected{id(), "ann"});
  EXPECT_NE(started(on(gone)), nullptr);
}

TEST_F(ConditionsTest, WhatOthersWorkOnDoesNotCountAsHealthy) {
  policy_.budgets = {{"nodes", 5, "count(up == 1)", 2}};
  config().limits = {.cooldown = core::Millis(0), .runs = 9, .budget = "nodes"};
  policy_.remediations.push_back(config());
  config(1).name = "other";
  config(1).match = {core::ring::Matcher::equal("alertname", "Gone")};
  const auto look = fire();
  EXPECT_EQ(asked(look)->questions[0].kind, Question::Kind::kNumber);
  EXPECT_NE(started(answer(look, {Verdict::kYes, 2, ""})), nullptr);
  const AlertFired gone{alert_of("b", "Gone"), clock_.wall_now()};
  // Two look healthy, but one of them may be what the first works on.
  EXPECT_EQ(started(answer(on(gone), {Verdict::kYes, 2, ""})), nullptr);
  EXPECT_EQ(started(answer(on(gone), {Verdict::kUnknown, 9, ""})), nullptr);
  EXPECT_EQ(started(answer(on(gone), {Verdict::kYes, std::numeric_limits<double>::quiet_NaN(), ""})), nullptr);
  EXPECT_NE(started(answer(on(gone), {Verdict::kYes, 3, ""})), nullptr);
}

TEST_F(ConditionsTest, TimeIntervals) {
  notify::IntervalSpec night;  // the clock stands at 22:13:20 UTC
  night.minutes_of_day = {{22 * 60, 23 * 60 - 1}};
  policy_.intervals = {{"night", {night}}};
  config().mute_time_intervals = {"night"};
  EXPECT_EQ(started(fire()), nullptr);
  EXPECT_EQ(run().reason, "muted by the time interval night");
  config().mute_time_intervals = {"gone"};
  use();
  refresh();
  EXPECT_EQ(run().reason, "no time interval is named gone");
  config().mute_time_intervals = {};
  config().active_time_intervals = {"night"};
  use();
  clock_.advance(hours(1));
  EXPECT_EQ(started(refresh()), nullptr);
  EXPECT_EQ(run().reason, "outside of its active time intervals");
  clock_.advance(hours(23));
  EXPECT_NE(started(refresh()), nullptr);
}

TEST_F(ConditionsTest, ManyAlertsAtOnceStartNothing) {
  AlertsFired batch;
  for (int i = 0; i < 200; ++i) batch.alerts.push_back({alert_of(std::to_string(i)), clock_.wall_now()});
  const auto effects = on(batch);
  EXPECT_EQ(started(effects), nullptr);
  EXPECT_EQ(state_.runs.size(), 200U);
  for (const auto& [id, each] : state_.runs) {
    EXPECT_EQ(each->state, RunState::kRefused);
    EXPECT_THAT(each->reason, HasSubstr("20 or more alerts with a remediation began within 10m"));
  }
  // Those that still fire when the storm is over get their turn, one after the other.
  clock_.advance(minutes(10));
  EXPECT_NE(started(on(batch)), nullptr);
}

TEST_F(ConditionsTest, ApprovalsOfSeveralPeople) {
  config().level = Level::kApprove;
  config().approval = {.required = 2, .approvers = {"ann", "bob", "eve"}, .expires = hours(1)};
  config().require = {"up == 1"};
  EXPECT_THAT(refusal(fire()), IsEmpty());
  const std::string plan = run().plan;
  EXPECT_THAT(refusal(on(Approved{id(), "", plan})), HasSubstr("needs a name"));
  EXPECT_THAT(refusal(on(Approved{id(), "mallory", plan})), HasSubstr("not one of its approvers"));
  EXPECT_THAT(refusal(on(Approved{id(), "ann", std::string(64, '0')})), HasSubstr("that is not its plan"));
  EXPECT_THAT(refusal(on(Approved{id(), "ann", plan.substr(0, 3)})), HasSubstr("that is not its plan"));
  EXPECT_THAT(refusal(on(Approved{id(), "ann", plan.substr(0, 12)})), IsEmpty());
  EXPECT_EQ(run().reason, "approved by ann; 1 of 2 approvals");
  EXPECT_THAT(refusal(on(Approved{id(), "ann", plan})), HasSubstr("ann has approved it already"));

  const auto look = on(Approved{id(), "bob", plan});
  ASSERT_NE(asked(look), nullptr);  // conditions hold for approved runs as well
  EXPECT_EQ(started(answer(look, kNobodyKnows)), nullptr);
  EXPECT_EQ(run().state, RunState::kWaiting);
  EXPECT_EQ(run().reason, "approved by ann, bob; require up == 1: unknown: no samples");
  // The approvals hold until they expire.
  clock_.advance(minutes(30));
  EXPECT_NE(started(answer(refresh(), kYes)), nullptr);
  EXPECT_EQ(run().decided_by, "ann, bob");
  EXPECT_EQ(run().approvals.size(), 2U);
}

TEST_F(ConditionsTest, ApprovalsExpireOnEitherClock) {
  config().level = Level::kApprove;
  config().approval = {.required = 2, .approvers = {}, .expires = hours(1)};
  for (const bool by_wall : {true, false}) {
    clock_.advance(seconds(1));
    fire();
    on(Approved{id(), "ann"});
    if (by_wall) {
      clock_.step_wall(hours(2));
    } else {
      clock_.step_wall(-hours(24));
      for (int i = 0; i < 61; ++i) {
        clock_.advance(minutes(1));
        refresh();
      }
    }
    on(Tick{});
    EXPECT_TRUE(run().final);
    EXPECT_THAT(run().reason, HasSubstr("the approvals have expired"));
    EXPECT_THAT(refusal(on(Approved{id(), "bob"})), HasSubstr("not waiting"));
  }
}

TEST_F(ConditionsTest, ARestartKeepsApprovalsButWaitsToHearOfTheAlert) {
  config().level = Level::kApprove;
  config().approval.required = 2;
  fire();
  on(Approved{id(), "ann"});
  state_.firing.clear();
  state_.terms.clear();
  clock_.advance(minutes(50));
  on(Restarted{});
  EXPECT_THAT(refusal(on(Approved{id(), "bob"})), HasSubstr("was not heard of since the start"));
  refresh();
  EXPECT_NE(started(on(Approved{id(), "bob"})), nullptr);
}

TEST_F(ConditionsTest, ARestartWithoutTheAlertGivesUpWhatWaited) {
  config().require = {"up == 1"};
  answer(fire(), kNo);
  state_.firing.clear();
  on(Restarted{});
  clock_.advance(minutes(11));
  on(Tick{});
  EXPECT_TRUE(run().final);
}

TEST_F(ConditionsTest, OneRemediationCanBePaused) {
  policy_.remediations.push_back(remediation("other", Level::kAuto, {exec_step({"/bin/x"})}));
  use();
  EXPECT_THAT(refusal(on(PauseAsked{"broken", "ann", "nothing"})), HasSubstr("no remediation is named"));
  on(PauseAsked{"broken", "ann", "restart"});
  fire();
  EXPECT_EQ(run("restart").reason, "paused by ann: broken");
  EXPECT_EQ(run("other").state, RunState::kRunning);
  EXPECT_THAT(refusal(on(ResumeAsked{"ann"})), HasSubstr("not paused"));
  on(ResumeAsked{"ann", "restart"});
  EXPECT_NE(started(refresh()), nullptr);
}

TEST_F(ConditionsTest, VerificationEndsARun) {
  config().verify = VerifyConfig{"up == 1", minutes(5)};
  fire();
  finish(0);
  const auto look = finish(1);
  ASSERT_NE(asked(look), nullptr);
  EXPECT_EQ(run().state, RunState::kRunning);
  EXPECT_EQ(run().phase, Phase::kVerifying);
  EXPECT_EQ(asked(look)->fresh_within, core::Duration::zero());  // what was before proves nothing
  EXPECT_THAT(answer(look, kNobodyKnows), IsEmpty());
  clock_.advance(seconds(40));
  const auto again = on(Tick{});
  ASSERT_NE(asked(again), nullptr);
  EXPECT_EQ(asked(again)->fresh_within, seconds(40));
  answer(again, kYes);
  EXPECT_EQ(run().state, RunState::kSucceeded);
  EXPECT_EQ(run().reason, "all steps succeeded, and up == 1");
}

TEST_F(ConditionsTest, VerificationHasADeadline) {
  config().verify = VerifyConfig{"up == 1", minutes(5)};
  fire();
  finish(0);
  answer(finish(1), kNo);
  clock_.step_wall(hours(5));  // no deadline of ours
  answer(on(Tick{}), kNo);
  EXPECT_EQ(run().state, RunState::kRunning);
  clock_.advance(minutes(5));
  const auto last = on(Tick{});
  EXPECT_EQ(run().state, RunState::kRunning);  // one look after the deadline decides
  answer(last, kNo);
  EXPECT_EQ(run().state, RunState::kFailed);
  EXPECT_EQ(run().reason, "up == 1 did not come true in time: does not hold");
}

TEST_F(ConditionsTest, ARestartGoesOnVerifying) {
  config().verify = VerifyConfig{"up == 1", minutes(5)};
  fire();
  finish(0);
  finish(1);
  state_.looks.clear();
  state_.terms.clear();
  state_.firing.clear();
  clock_.advance(minutes(4));
  const auto look = on(Restarted{});
  ASSERT_NE(asked(look), nullptr);
  answer(look, kNobodyKnows);
  EXPECT_EQ(run().state, RunState::kRunning);
  clock_.advance(minutes(1));
  answer(on(Tick{}), kNobodyKnows);
  EXPECT_THAT(run().reason, HasSubstr("did not come true in time: unknown: no samples"));
}

TEST_F(ConditionsTest, AFailureIsRolledBackWhereStepsSayHow) {
  config().steps = {exec_step({"/bin/stop"}), exec_step({"/bin/move"}), exec_step({"/bin/never"})};
  config().steps[0].rollback = {exec_step({"/bin/start"})};
  config().steps[1].rollback = {exec_step({"/bin/back"}), exec_step({"/bin/look"})};
  config().steps[2].rollback = {exec_step({"/bin/not-begun"})};
  fire();
  finish(0);
  const auto undo = finish(1, Outcome::kFailed);
  ASSERT_NE(started(undo), nullptr);
  EXPECT_EQ(started(undo)->step, 2U);
  EXPECT_EQ(run().phase, Phase::kRollingBack);
  std::string steps;
  for (const StepRun& step : run().steps) steps += step.step.to_string() + "; ";
  EXPECT_EQ(steps, "exec /bin/stop; exec /bin/move; exec /bin/back; exec /bin/look; exec /bin/start; ");
  EXPECT_NE(started(finish(2)), nullptr);
  EXPECT_NE(started(finish(3)), nullptr);
  EXPECT_EQ(started(finish(4)), nullptr);
  EXPECT_EQ(run().state, RunState::kFailed);
  EXPECT_EQ(run().reason, "step 2 failed: result; rolled back");
}

TEST_F(ConditionsTest, ARollbackThatFailsNeedsAPerson) {
  config().steps = {exec_step({"/bin/stop"})};
  config().steps[0].rollback = {exec_step({"/bin/start"})};
  fire();
  finish(0, Outcome::kFailed);
  finish(1, Outcome::kFailed);
  EXPECT_EQ(run().state, RunState::kInterrupted);
  EXPECT_EQ(run().reason, "step 1 failed: result; the rollback stopped: step 2 failed: result");
  EXPECT_FALSE(run().final);
}

TEST_F(ConditionsTest, AFailureLeadsToAnotherRemediation) {
  RemediationConfig next = remediation("replace", Level::kAuto, {exec_step({"/bin/replace"})});
  next.match.clear();  // only as what follows
  next.require = {"spare == 1"};
  config().on_failure.then = "replace";
  policy_.remediations.push_back(next);
  fire();
  EXPECT_EQ(state_.runs.size(), 1U);
  const auto follows = finish(0, Outcome::kFailed);
  ASSERT_NE(asked(follows), nullptr);
  answer(follows, kNo);
  EXPECT_EQ(run("replace").state, RunState::kRefused);
  EXPECT_EQ(run("replace").escalated_from, id());
  EXPECT_NE(started(answer(refresh(), kYes)), nullptr);  // tried again while the alert fires
  EXPECT_EQ(run("replace").escalated_from, id());
  finish(0, Outcome::kSucceeded, "replace");
  EXPECT_THAT(refresh(), IsEmpty());  // one episode, one run of each
}

TEST_F(ConditionsTest, NothingFollowsOnAnAlertThatIsOver) {
  config().on_failure.then = "replace";
  policy_.remediations.push_back(remediation("replace", Level::kAuto, {exec_step({"/bin/replace"})}, "never"));
  fire();
  on(AlertResolved{alert_of("a"), fired_at_["a"]});
  finish(0, Outcome::kFailed);
  EXPECT_EQ(state_.runs.size(), 1U);
}

TEST_F(ConditionsTest, AfterARestartWhatFollowsWaitsToHearOfTheAlert) {
  config().on_failure.then = "replace";
  config().steps = {exec_step({"/bin/x"}, true)};
  policy_.remediations.push_back(remediation("replace", Level::kAuto, {exec_step({"/bin/replace"})}, "never"));
  fire();
  state_.firing.clear();
  on(Restarted{});
  const auto failed = finish(0, Outcome::kFailed);
  EXPECT_EQ(started(failed), nullptr);
  EXPECT_EQ(run("replace").state, RunState::kRefused);
  EXPECT_NE(started(refresh()), nullptr);
}

TEST_F(ConditionsTest, AVerifiableStepIsLookedAtAfterACrash) {
  ExecStep exec{.argv = {"/bin/restart"}};
  exec.check = {"/bin/did-it"};
  config().steps = {Step{exec, {}}, exec_step({"/bin/then"})};
  for (const Verdict happened : {Verdict::kYes, Verdict::kNo, Verdict::kUnknown}) {
    state_ = {};
    fire();
    const auto look = on(Restarted{});
    ASSERT_NE(started(look), nullptr);
    EXPECT_TRUE(started(look)->only_look);
    EXPECT_EQ(run().steps[0].attempts, 1);
    const auto after = on(StepSeen{id(), 0, happened, "why"});
    if (happened == Verdict::kYes) {
      EXPECT_EQ(started(after)->step, 1U);
      EXPECT_THAT(run().steps[0].result, HasSubstr("it had happened: why"));
    } else if (happened == Verdict::kNo) {
      EXPECT_EQ(started(after)->step, 0U);
      EXPECT_FALSE(started(after)->only_look);
      EXPECT_EQ(run().steps[0].attempts, 2);
    } else {
      EXPECT_EQ(started(after), nullptr);
      EXPECT_EQ(run().state, RunState::kInterrupted);
    }
    clock_.advance(seconds(1));
  }
}

TEST_F(ConditionsTest, WithoutAPlanThereIsNoRun) {
  config().steps = {exec_step({"/bin/x", "{{ .Labels.host }}"})};
  EXPECT_EQ(started(fire()), nullptr);
  EXPECT_TRUE(run().final);
  EXPECT_THAT(run().reason, HasSubstr("there is no plan"));
  EXPECT_THAT(run().reason, HasSubstr("no label host"));
}

}  // namespace
}  // namespace actions::remedy
