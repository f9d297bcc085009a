// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "test/support/noting_ring.h"
#include "test/unit/rules/alert/rule_scenario.h"

namespace rules {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// ---- reload: the same process, other rules

TEST_F(RuleScenario, AnUnchangedGroupSurvivesAReload) {
  apply(kDown);
  set("a", 0);
  run(seconds(15));
  const auto before = runner_->groups().at(0)->evaluations;
  apply(kDown);
  EXPECT_EQ(runner_->groups().at(0)->evaluations, before);
  run(seconds(12));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->pending", "a pending->firing"));
}

TEST_F(RuleScenario, AChangedGroupTakesOverAlertsOfRulesWithEqualNameAndLabels) {
  apply(kDown);
  set("a", 0);
  run(seconds(30));
  sink_.take();
  apply(R"(groups:
- name: g
  interval: 5s
  rules:
  - {record: extra, expr: sum(up)}
  - {alert: Down, expr: up < 1, for: 10s}
)");
  EXPECT_EQ(rule(1).alerts.size(), 1U);
  run(seconds(10));
  EXPECT_THAT(sink_.take(), IsEmpty()) << "still firing, nothing to tell";
  set("a", 1);
  run(seconds(5));
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->inactive"));
  EXPECT_EQ(query("ALERTS"), "");
}

TEST_F(RuleScenario, AlertsOfARemovedRuleResolveAndItsSeriesEnd) {
  apply(R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Down, expr: up == 0}
  - {alert: Other, expr: up == 0}
)");
  set("a", 0);
  run(seconds(5));
  sink_.take();
  apply(kDownAtOnce);
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->inactive"));
  EXPECT_EQ(sink_.last.labels.get("alertname"), "Other");
  run(seconds(5));
  EXPECT_EQ(query("ALERTS"), "ALERTS{alertname=\"Down\", alertstate=\"firing\", instance=\"a\"}=1;");
}

TEST_F(RuleScenario, ARemovedGroupLeavesNothingBehind) {
  apply(kDownAtOnce);
  set("a", 0);
  run(seconds(5));
  sink_.take();
  apply("groups: []");
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->inactive"));
  EXPECT_THAT(runner_->groups(), IsEmpty());
  EXPECT_NE(query("ALERTS"), "");
  run(seconds(12));
  EXPECT_EQ(query("ALERTS"), "") << "ended after two intervals";
  run(minutes(2));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->inactive", "a inactive->inactive"))
      << "the resolution is repeated";
  run(minutes(20));
  EXPECT_TRUE(store_->load()->empty());
}

// ---- restart: another process, the same state

TEST_F(RuleScenario, StateAfterAKillIsTheStateBefore) {
  apply(kDown);
  set("a", 0);
  run(seconds(40));
  set("b", 0);
  run(seconds(7));
  const RuleStatus before = rule();
  ASSERT_EQ(before.alerts.size(), 2U);
  sink_.take();
  end_process();
  begin_process();
  apply(kDown);
  const RuleStatus after = rule();
  ASSERT_EQ(after.alerts.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after.alerts[i].labels, before.alerts[i].labels);
    EXPECT_EQ(after.alerts[i].annotations, before.alerts[i].annotations);
    EXPECT_EQ(after.alerts[i].state, before.alerts[i].state);
    EXPECT_EQ(after.alerts[i].active_at, before.alerts[i].active_at);
    EXPECT_EQ(after.alerts[i].fired_at, before.alerts[i].fired_at);
  }
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->firing"))
      << "what fires is told again at once, what is pending is not";
}

TEST_F(RuleScenario, NoForStartsAnew) {
  apply(kDown);
  set("a", 0);
  run(seconds(15));
  end_process();
  clock_.advance(seconds(2));
  begin_process();
  apply(kDown);
  run(seconds(9));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->pending", "a pending->firing"));
}

TEST_F(RuleScenario, AnEmptyRingResolvesNothing) {
  apply(kDownAtOnce);
  set("a", 0);
  run(seconds(20));
  sink_.take();
  end_process();
  begin_process();
  values_.clear();
  apply(kDownAtOnce);
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->firing"));
  run(minutes(3));
  EXPECT_THAT(sink_.take(), testing::Each("a firing->firing"));
  EXPECT_EQ(rule().alerts.size(), 1U);
  EXPECT_EQ(query("ALERTS"), "ALERTS{alertname=\"Down\", alertstate=\"firing\", instance=\"a\"}=1;");
  set("a", 1);
  run(seconds(10));
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->inactive")) << "there is data again, and it is well";
}

