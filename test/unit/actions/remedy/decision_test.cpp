// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/time/simulated_clock.h"
#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DecisionTest : public ::testing::Test {
 protected:
  DecisionTest() {
    use({remediation("restart", Level::kAuto, {Step{BackupStep{"keys"}, {}}, exec_step({"/bin/true"})})});
  }

  void use(std::vector<RemediationConfig> remediations) { state_.policy = list_of(std::move(remediations)); }
  void change(const std::function<void(RemediationConfig&)>& change) {
    std::vector<RemediationConfig> all = state_.policy->remediations;
    change(all.front());
    use(std::move(all));
  }

  // The effects of the event, on the state that the earlier events made.
  std::vector<Effect> on(const Event& event) {
    Decision decision = decide(state_, event, {clock_.wall_now(), clock_.steady_now()});
    state_ = std::move(decision.state);
    return decision.effects;
  }
  std::vector<Effect> fire(const std::string& instance = "a") {
    fired_at_[instance] = clock_.wall_now();
    return on(AlertFired{alert_of(instance), fired_at_[instance]});
  }
  std::vector<Effect> refresh(const std::string& instance = "a") {
    return on(AlertFired{alert_of(instance), fired_at_[instance]});
  }
  std::vector<Effect> resolve(const std::string& instance = "a") {
    return on(AlertResolved{alert_of(instance), fired_at_[instance]});
  }
  std::string id(const std::string& instance = "a", const std::string& name = "restart") {
    return run_id(name, alert_of(instance), fired_at_[instance]);
  }
  const remedy::Run& run(const std::string& instance = "a", const std::string& name = "restart") {
    return *state_.runs.at(id(instance, name));
  }
  std::vector<Effect> finish(std::size_t step, Outcome outcome = Outcome::kSucceeded,
                             const std::string& instance = "a") {
    return on(StepFinished{id(instance), step, outcome, "result", "output"});
  }
  void run_to_end(const std::string& instance = "a") {
    fire(instance);
    finish(0, Outcome::kSucceeded, instance);
    finish(1, Outcome::kSucceeded, instance);
    resolve(instance);
  }
  static const StartStep* started(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      if (const auto* step = std::get_if<StartStep>(&effect)) return step;
    }
    return nullptr;
  }
  static std::string refusal(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      if (const auto* refuse = std::get_if<Refuse>(&effect)) return refuse->why;
    }
    return "";
  }

  core::SimulatedClock clock_;
  EngineState state_;
  std::map<std::string, core::WallTime> fired_at_;
};

TEST_F(DecisionTest, RecordsTheIntentBeforeEachStepAndTheOutcomeAfter) {
  const auto first = fire();
  ASSERT_EQ(first.size(), 2U);
  const RunPtr intent = std::get<RecordRun>(first[0]).run;  // the record stands before the step
  EXPECT_EQ(intent->state, RunState::kRunning);
  EXPECT_EQ(intent->steps[0].state, StepState::kRunning);
  EXPECT_EQ(std::get<StartStep>(first[1]).step, 0U);

  const auto second = finish(0);
  ASSERT_EQ(second.size(), 2U);
  EXPECT_EQ(std::get<RecordRun>(second[0]).run->steps[0].state, StepState::kSucceeded);
  EXPECT_EQ(std::get<RecordRun>(second[0]).run->steps[1].state, StepState::kRunning);
  EXPECT_EQ(std::get<StartStep>(second[1]).step, 1U);

  const auto third = finish(1);
  ASSERT_EQ(third.size(), 1U);
  EXPECT_EQ(run().state, RunState::kSucceeded);
  EXPECT_TRUE(run().final);
  EXPECT_EQ(run().steps[1].result, "result");
}

TEST_F(DecisionTest, OneEpisodeIsOneRun) {
  fire();
  EXPECT_THAT(refresh(), IsEmpty());
  finish(0);
  finish(1);
  clock_.advance(hours(48));
  EXPECT_THAT(refresh(), IsEmpty());  // it still fires, long after the cooldown: the remedy did not help
  resolve();
  EXPECT_NE(started(fire()), nullptr);  // a new episode
}

