// SPDX-License-Identifier: Apache-2.0
// The running part with a world that does as it is told.
#include "actions/drill/drill_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sample_drills.h"
#include "test/support/background_process.h"

namespace actions::drill {
namespace {

using core::Errc;
using core::Result;
using std::chrono::seconds;
using test_support::eventually;
using testing::HasSubstr;

class FakeInjector final : public Injector {
 public:
  Survey survey(const Fault&, const DrillableConfig&, const remedy::ProtectionConfig&,
                bool validators_allowed) override {
    const std::scoped_lock lock(mutex);
    allowed = validators_allowed;
    return {.units = {"geth.service"}, .objections = objections};
  }
  Result<std::string> inject(const drill::Run& run, std::stop_token stop) override {
    note("inject " + run.drill);
    std::unique_lock lock(mutex);
    if (!until_stopped.wait(lock, stop, [&] { return !slow; })) return core::fail(Errc::kCancelled, "stopped");
    return "done";
  }
  Result<std::string> restore(const drill::Run& run, std::stop_token) override {
    note("restore " + run.drill);
    const std::scoped_lock lock(mutex);
    if (failures-- > 0) return core::fail(Errc::kFailed, "cannot");
    return "undone";
  }
  std::vector<std::string> seen() {
    const std::scoped_lock lock(mutex);
    return calls;
  }

  std::mutex mutex;
  std::condition_variable_any until_stopped;
  std::vector<std::string> calls;
  std::vector<std::string> objections;
  bool slow = false;
  bool allowed = false;
  int failures = 0;

 private:
  void note(std::string what) {
    const std::scoped_lock lock(mutex);
    calls.push_back(std::move(what));
  }
};

class FakeLookout final : public remedy::Lookout {
 public:
  remedy::Answer answer(const remedy::Question& question, core::Duration, std::stop_token) override {
    if (question.text == "1 == 1") return {remedy::Verdict::kYes, 1, ""};
    return {remedy::Verdict::kUnknown, 0, "no samples"};
  }
};

class DrillRunnerTest : public testing::Test {
 protected:
  DrillRunnerTest() : path_((test_support::fresh_folder("drill-runner") / "drills.db").string()) {
    plan_.drillable = {geth_component()};
    DrillConfig drill = geth_drill();
    drill.expect.notified.reset();
    drill.expect.remediation.reset();
    plan_.drills = {drill};
    plan_.policy = std::make_shared<const remedy::Policy>();
  }

  void open() {
    auto runner = DrillRunner::open(
        std::make_shared<const DrillPlan>(plan_), path_,
        {.injector = injector_,
         .lookout = lookout_,
         .marks = marks_,
         .clock = clock_,
         .situation =
             [this] {
               const std::scoped_lock lock(mutex_);
               return situation_;
             },
         .first_sample = [this](const FindFirstSample& asked, std::stop_token) -> std::optional<core::WallTime> {
           return asked.until - std::chrono::milliseconds(1);
         },
         .farewell = seconds(10)});
    ASSERT_TRUE(runner) << runner.error().message;
    runner_ = std::move(*runner);
    runner_->start();
  }
  void SetUp() override {
    remedy::Snapshot snapshot;
    snapshot.policy = plan_.policy;
    situation_.remedy = std::make_shared<const remedy::Snapshot>(snapshot);
    rules::GroupStatus group;
    rules::RuleStatus rule;
    rule.spec.kind = rules::RuleKind::kAlerting;
    rule.spec.name = "GethDown";
    group.rules.push_back(rule);
    situation_.rules = {std::make_shared<const rules::GroupStatus>(group)};
    open();
  }
  void set_paused() {
    remedy::Snapshot snapshot = *situation_.remedy;
    snapshot.pauses[""] = {"stop", "ann", clock_.wall_now()};
    const std::scoped_lock lock(mutex_);
    situation_.remedy = std::make_shared<const remedy::Snapshot>(snapshot);
  }
  bool reaches(Phase phase) {
    return eventually(seconds(10), [&] {
      const RunPtr run = runner_->snapshot()->last("geth-stops");
      return run != nullptr && run->phase == phase;
    });
  }
  RunPtr last() { return runner_->snapshot()->last("geth-stops"); }
  void alert(rules::AlertState to) {
    const auto now = clock_.wall_now();
    const auto transition = transition_of(geth_alert(), to, now, now);
    runner_->on_transitions({&transition, 1});
  }

