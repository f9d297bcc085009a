// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/time/simulated_clock.h"
#include "rules/alert/rule_file.h"

namespace rules {
namespace {

using core::WallTime;
using core::ring::Labels;
using core::ring::Sample;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr WallTime kStart = core::from_unix_ms(1'700'000'000'000);

// Notes each transition as "<seconds since start> <instance> from->to".
class NotingSink final : public AlertSink {
 public:
  void on_transitions(std::span<const Transition> transitions) override {
    for (const Transition& each : transitions) {
      last = each;
      const auto since = std::chrono::floor<seconds>(each.at - kStart).count();
      const std::string arrow = std::string(to_string(each.from)) + "->" + std::string(to_string(each.to));
      times.push_back(since);
      told.push_back(std::string(each.labels.get("instance")) + " " + arrow);
    }
  }
  std::vector<std::string> take() { return std::exchange(told, {}); }

  std::vector<std::string> told;
  std::vector<std::int64_t> times;
  Transition last;
};

// An agent's part that decides, over a ring in memory, in simulated time. Its process can be killed.
class RuleScenario : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = (std::filesystem::path(testing::TempDir()) / (std::string("runner_") + test->name() + ".db")).string();
    remove_files();
    begin_process();
  }
  void TearDown() override {
    end_process();
    remove_files();
  }
  void remove_files() {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }

  void begin_process() {
    ring_ = core::ring::make_memory_ring();
    input_ = ring_->make_appender();
    timeline_ = *input_->open_timeline();
    engine_.emplace(ring_->reader(), clock_);
    auto store = AlertStore::open(path_);
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
    runner_.emplace(*engine_, *ring_, clock_, *store_, std::vector<AlertSink*>{&sink_}, options_);
  }
  // Nothing is said or written on the way out, as after SIGKILL.
  void end_process() {
    runner_.reset();
    store_.reset();
    engine_.reset();
    input_.reset();
    ring_.reset();
  }

  void apply(std::string_view rules, RuleSettings settings = {}) {
    auto groups = parse_rule_file(rules, "r.yml");
    ASSERT_TRUE(groups) << groups.error().front().message;
    const auto applied = runner_->apply(std::move(*groups), settings);
    ASSERT_TRUE(applied) << applied.error().message;
  }

  // Lets time pass; every second each series of `values` has its sample, and due groups are evaluated.
  void run(seconds how_long) {
    for (seconds passed{0}; passed < how_long; ++passed) {
      clock_.advance(seconds(1));
      input_->begin(timeline_, clock_.unix_ms());
      for (const auto& [labels, value] : values_) {
        if (auto series = input_->upsert(timeline_, labels)) input_->append(*series, value);
      }
      input_->publish();
      runner_->evaluate_due();
    }
  }
  void set(const std::string& instance, double value) {
    values_[Labels{{"__name__", "up"}, {"instance", instance}}] = value;
  }

  std::string query(std::string_view text) const {
    auto result = engine_->instant(text, core::to_unix_ms(clock_.wall_now()));
    if (!result) return result.error().message;
    std::string found;
    for (const auto& element : std::get<promql::Vector>(result->value)) {
      found += element.labels.to_string() + "=" + std::to_string(static_cast<int>(element.sample.value)) + ";";
    }
    return found;
  }
  RuleStatus rule(std::size_t number = 0) const { return runner_->groups().at(0)->rules.at(number); }

  std::string path_;
  core::SimulatedClock clock_{kStart};
  RuleRunnerOptions options_;
  NotingSink sink_;
  std::map<Labels, double> values_;
  std::unique_ptr<core::ring::Ring> ring_;
  std::unique_ptr<core::ring::Appender> input_;
  core::ring::TimelineRef timeline_{};
  std::optional<promql::Engine> engine_;
  std::unique_ptr<AlertStore> store_;
  std::optional<RuleRunner> runner_;
};

constexpr std::string_view kDown = R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Down, expr: up == 0, for: 20s, annotations: {summary: is down}}
)";
constexpr std::string_view kDownAtOnce = R"(groups:
- name: g
  interval: 5s
  rules:
  - {alert: Down, expr: up == 0}
)";

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
  - {alert: Down, expr: up == 0, labels: {severity: page}, annotations: {summary: '{{ $labels.instance }} {{ $value }}'}}
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
  - {alert: Down, expr: up == 0, annotations: {summary: '{{ query "nonsense(" | first | value }}', n: '{{ query "up" | len }}'}}
)");
  set("a", 0);
  run(seconds(5));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing"));
  EXPECT_THAT(sink_.last.annotations.at("summary"), testing::StartsWith("<error expanding template: error executing"));
  EXPECT_EQ(sink_.last.annotations.at("n"), "1");
}

// ---- reload

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

// ---- restart

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

// ---- threads

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