TEST_F(DecisionTest, LevelsActAsTheyAreNamed) {
  struct Case {
    Level level;
    RunState state;
    bool final;
    bool starts;
  };
  for (const Case& each :
       {Case{Level::kObserve, RunState::kObserved, true, false},
        Case{Level::kPropose, RunState::kProposed, true, false},
        Case{Level::kApprove, RunState::kWaiting, false, false}, Case{Level::kAuto, RunState::kRunning, false, true}}) {
    change([&](RemediationConfig& config) { config.level = each.level; });
    state_.runs.clear();
    state_.firing.clear();
    state_.looks.clear();
    const auto effects = fire();
    EXPECT_EQ(run().state, each.state);
    EXPECT_EQ(run().final, each.final);
    EXPECT_EQ(started(effects) != nullptr, each.starts);
    EXPECT_EQ(run().steps.size(), 2U);  // the plan is shown at every level
  }
}

TEST_F(DecisionTest, AFailedStepEndsTheRun) {
  fire();
  const auto effects = finish(0, Outcome::kFailed);
  EXPECT_EQ(started(effects), nullptr);
  EXPECT_EQ(run().state, RunState::kFailed);
  EXPECT_EQ(run().reason, "step 1 failed: result");
  EXPECT_EQ(run().steps[1].state, StepState::kPending);
}

TEST_F(DecisionTest, ARunUnderWayGoesOnWhenTheAlertResolves) {
  fire();
  EXPECT_THAT(resolve(), IsEmpty());
  EXPECT_NE(started(finish(0)), nullptr);
}

TEST_F(DecisionTest, CooldownHoldsOnBothClocks) {
  run_to_end();
  clock_.advance(minutes(29));
  EXPECT_EQ(started(fire()), nullptr);
  EXPECT_EQ(run().state, RunState::kRefused);
  EXPECT_THAT(run().reason, HasSubstr("cooldown of 30m until 2023-11-14T22:43:20Z"));
  EXPECT_THAT(refresh(), IsEmpty());  // the same answer is not recorded again
  clock_.step_wall(hours(5));
  EXPECT_EQ(started(refresh()), nullptr);  // a jump of the wall clock ends no cooldown
  clock_.advance(minutes(1));
  EXPECT_NE(started(refresh()), nullptr);  // it still fires: now it may
}

TEST_F(DecisionTest, AWallClockThatWasAheadHoldsACooldownNoLongerThanItsLength) {
  state_.starts.push_back({"restart", "old", clock_.wall_now() + hours(24 * 365), std::nullopt});
  on(Restarted{});
  EXPECT_EQ(started(fire()), nullptr);
  clock_.advance(minutes(30));
  EXPECT_NE(started(refresh()), nullptr);
}

TEST_F(DecisionTest, RunsPerWindow) {
  change(
      [](RemediationConfig& config) { config.limits = {.cooldown = core::Millis(0), .runs = 2, .window = hours(1)}; });
  run_to_end();
  clock_.advance(minutes(15));
  run_to_end();
  clock_.advance(minutes(15));
  EXPECT_EQ(started(fire()), nullptr);
  EXPECT_THAT(run().reason, HasSubstr("2 runs within 1h, the first at 2023-11-14T22:13:20Z"));
  clock_.advance(minutes(30));
  EXPECT_NE(started(refresh()), nullptr);
}

TEST_F(DecisionTest, OneRunOfARemediationAtATime) {
  change([](RemediationConfig& config) { config.limits.cooldown = core::Millis(0); });
  fire("a");
  EXPECT_EQ(started(fire("b")), nullptr);
  EXPECT_THAT(run("b").reason, HasSubstr("is still running"));
  finish(0);
  finish(1);
  EXPECT_NE(started(refresh("b")), nullptr);
}

TEST_F(DecisionTest, NoMoreRunAtOnceThanAllowed) {
  state_.limits.running_max = 2;
  use({remediation("r1", Level::kAuto, {exec_step({"x"})}), remediation("r2", Level::kAuto, {exec_step({"x"})}),
       remediation("r3", Level::kAuto, {exec_step({"x"})})});
  fire();
  EXPECT_EQ(run("a", "r2").state, RunState::kRunning);
  EXPECT_EQ(run("a", "r3").state, RunState::kRefused);
  EXPECT_THAT(run("a", "r3").reason, HasSubstr("2 remediations run at once"));
}