  core::SystemClock clock_;
  std::string path_;
  DrillPlan plan_;
  FakeInjector injector_;
  FakeLookout lookout_;
  DrillMarks marks_;
  std::mutex mutex_;
  Situation situation_;  // guarded by mutex_
  std::unique_ptr<DrillRunner> runner_;
};

TEST_F(DrillRunnerTest, RunsFromTheInjectionToTheResolution) {
  const auto id = runner_->run("geth-stops", "ann", false);
  ASSERT_TRUE(id) << id.error().message;
  ASSERT_TRUE(reaches(Phase::kWatching));
  EXPECT_EQ(last()->id, *id);
  EXPECT_FALSE(marks_.idle());
  EXPECT_FALSE(runner_->run("geth-stops", "bob", false)) << "one at a time";
  alert(rules::AlertState::kFiring);
  ASSERT_TRUE(reaches(Phase::kRecovering)) << to_json_text(*last());
  alert(rules::AlertState::kInactive);
  ASSERT_TRUE(reaches(Phase::kOver));
  EXPECT_EQ(last()->ending, Ending::kPassed) << last()->reason;
  EXPECT_THAT(injector_.seen(), testing::ElementsAre("inject geth-stops", "restore geth-stops"));
  EXPECT_EQ(runner_->stats().passed, 1U);
  EXPECT_EQ(runner_->snapshot()->last_passed("geth-stops")->id, *id);
  const auto first = std::ranges::find(last()->timeline, "first bad sample", &Moment::what);
  EXPECT_NE(first, last()->timeline.end());
}

TEST_F(DrillRunnerTest, RefusesWithTheReason) {
  EXPECT_EQ(runner_->run("nothing", "ann", false).error().code, Errc::kNotFound);
  injector_.objections = {"validator.service would stop with it"};
  auto refused = runner_->run("geth-stops", "ann", false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("validator.service would stop with it"));
  EXPECT_EQ(runner_->snapshot()->refusals.at("geth-stops").who, "ann");
  injector_.objections.clear();
  set_paused();
  EXPECT_THAT(runner_->run("geth-stops", "ann", false).error().message, HasSubstr("automation is paused by ann"));
  EXPECT_EQ(runner_->stats().refused, 2U);
  EXPECT_THAT(injector_.seen(), testing::IsEmpty());
}

TEST_F(DrillRunnerTest, UnknownIsNo) {
  plan_.drills[0].require = {"1 == 1", "up == 1"};
  runner_->configure(std::make_shared<const DrillPlan>(plan_));
  const auto outlook = runner_->outlook("geth-stops");
  ASSERT_TRUE(outlook);
  EXPECT_THAT(outlook->objections, testing::ElementsAre("require up == 1: unknown: no samples"));
  EXPECT_EQ(outlook->findings[0].verdict, "yes");
  EXPECT_FALSE(runner_->run("geth-stops", "ann", false));
}

TEST_F(DrillRunnerTest, ValidatorsNeedAYes) {
  plan_.drillable[0].labels["job"] = "lighthouse_validator";
  plan_.drills[0].allow_validators = true;
  runner_->configure(std::make_shared<const DrillPlan>(plan_));
  const auto refused = runner_->run("geth-stops", "ann", false);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("say --yes"));
  EXPECT_FALSE(injector_.allowed);
  EXPECT_TRUE(runner_->run("geth-stops", "ann", true));
  EXPECT_TRUE(injector_.allowed);
}

TEST_F(DrillRunnerTest, ACancelEndsASlowInjectionAndRestores) {
  injector_.slow = true;
  ASSERT_TRUE(runner_->run("geth-stops", "ann", false));
  ASSERT_TRUE(eventually(seconds(5), [&] { return !injector_.seen().empty(); }));
  ASSERT_TRUE(runner_->cancel("geth-stops", "bob"));
  ASSERT_TRUE(reaches(Phase::kOver));
  EXPECT_EQ(last()->reason, "cancelled by bob");
  EXPECT_THAT(injector_.seen(), testing::ElementsAre("inject geth-stops", "restore geth-stops"));
  EXPECT_FALSE(runner_->cancel("geth-stops", "bob"));
}

TEST_F(DrillRunnerTest, APauseEndsIt) {
  ASSERT_TRUE(runner_->run("geth-stops", "ann", false));
  ASSERT_TRUE(reaches(Phase::kWatching));
  set_paused();
  ASSERT_TRUE(reaches(Phase::kOver));
  EXPECT_EQ(last()->ending, Ending::kCancelled);
  EXPECT_EQ(last()->reason, "automation was paused by ann: stop");
}

TEST_F(DrillRunnerTest, AnIncidentEndsItAndItsOwnAlertsDoNot) {
  ASSERT_TRUE(runner_->run("geth-stops", "ann", false));
  ASSERT_TRUE(reaches(Phase::kWatching));
  const auto fires = [&](const core::ring::Labels& labels) {
    const std::scoped_lock lock(mutex_);
    rules::GroupStatus group = *situation_.rules.front();
    rules::AlertStatus alert;
    alert.labels = labels;
    alert.state = rules::AlertState::kFiring;
    alert.active_at = clock_.wall_now();
    group.rules.front().alerts.push_back(alert);
    situation_.rules = {std::make_shared<const rules::GroupStatus>(std::move(group))};
  };
  fires({{"alertname", "TargetDown"}, {"instance", "geth-a"}, {"severity", "critical"}});
  EXPECT_FALSE(eventually(std::chrono::milliseconds(1200), [&] { return last()->phase != Phase::kWatching; }))
      << "one of the component";
  fires({{"alertname", "DiskFull"}, {"instance", "other"}, {"severity", "critical"}});
  ASSERT_TRUE(reaches(Phase::kOver));
  EXPECT_THAT(last()->reason, HasSubstr("an incident: {alertname=\"DiskFull\""));
}

TEST_F(DrillRunnerTest, AConditionToStopEndsIt) {
  plan_.drills[0].stop_if = {"up == 0", "1 == 1"};
  runner_->configure(std::make_shared<const DrillPlan>(plan_));
  ASSERT_TRUE(runner_->run("geth-stops", "ann", false));
  ASSERT_TRUE(reaches(Phase::kOver));
  EXPECT_EQ(last()->reason, "stop_if 1 == 1 holds");
}

TEST_F(DrillRunnerTest, TheEndOfTheAgentRestores) {
  ASSERT_TRUE(runner_->run("geth-stops", "ann", false));
  ASSERT_TRUE(reaches(Phase::kWatching));
  runner_->stop();
  EXPECT_THAT(injector_.seen(), testing::ElementsAre("inject geth-stops", "restore geth-stops"));
  EXPECT_EQ(last()->ending, Ending::kCancelled);
  EXPECT_FALSE(runner_->run("geth-stops", "ann", false));
}

TEST_F(DrillRunnerTest, WhatAKilledAgentLeftIsRestoredAtTheStart) {
  runner_.reset();
  {
    auto store = SqliteDrillStore::open(path_, clock_);
    ASSERT_TRUE(store);
    drill::Run left = run_of(plan_.drills[0], clock_.wall_now());
    left.alerts = {{geth_alert(), true, left.created, left.created, {}}};
    ASSERT_TRUE(store->put(left));
  }
  injector_.failures = 1;
  open();
  ASSERT_TRUE(reaches(Phase::kOver)) << "after a second attempt";
  EXPECT_THAT(injector_.seen(), testing::ElementsAre("restore geth-stops", "restore geth-stops"));
  EXPECT_EQ(last()->ending, Ending::kInterrupted);
  EXPECT_FALSE(marks_.idle()) << "its alert may still fire";
  EXPECT_EQ(runner_->stats().restores_failed, 1U);
}

TEST_F(DrillRunnerTest, ASchedulePassesThroughTheSameChecks) {
  const auto schedule = backup::Schedule::parse("30m");
  ASSERT_TRUE(schedule) << schedule.error().message;
  plan_.drills[0].schedule = *schedule;
  runner_.reset();
  {
    auto store = SqliteDrillStore::open(path_, clock_);
    ASSERT_TRUE(store);
    drill::Run before = run_of(plan_.drills[0], clock_.wall_now() - std::chrono::hours(1));
    before.phase = Phase::kOver;
    before.ending = Ending::kPassed;
    ASSERT_TRUE(store->put(before));
  }
  open();
  ASSERT_TRUE(reaches(Phase::kWatching));
  EXPECT_EQ(last()->who, "schedule");
}

}  // namespace
}  // namespace actions::drill