TEST_F(RuleScenario, ARingWithOldSamplesOnlyResolvesNothing) {
  apply(kDownAtOnce);
  set("a", 0);
  run(seconds(20));
  sink_.take();
  // The process ends, its ring does not; the samples are out of reach of the expression when the next one begins.
  runner_.reset();
  clock_.advance(minutes(7));
  values_.clear();
  runner_.emplace(*engine_, *ring_, clock_, *store_, std::vector<AlertSink*>{&sink_}, options_);
  apply(kDownAtOnce);
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->firing"));
  run(minutes(3));
  EXPECT_THAT(sink_.take(), testing::Each("a firing->firing"));
  set("a", 1);
  run(seconds(10));
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->inactive")) << "there is data again, and it is well";
}

TEST_F(RuleScenario, AfterTheGraceAbsenceIsBelieved) {
  apply(kDownAtOnce);
  set("a", 0);
  run(seconds(20));
  end_process();
  values_.clear();
  begin_process();
  apply(kDownAtOnce);
  sink_.take();
  run(minutes(10) + seconds(10));
  EXPECT_EQ(sink_.take().back(), "a firing->inactive");
}

TEST_F(RuleScenario, AWallClockSteppedForwardDoesNotEndTheGrace) {
  apply(kDownAtOnce);
  set("a", 0);
  run(seconds(20));
  end_process();
  values_.clear();
  begin_process();
  apply(kDownAtOnce);
  sink_.take();
  clock_.step_wall(minutes(60));
  run(seconds(30));
  EXPECT_THAT(sink_.take(), testing::Each("a firing->firing"));
  EXPECT_EQ(rule().alerts.size(), 1U);
}

TEST_F(RuleScenario, AWindowThatIsNotFullAgainResolvesNothing) {
  constexpr std::string_view kOften = R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Often, expr: 'count_over_time(up[2m]) > 100'}
)";
  apply(kOften);
  set("a", 1);
  run(seconds(130));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing"));
  end_process();
  begin_process();
  apply(kOften);
  run(seconds(100));
  EXPECT_THAT(sink_.take(), testing::Each("a firing->firing")) << "the window begins empty after a restart";
  run(seconds(60));
  EXPECT_THAT(sink_.take(), testing::Each("a firing->firing"));
}

TEST_F(RuleScenario, AResolutionThatWasNotToldIsToldAfterTheRestart) {
  apply(kDownAtOnce);
  set("a", 0);
  run(seconds(10));
  set("a", 1);
  run(seconds(5));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing", "a firing->inactive"));
  end_process();
  begin_process();
  apply(kDownAtOnce);
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->inactive")) << "it may not have reached anyone";
}

TEST_F(RuleScenario, AnAlertWhoseRuleIsGoneAfterTheRestartResolves) {
  apply(kDownAtOnce);
  set("a", 0);
  run(seconds(10));
  sink_.take();
  end_process();
  begin_process();
  apply(R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Renamed, expr: up == 0}
)");
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->inactive"));
  EXPECT_EQ(sink_.last.labels.get("alertname"), "Down");
  EXPECT_TRUE(sink_.last.fired_at);
  EXPECT_EQ(sink_.last.resolved_at, clock_.wall_now());
  EXPECT_EQ(sink_.last.generator_url, "/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
}

TEST_F(RuleScenario, AStoreThatCannotBeWrittenIsCountedAndTheSinksAreToldAllTheSame) {
  apply(kDownAtOnce);
  set("a", 1);
  run(seconds(5));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "ALTER TABLE alert RENAME TO hidden", nullptr, nullptr, nullptr), SQLITE_OK);
  set("a", 0);
  run(seconds(5));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing"));
  EXPECT_GE(runner_->counters().state_write_failures.load(), 1U);
  ASSERT_EQ(sqlite3_exec(other, "ALTER TABLE hidden RENAME TO alert", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  run(seconds(5));
  EXPECT_EQ(store_->load()->size(), 1U) << "written at the next evaluation";
}

TEST_F(RuleScenario, AGroupGoesOnWithItsTimeline) {
  test_support::NotingRing ring;
  const auto start = [&](std::string_view file) {
    RuleRunner runner(*engine_, ring, clock_, *store_, std::vector<AlertSink*>{&sink_}, options_);
    auto groups = parse_rule_file("groups: [{name: g}, {name: h}]", std::string(file));
    ASSERT_TRUE(groups) << groups.error().front().message;
    ASSERT_TRUE(runner.apply(std::move(*groups), {}));
  };
  start("r.yml");
  start("r.yml");
  start("other.yml");
  const auto& ids = ring.identities;
  ASSERT_EQ(ids.size(), 6U);
  EXPECT_THAT(ids, testing::Each(testing::Ne(0U)));
  EXPECT_EQ(ids[0], ids[2]);
  EXPECT_EQ(ids[1], ids[3]);
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_NE(ids[0], ids[4]);
}

}  // namespace
}  // namespace rules