TEST_F(DecisionTest, AStormIsOnlyProposed) {
  std::vector<RemediationConfig> all;
  for (int i = 0; i < 6; ++i) {
    all.push_back(remediation(fmt::format("r{}", i), Level::kAuto, {exec_step({"x"})}));
  }
  use(all);
  state_.limits.running_max = 100;
  fire();
  EXPECT_EQ(run("a", "r4").state, RunState::kRunning);
  EXPECT_EQ(run("a", "r5").state, RunState::kProposed);
  EXPECT_THAT(run("a", "r5").reason, HasSubstr("5 remediations started within 10m"));
}

TEST_F(DecisionTest, TheKillSwitchHoldsEverythingWithItsReason) {
  const auto paused = on(PauseAsked{"upgrade", "ann"});
  ASSERT_EQ(paused.size(), 1U);
  EXPECT_EQ(std::get<RecordPause>(paused[0]).pause->reason, "upgrade");
  EXPECT_EQ(started(fire()), nullptr);
  EXPECT_EQ(run().state, RunState::kPaused);
  EXPECT_EQ(run().reason, "paused by ann: upgrade");
  on(ResumeAsked{"ann"});
  EXPECT_NE(started(refresh()), nullptr);
  EXPECT_EQ(refusal(on(ResumeAsked{"ann"})), "not paused");
}

TEST_F(DecisionTest, APauseBetweenStepsStopsTheRunForAPerson) {
  fire();
  on(PauseAsked{"wait", "ann"});
  EXPECT_EQ(started(finish(0)), nullptr);
  EXPECT_EQ(run().state, RunState::kInterrupted);
  EXPECT_EQ(run().reason, "paused by ann before step 2: wait");
  EXPECT_EQ(run().steps[0].state, StepState::kSucceeded);
}

TEST_F(DecisionTest, AnApprovalStartsTheVeryPlan) {
  change([](RemediationConfig& config) { config.level = Level::kApprove; });
  fire();
  EXPECT_THAT(refusal(on(Approved{"nothing", "ann"})), HasSubstr("no run"));
  on(PauseAsked{"wait", "bob"});
  EXPECT_THAT(refusal(on(Approved{id(), "ann"})), HasSubstr("paused by bob"));
  on(ResumeAsked{"bob"});
  EXPECT_NE(started(on(Approved{id(), "ann"})), nullptr);
  EXPECT_EQ(run().decided_by, "ann");
  EXPECT_THAT(refusal(on(Approved{id(), "eve"})), HasSubstr("is running, not waiting"));
}

TEST_F(DecisionTest, AnApprovalOfAnotherPlanIsNone) {
  change([](RemediationConfig& config) { config.level = Level::kApprove; });
  fire();
  std::vector<RemediationConfig> changed = state_.policy->remediations;
  changed.front().steps = {exec_step({"/bin/rm"})};
  on(Reconfigured{list_of(changed)});
  const auto effects = on(Approved{id(), "ann"});
  EXPECT_EQ(started(effects), nullptr);
  EXPECT_THAT(refusal(effects), HasSubstr("configuration changed"));
  EXPECT_EQ(run().state, RunState::kRefused);
}

TEST_F(DecisionTest, AWaitingRunEndsByRejectionResolutionOrTime) {
  change([](RemediationConfig& config) { config.level = Level::kApprove; });
  fire();
  on(Rejected{id(), "bob"});
  EXPECT_EQ(run().reason, "rejected by bob");
  EXPECT_THAT(refusal(on(Approved{id(), "ann"})), HasSubstr("not waiting"));
  resolve();
  clock_.advance(seconds(1));

  fire();
  resolve();
  EXPECT_EQ(run().reason, "the alert was resolved before an approval");
  clock_.advance(seconds(1));

  fire();
  for (int i = 0; i < 62; ++i) {
    clock_.advance(minutes(1));
    refresh();
    on(Tick{});
  }
  EXPECT_EQ(run().reason, "nobody approved it in time");
  EXPECT_TRUE(run().final);
}

