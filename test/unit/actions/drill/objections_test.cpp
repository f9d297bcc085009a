// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/objections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/time/simulated_clock.h"
#include "sample_drills.h"

namespace actions::drill {
namespace {

using rules::AlertState;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Objections : public testing::Test {
 protected:
  Objections() {
    remedy::Policy policy;
    remedy::RemediationConfig restart;
    restart.name = "restart-geth";
    restart.match = {core::ring::Matcher::equal("alertname", "Other")};
    policy.remediations = {restart};
    policy.storm = {.runs = 2, .alerts = 2, .window = minutes(10)};
    snapshot_.policy = std::make_shared<const remedy::Policy>(std::move(policy));
    add_rule("GethDown");
  }

  rules::RuleStatus& add_rule(const std::string& name) {
    rules::RuleStatus rule;
    rule.spec.kind = rules::RuleKind::kAlerting;
    rule.spec.name = name;
    group_.rules.push_back(std::move(rule));
    return group_.rules.back();
  }
  void add_alert(const core::ring::Labels& labels, AlertState state, core::Duration age = minutes(1)) {
    rules::AlertStatus alert;
    alert.labels = labels;
    alert.state = state;
    alert.active_at = clock_.wall_now() - std::chrono::duration_cast<core::WallTime::duration>(age);
    if (state == AlertState::kFiring) alert.fired_at = alert.active_at;
    group_.rules.front().alerts.push_back(std::move(alert));
  }
  void add_run(remedy::RunState state, bool final, core::Duration age = minutes(1)) {
    remedy::Run run;
    run.id = "run-" + std::to_string(snapshot_.runs.size());
    run.state = state;
    run.final = final;
    run.started = clock_.wall_now() - std::chrono::duration_cast<core::WallTime::duration>(age);
    snapshot_.runs.push_back(std::make_shared<const remedy::Run>(std::move(run)));
  }
  Situation situation() const {
    Situation situation;
    situation.rules = {std::make_shared<const rules::GroupStatus>(group_)};
    situation.remedy = std::make_shared<const remedy::Snapshot>(snapshot_);
    situation.somebody_is_told = told_;
    situation.notifier_degraded = degraded_;
    situation.resting = resting_;
    return situation;
  }
  std::vector<std::string> all(const DrillConfig& drill = geth_drill()) const {
    return objections(drill, situation(), {clock_.wall_now(), clock_.steady_now()});
  }
  std::string ends() const {
    return reason_to_end(situation(),
                         [](const rules::AlertStatus& alert) { return alert.labels.get("instance") == "geth-a"; });
  }

  core::SimulatedClock clock_;
  remedy::Snapshot snapshot_;
  rules::GroupStatus group_;
  bool told_ = true;
  std::string degraded_;
  std::vector<std::string> resting_;
};

TEST_F(Objections, NothingObjectsWhenAllIsQuiet) {
  add_alert({{"alertname", "Other"}, {"severity", "warning"}}, AlertState::kFiring);
  snapshot_.pauses["other-remediation"] = {"x", "ann", {}};
  add_run(remedy::RunState::kSucceeded, true);
  EXPECT_THAT(all(), IsEmpty());
  EXPECT_EQ(ends(), "");
}

TEST_F(Objections, AClientThatABackupHasStopped) {
  resting_ = {"geth.service"};
  EXPECT_THAT(all(), ElementsAre("geth.service is stopped for its backup"));
  EXPECT_EQ(ends(), "");
}

TEST_F(Objections, APause) {
  snapshot_.pauses[""] = {"storage migration", "ann", {}};
  EXPECT_THAT(all(), ElementsAre("automation is paused by ann: storage migration"));
  EXPECT_EQ(ends(), "automation was paused by ann: storage migration");
  snapshot_.pauses.clear();
  snapshot_.pauses["restart-geth"] = {"wrong", "ann", {}};
  EXPECT_THAT(all(), ElementsAre("restart-geth is paused by ann: wrong"));
}

TEST_F(Objections, AnIncident) {
  add_alert({{"alertname", "DiskFull"}, {"severity", "critical"}}, AlertState::kPending);
  EXPECT_THAT(all(), IsEmpty());
  add_alert({{"alertname", "DiskFull"}, {"severity", "critical"}}, AlertState::kFiring);
  EXPECT_THAT(all(), ElementsAre(HasSubstr("an incident: {alertname=\"DiskFull\"")));
  EXPECT_THAT(ends(), HasSubstr("an incident"));
}

TEST_F(Objections, WhatFiresAlreadyCannotBeDetected) {
  add_alert(geth_alert(), AlertState::kPending);
  EXPECT_THAT(all(), ElementsAre(HasSubstr("is pending already")));
}

TEST_F(Objections, AnAlertOfTheComponentDoesNotEndTheDrill) {
  add_alert(geth_alert(), AlertState::kFiring);
  EXPECT_EQ(ends(), "");
}

TEST_F(Objections, RemediationsAtWorkAndStorms) {
  add_run(remedy::RunState::kRunning, false);
  EXPECT_THAT(all(), ElementsAre("run-0 is running"));
  add_run(remedy::RunState::kInterrupted, false, minutes(60));
  EXPECT_THAT(all(), ElementsAre("run-0 is running", "run-1 was interrupted and needs a person"));
  snapshot_.runs.clear();
  add_run(remedy::RunState::kSucceeded, true);
  add_run(remedy::RunState::kFailed, true);
  EXPECT_THAT(all(), ElementsAre("a storm: 2 remediations began within 10m"));
  snapshot_.runs.clear();
  add_alert({{"alertname", "Other"}, {"instance", "a"}}, AlertState::kFiring);
  add_alert({{"alertname", "Other"}, {"instance", "b"}}, AlertState::kFiring, minutes(11));
  EXPECT_THAT(all(), IsEmpty());
  add_alert({{"alertname", "Other"}, {"instance", "c"}}, AlertState::kFiring);
  EXPECT_THAT(all(), ElementsAre("a storm: 2 alerts with a remediation began within 10m"));
}

TEST_F(Objections, AWatchThatIsImpaired) {
  snapshot_.degraded = "disk full";
  degraded_ = "from memory only";
  told_ = false;
  group_.rules.front().spec.name = "Renamed";
  EXPECT_THAT(all(), ElementsAre("remediations: disk full", "no rule has the name of the expected alert",
                                 "notifications: from memory only",
                                 "a notification is expected, and there is nobody to be told"));
}

}  // namespace
}  // namespace actions::drill
