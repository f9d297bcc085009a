// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/unit/rules/alert/rule_scenario.h"

namespace rules {
namespace {

using core::ring::Labels;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(RuleScenario, AnAlertGoesThroughItsLife) {
  apply(kDown);
  EXPECT_EQ(rule().health, RuleHealth::kUnknown);
  EXPECT_FALSE(rule().state) << "unknown before the first evaluation";
  set("a", 1), set("b", 1);
  run(seconds(30));
  EXPECT_THAT(sink_.take(), IsEmpty());
  EXPECT_EQ(rule().health, RuleHealth::kOk);
  EXPECT_EQ(rule().state, AlertState::kInactive);
  set("a", 0);
  run(seconds(10));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->pending"));
  EXPECT_EQ(query("ALERTS"), "ALERTS{alertname=\"Down\", alertstate=\"pending\", instance=\"a\"}=1;");
  run(seconds(20));
  EXPECT_THAT(sink_.take(), ElementsAre("a pending->firing"));
  EXPECT_EQ(query("ALERTS"), "ALERTS{alertname=\"Down\", alertstate=\"firing\", instance=\"a\"}=1;");
  EXPECT_EQ(sink_.last.annotations.at("summary"), "is down");
  EXPECT_EQ(sink_.last.file, "r.yml");
  EXPECT_EQ(sink_.last.group, "g");
  EXPECT_EQ(sink_.last.generator_url, "/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
  run(minutes(2));
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->firing", "a firing->firing"));
  set("a", 1);
  run(seconds(10));
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->inactive"));
  EXPECT_EQ(query("ALERTS"), "");
  EXPECT_EQ(query("ALERTS_FOR_STATE"), "");
  run(minutes(20));
  EXPECT_THAT(sink_.take(), testing::SizeIs(testing::AllOf(testing::Ge(14U), testing::Le(16U))));
  EXPECT_TRUE(store_->load()->empty()) << "nothing is kept of an alert that is long over";
}

TEST_F(RuleScenario, StatusHasWhatTheApiShows) {
  apply(R"(groups:
- name: g
  interval: 5s
  limit: 3
  rules:
  - {record: 'instance:up:sum', expr: sum(up)}
  - alert: Down
    expr: up == 0
    labels: {severity: page}
    annotations: {summary: '{{ $labels.instance }} {{ $value }}'}
  - {alert: Nothing, expr: no_such_metric > 0}
)");
  set("a", 0);
  run(seconds(10));
  const auto group = runner_->groups().at(0);
  EXPECT_EQ(group->name, "g");
  EXPECT_EQ(group->file, "r.yml");
  EXPECT_EQ(group->interval, seconds(5));
  EXPECT_EQ(group->limit, 3U);
  EXPECT_EQ(group->evaluations, 2U);
  EXPECT_TRUE(group->last_evaluation);
  ASSERT_EQ(group->rules.size(), 3U);
  EXPECT_EQ(rule(0).spec.name, "instance:up:sum");
  EXPECT_EQ(rule(0).health, RuleHealth::kOk);
  ASSERT_EQ(rule(1).alerts.size(), 1U);
  const AlertStatus alert = rule(1).alerts.front();
  EXPECT_EQ(alert.labels, (Labels{{"alertname", "Down"}, {"instance", "a"}, {"severity", "page"}}));
  EXPECT_EQ(alert.annotations.at("summary"), "a 0");
  EXPECT_EQ(alert.state, AlertState::kFiring);
  EXPECT_EQ(alert.value, 0);
  EXPECT_TRUE(rule(1).found_series);
  EXPECT_FALSE(rule(2).found_series) << "it watches nothing";
  EXPECT_EQ(rule(2).health, RuleHealth::kOk);
  EXPECT_EQ(runner_->counters().evaluations.load(), 6U);
}

TEST_F(RuleScenario, ARuleSeesWhatTheOneBeforeItWrote) {
  apply(R"(groups:
- name: g
  interval: 5s
  rules:
  - {record: 'down:sum', expr: sum(up == bool 0), labels: {kind: total}}
  - {alert: TwoDown, expr: 'down:sum >= 2'}
)");
  set("a", 1), set("b", 0);
  run(seconds(10));
  EXPECT_EQ(query("down:sum"), "down:sum{kind=\"total\"}=1;");
  EXPECT_THAT(sink_.take(), IsEmpty());
  set("a", 0);
  run(seconds(5));
  EXPECT_THAT(sink_.take(), ElementsAre(" inactive->firing")) << "in the same iteration";
  values_.clear();
  run(seconds(301));
  run(seconds(5));
  EXPECT_EQ(query("down:sum"), "") << "ended by a stale marker, not by the lookback";
}

TEST_F(RuleScenario, AFailingRuleKeepsItsAlertsAndTheOthersGoOn) {
  apply(R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Same, expr: 'label_replace(up == 0, "instance", "x", "", "")'}
  - {alert: Down, expr: up == 0}
)");
  set("a", 0);
  run(seconds(10));
  EXPECT_THAT(sink_.take(), ElementsAre("x inactive->firing", "a inactive->firing"));
  set("b", 0);
  run(seconds(60));
  EXPECT_EQ(rule(0).health, RuleHealth::kFailing);
  EXPECT_THAT(rule(0).last_error, HasSubstr("same labelset"));
  EXPECT_EQ(rule(0).alerts.size(), 1U);
  EXPECT_THAT(sink_.take(),
              testing::UnorderedElementsAre("b inactive->firing", "x firing->firing", "a firing->firing"));
  EXPECT_EQ(query("ALERTS{alertname=\"Same\"}"),
            "ALERTS{alertname=\"Same\", alertstate=\"firing\", instance=\"x\"}=1;");
  EXPECT_GE(runner_->counters().evaluation_failures.load(), 11U);
  values_.erase(Labels{{"__name__", "up"}, {"instance", "b"}});
  set("a", 1);
  run(minutes(6));
  EXPECT_EQ(rule(0).health, RuleHealth::kOk);
}

TEST_F(RuleScenario, BeyondItsLimitARuleKeepsWhatFires) {
  apply(R"(groups:
- name: g
  interval: 5s
  limit: 1
  rules:
  - {alert: Down, expr: up == 0}
)");
  set("a", 0);
  run(seconds(5));
  set("b", 0);
  run(seconds(5));
  EXPECT_EQ(rule().last_error, "exceeded limit of 1 with 2 alerts");
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing"));
  EXPECT_EQ(rule().alerts.size(), 1U);
}

TEST_F(RuleScenario, QueryOffsetMovesQueryAndSamples) {
  apply(R"(groups:
- name: g
  interval: 5s
  query_offset: 30s
  rules:
  - {record: shifted, expr: up}
)");
  set("a", 1);
  run(seconds(29));
  EXPECT_EQ(query("shifted"), "");
  run(seconds(10));
  const auto selected = ring_->reader().select(std::vector{core::ring::Matcher::equal("__name__", "shifted")});
  ASSERT_EQ(selected.size(), 1U);
  const auto last = ring_->reader().last(selected.front().ref);
  EXPECT_LE(last->time_ms, clock_.unix_ms() - 30'000);
}

TEST_F(RuleScenario, MissedSlotsAreCountedAndTheNextIsTaken) {
  apply(kDownAtOnce);
  run(seconds(10));
  clock_.advance(seconds(23));
  run(seconds(5));
  EXPECT_GE(runner_->groups().at(0)->missed_slots, 3U);
  EXPECT_EQ(runner_->counters().missed_slots.load(), runner_->groups().at(0)->missed_slots);
  EXPECT_GT(runner_->next_due(), clock_.wall_now());
}

TEST_F(RuleScenario, AWallClockSteppedBackDoesNotStopEvaluation) {
  apply(kDownAtOnce);
  set("a", 1);
  run(seconds(10));
  clock_.step_wall(-minutes(30));
  const auto before = runner_->groups().at(0)->evaluations;
  run(seconds(20));
  EXPECT_EQ(runner_->groups().at(0)->evaluations, before + 5) << "one at once, then each five seconds";
}

TEST_F(RuleScenario, FailedTemplateIsTextAndTheAlertGoesOn) {
  apply(R"(groups:
- name: g
  interval: 5s
  rules:
  - alert: Down
    expr: up == 0
    annotations: {summary: '{{ query "nonsense(" | first | value }}', n: '{{ query "up" | len }}'}
)");
  set("a", 0);
  run(seconds(5));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing"));
  EXPECT_THAT(sink_.last.annotations.at("summary"), testing::StartsWith("<error expanding template: error executing"));
  EXPECT_EQ(sink_.last.annotations.at("n"), "1");
}

TEST(RuleRunnerThreads, EvaluateOnTheirOwnAndStopAtOnce) {
  const core::SystemClock clock;
  const auto ring = core::ring::make_memory_ring();
  const promql::Engine engine(ring->reader(), clock);
  const auto store = AlertStore::open(":memory:");
  ASSERT_TRUE(store);
  class CountingSink final : public AlertSink {
   public:
    void on_transitions(std::span<const Transition> transitions) override {
      const std::lock_guard lock(mutex);
      seen += transitions.size();
      changed.notify_all();
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t seen = 0;
  } sink;
  RuleRunner runner(engine, *ring, clock, **store, {&sink});
  runner.start();
  auto groups = parse_rule_file(R"(groups:
- name: one
  interval: 20ms
  rules: [{alert: Always, expr: vector(1)}]
- name: two
  interval: 20ms
  rules: [{alert: Always, expr: vector(1), labels: {group: two}}]
- name: three
  interval: 20ms
  rules: [{record: sum, expr: vector(1)}]
)",
                                "r.yml");
  ASSERT_TRUE(groups);
  ASSERT_TRUE(runner.apply(std::move(*groups), {}));
  {
    std::unique_lock lock(sink.mutex);
    EXPECT_TRUE(sink.changed.wait_for(lock, seconds(20), [&sink] { return sink.seen >= 2; }));
  }
  ASSERT_TRUE(runner.apply({}, {})) << "a reload while threads run";
  {
    std::unique_lock lock(sink.mutex);
    EXPECT_TRUE(sink.changed.wait_for(lock, seconds(20), [&sink] { return sink.seen >= 4; })) << "both resolve";
  }
  EXPECT_THAT(runner.groups(), IsEmpty());
  runner.stop();
}

}  // namespace
}  // namespace rules