TEST_F(DecisionTest, AnAlertNotHeardOfCountsAsResolved) {
  change([](RemediationConfig& config) { config.level = Level::kApprove; });
  fire();
  clock_.step_wall(hours(1));
  on(Tick{});
  EXPECT_TRUE(state_.firing.contains(id()));  // a jump of the wall clock is no silence
  clock_.advance(minutes(11));
  on(Tick{});
  EXPECT_TRUE(state_.firing.empty());
  EXPECT_THAT(refusal(on(Approved{id(), "ann"})), HasSubstr("not waiting"));
}

TEST_F(DecisionTest, ARestartRepeatsOnlyWhatMayBeRepeated) {
  fire();  // step 1, a backup, is under way
  const auto again = on(Restarted{});
  ASSERT_NE(started(again), nullptr);
  EXPECT_EQ(started(again)->step, 0U);
  EXPECT_EQ(run().steps[0].attempts, 2);
  on(Restarted{});  // it seems to be what ends the agent
  EXPECT_EQ(run().state, RunState::kInterrupted);

  state_.runs.clear();
  state_.starts.clear();
  state_.firing.clear();
  fire();
  finish(0);  // step 2, a program, is under way
  EXPECT_EQ(started(on(Restarted{})), nullptr);
  EXPECT_EQ(run().state, RunState::kInterrupted);
  EXPECT_THAT(run().reason, HasSubstr("step 2, its outcome is not known; it may not be repeated"));
  EXPECT_FALSE(run().final);
}

TEST_F(DecisionTest, ARestartMuchLaterOrPausedDoesNotGoOn) {
  fire();
  clock_.advance(minutes(16));
  EXPECT_EQ(started(on(Restarted{})), nullptr);
  EXPECT_THAT(run().reason, HasSubstr("too long ago"));

  state_ = {};
  use({remediation("restart", Level::kAuto, {Step{BackupStep{"keys"}, {}}})});
  fire();
  on(PauseAsked{"wait", "ann"});
  EXPECT_EQ(started(on(Restarted{})), nullptr);
  EXPECT_EQ(run().state, RunState::kInterrupted);
}

TEST_F(DecisionTest, AnInterruptedRunHoldsItsRemediationUntilAPersonClosesIt) {
  fire("a");
  finish(0);
  on(Restarted{});
  clock_.advance(hours(48));
  EXPECT_EQ(started(fire("b")), nullptr);
  EXPECT_THAT(run("b").reason, HasSubstr("was interrupted and needs a person"));
  on(Rejected{id("a"), "ann"});
  EXPECT_TRUE(run("a").final);
  EXPECT_NE(started(refresh("b")), nullptr);
}

TEST_F(DecisionTest, AnEndOfTheAgentLeavesARepeatableStepForTheNextStart) {
  fire();
  EXPECT_THAT(finish(0, Outcome::kStopped), IsEmpty());
  EXPECT_EQ(run().state, RunState::kRunning);
  EXPECT_NE(started(on(Restarted{})), nullptr);
  finish(0);
  finish(1, Outcome::kStopped);
  EXPECT_EQ(run().state, RunState::kInterrupted);
  EXPECT_EQ(run().steps[1].state, StepState::kInterrupted);
}

TEST_F(DecisionTest, OutcomesOfWhatDoesNotRunAreRefused) {
  EXPECT_THAT(refusal(on(StepFinished{"nothing", 0, Outcome::kSucceeded, "", ""})), HasSubstr("is not running"));
  fire();
  EXPECT_THAT(refusal(finish(1)), HasSubstr("step 2 is not running"));
  finish(0);
  EXPECT_THAT(refusal(finish(0)), HasSubstr("step 1 is not running"));
}

TEST_F(DecisionTest, MemoryIsBounded) {
  state_.limits.episodes_max = 3;
  state_.limits.history_max = 5;
  change([](RemediationConfig& config) { config.level = Level::kObserve; });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(fire(std::to_string(i))), "");
  EXPECT_THAT(refusal(fire("3")), HasSubstr("more than 3 alerts"));
  for (int i = 0; i < 50; ++i) {
    resolve(std::to_string(i % 3));
    clock_.advance(seconds(1));
    fire(std::to_string(i % 3));
  }
  EXPECT_LE(state_.runs.size(), 8U);
  EXPECT_EQ(state_.firing.size(), 3U);
}

}  // namespace
}  // namespace actions::remedy
