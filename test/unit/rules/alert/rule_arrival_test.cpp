// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "rules/alert/arrival_budget.h"
#include "rules/alert/arrival_queue.h"
#include "rules/alert/rule_inputs.h"
#include "test/unit/rules/alert/rule_scenario.h"

namespace rules {
namespace {

using core::ring::Labels;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// Targets that are scraped when a test says so; a rule is evaluated at its interval or because of that.
class RuleArrival : public RuleScenario {
 protected:
  void SetUp() override {
    // Called before and after an evaluation.
    options_.cpu_time = [this] { return cpu_time_ += cost_each_; };
    RuleScenario::SetUp();
  }

  void scrape(const std::string& job, const std::string& instance, const std::string& metric, double value) {
    const Labels labels{{"__name__", metric}, {"job", job}, {"instance", instance}};
    input_->begin(timeline_, clock_.unix_ms());
    if (auto series = input_->upsert(timeline_, labels)) input_->append(*series, value);
    input_->publish();
    runner_->on_arrival({job, instance, clock_.unix_ms()});
  }
  // A moment passes, and what is due is evaluated.
  std::size_t pass(milliseconds time) {
    clock_.advance(time);
    return runner_->evaluate_due();
  }
  std::uint64_t on_arrival() const { return runner_->counters().arrival_evaluations.load(); }
  // Lets the rules find out what feeds them, and rest.
  void get_to_know() {
    for (int i = 0; i < 3; ++i) {
      clock_.advance(seconds(6));
      scrape("geth", "a", "up", 1);
      scrape("geth", "b", "up", 1);
      scrape("host", "a", "disk", 0);
      runner_->evaluate_due();
      pass(milliseconds(20));
    }
    sink_.take();
  }

  core::Duration cpu_time_{0};
  core::Duration cost_each_{0};
};

constexpr std::string_view kSlow = R"(groups:
- name: g
  interval: 1h
  rules:
  - {alert: Down, expr: up == 0}
)";

TEST_F(RuleArrival, AnAlertFiresWithTheScrapeThatShowsIt) {
  apply(kSlow);
  get_to_know();
  scrape("geth", "a", "up", 0);
  pass(milliseconds(1));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing"));
  EXPECT_EQ(sink_.last.at, clock_.wall_now());
  EXPECT_EQ(query("ALERTS"), "ALERTS{alertname=\"Down\", alertstate=\"firing\", instance=\"a\", job=\"geth\"}=1;");
  EXPECT_EQ(rule().state, AlertState::kFiring) << "the API shows it at once";
  pass(milliseconds(100));
  scrape("geth", "a", "up", 1);
  pass(milliseconds(1));
  EXPECT_THAT(sink_.take(), ElementsAre("a firing->inactive"));
  EXPECT_EQ(query("ALERTS"), "");
}

TEST_F(RuleArrival, OnlyByTheTargetsThatFeedIt) {
  apply(kSlow);
  get_to_know();
  const std::uint64_t before = on_arrival();
  const std::uint64_t arrivals = runner_->counters().arrivals.load();
  for (int i = 0; i < 10; ++i) {
    scrape("host", "a", "disk", i);
    pass(seconds(1));
  }
  EXPECT_EQ(on_arrival(), before);
  EXPECT_EQ(runner_->counters().arrivals.load(), arrivals) << "they do not even wake the thread";
  scrape("geth", "b", "up", 1);
  pass(seconds(1));
  EXPECT_EQ(on_arrival(), before + 1);
  scrape("host", "a", "up", 0);
  pass(seconds(1));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing")) << "a new series may feed any rule";
}

TEST_F(RuleArrival, ATargetHeardOfLaterFeedsTheSeriesItHadBefore) {
  apply(kSlow);
  input_->begin(timeline_, clock_.unix_ms());
  input_->append(*input_->upsert(timeline_, {{"__name__", "up"}, {"job", "late"}, {"instance", "c"}}), 1);
  input_->publish();
  clock_.advance(std::chrono::minutes(20));
  get_to_know();
  scrape("late", "c", "up", 0);
  pass(milliseconds(1));
  EXPECT_THAT(sink_.take(), ElementsAre("c inactive->firing"));
}

TEST_F(RuleArrival, HonouredLabelsMayComeFromAnyTarget) {
  apply(kSlow);
  get_to_know();
  const Labels pushed{{"__name__", "up"}, {"job", "cron"}, {"instance", "z"}};
  for (const int value : {1, 1, 0}) {
    clock_.advance(seconds(6));
    input_->begin(timeline_, clock_.unix_ms());
    input_->append(*input_->upsert(timeline_, pushed), value);
    input_->publish();
    scrape("host", "a", "disk", 0);
    pass(milliseconds(20));
  }
  EXPECT_THAT(sink_.take(), ElementsAre("z inactive->firing"));
}

TEST_F(RuleArrival, RecordingRulesBeforeItInItsGroupAreFollowed) {
  apply(R"(groups:
- name: g
  interval: 1h
  rules:
  - {record: unrelated, expr: disk}
  - {record: 'job:down', expr: sum by (job) (up == bool 0)}
  - {alert: TwoDown, expr: 'job:down >= 2'}
)");
  get_to_know();
  scrape("geth", "a", "up", 0);
  scrape("geth", "b", "up", 0);
  pass(milliseconds(1));
  EXPECT_THAT(sink_.take(), ElementsAre(" inactive->firing"));
  EXPECT_EQ(query("job:down"), "job:down{job=\"geth\"}=2;");
  EXPECT_EQ(query("unrelated"), "") << "nothing that was evaluated depends on it";
}

TEST_F(RuleArrival, ForIsExactByTime) {
  apply(R"(groups:
- name: g
  interval: 1h
  rules:
  - {alert: Down, expr: up == 0, for: 20s}
)");
  get_to_know();
  for (int second = 0; second < 20; ++second) {
    scrape("geth", "a", "up", 0);
    pass(seconds(1));
  }
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->pending")) << "evaluated a second after the first scrape";
  scrape("geth", "a", "up", 0);
  pass(milliseconds(999));
  EXPECT_THAT(sink_.take(), IsEmpty());
  scrape("geth", "a", "up", 0);
  pass(milliseconds(1));
  EXPECT_THAT(sink_.take(), IsEmpty()) << "it rests";
  pass(milliseconds(4));
  EXPECT_THAT(sink_.take(), ElementsAre("a pending->firing"));
  EXPECT_EQ(*sink_.last.fired_at - sink_.last.active_at, milliseconds(20'004));
}

TEST_F(RuleArrival, ManyArrivalsAreOneEvaluation) {
  apply(kSlow);
  get_to_know();
  const std::uint64_t before = on_arrival();
  for (int i = 0; i < 50; ++i) scrape("geth", i % 2 == 0 ? "a" : "b", "up", 1);
  pass(milliseconds(1));
  EXPECT_EQ(on_arrival(), before + 1);
  EXPECT_GE(runner_->counters().arrivals_coalesced.load(), 48U);
}

TEST_F(RuleArrival, AQueryOffsetIsWaitedFor) {
  RuleSettings settings;
  settings.query_offset = seconds(10);
  apply(kSlow, settings);
  get_to_know();
  pass(seconds(30));
  scrape("geth", "a", "up", 0);
  pass(milliseconds(9'999));
  EXPECT_THAT(sink_.take(), IsEmpty());
  pass(milliseconds(1));
  EXPECT_THAT(sink_.take(), ElementsAre("a inactive->firing"));
}

TEST_F(RuleArrival, RefreshesComeOnceAMinuteHoweverManyArrive) {
  apply(R"(groups:
- name: g
  interval: 2m
  rules:
  - {alert: Down, expr: up == 0}
)");
  get_to_know();
  for (int second = 0; second < 600; ++second) {
    scrape("geth", "a", "up", 0);
    pass(seconds(1));
  }
  const auto told = sink_.take();
  EXPECT_EQ(std::count(told.begin(), told.end(), "a inactive->firing"), 1);
  EXPECT_THAT(std::count(told.begin(), told.end(), "a firing->firing"),
              testing::AllOf(testing::Ge(9), testing::Le(15)));
}

TEST_F(RuleArrival, TheIntervalStillSeesWhatDoesNotArrive) {
  apply(R"(groups:
- name: g
  interval: 10s
  rules:
  - {alert: Gone, expr: absent(up)}
)");
  get_to_know();
  for (int second = 0; second < 320; ++second) pass(seconds(1));
  EXPECT_THAT(sink_.take(), testing::Contains(" inactive->firing"));
}

TEST_F(RuleArrival, WhatARuleCostsBoundsHowOftenItIsEvaluated) {
  RuleSettings settings;
  settings.rules.arrival_share = 0.2;
  apply(kSlow, settings);
  get_to_know();
  // Each evaluation takes 10 ms of the core: 1,000 scrapes a second must not make more than a twentieth of it.
  cost_each_ = milliseconds(10);
  const std::uint64_t before = on_arrival();
  const std::uint64_t busy = runner_->counters().arrival_busy_ns.load();
  for (int i = 0; i < 20'000; ++i) {
    scrape("geth", "a", "up", 1);
    pass(milliseconds(1));
  }
  EXPECT_GE(on_arrival() - before, 80U);
  // The simulated evaluation takes no time, so that only the pauses fill the twenty seconds.
  const double most = kRuleShareMax / (1 - kRuleShareMax);
  EXPECT_LE(core::Duration(runner_->counters().arrival_busy_ns.load() - busy), seconds(20) * most + cost_each_);
}

TEST_F(RuleArrival, AllRulesTogetherStayWithinTheShare) {
  std::string rules = "groups:\n- name: g\n  interval: 1h\n  rules:\n";
  for (int i = 0; i < 40; ++i) rules += "  - {alert: Down" + std::to_string(i) + ", expr: up == 0}\n";
  RuleSettings settings;
  settings.rules.arrival_share = 0.2;
  apply(rules, settings);
  get_to_know();
  cost_each_ = milliseconds(2);
  pass(seconds(60));
  const std::uint64_t busy = runner_->counters().arrival_busy_ns.load();
  for (int i = 0; i < 10'000; ++i) {
    scrape("geth", "a", "up", 1);
    pass(milliseconds(1));
  }
  const core::Duration spent(runner_->counters().arrival_busy_ns.load() - busy);
  // One group is on one of the two threads, which have half of the share each.
  EXPECT_LE(spent, seconds(10) * 0.1 + ArrivalBudget::kBurst * 2 + milliseconds(80));
  EXPECT_GE(spent, seconds(10) * 0.08) << "what there is to spend is used";
  scrape("geth", "a", "up", 0);
  for (int i = 0; i < 2'000; ++i) pass(milliseconds(1));
  EXPECT_THAT(sink_.take(), testing::SizeIs(40)) << "each rule has its turn";
}

TEST_F(RuleArrival, ByTheIntervalAloneIfSoConfigured) {
  RuleSettings settings;
  settings.rules.evaluate = Evaluate::kInterval;
  apply(kSlow, settings);
  get_to_know();
  scrape("geth", "a", "up", 0);
  EXPECT_EQ(pass(seconds(1)), 0U);
  EXPECT_EQ(runner_->counters().arrivals.load(), 0U);
}

TEST_F(RuleArrival, AWallClockThatGoesBackLeavesItToTheInterval) {
  apply(R"(groups:
- name: g
  interval: 10s
  rules:
  - {alert: Down, expr: up == 0}
)");
  get_to_know();
  scrape("geth", "a", "up", 1);
  pass(milliseconds(1));
  clock_.step_wall(-seconds(5));
  const std::uint64_t before = on_arrival();
  scrape("geth", "b", "up", 1);
  pass(milliseconds(20));
  EXPECT_EQ(rule().health, RuleHealth::kOk) << "nothing is written out of order";
  EXPECT_LE(on_arrival(), before + 1);
  pass(seconds(20));
  EXPECT_EQ(rule().health, RuleHealth::kOk);
}

TEST(RuleInputs, AreReadOffEverySelector) {
  const auto groups = parse_rule_file(R"(groups:
- name: g
  rules:
  - {record: 'a:sum', expr: 'sum(rate(x{job="geth"}[5m])) / on() max_over_time(y[1h:1m])'}
  - {record: b, expr: '{__name__=~"a:.*"} + z'}
  - {record: other, expr: w}
  - {alert: A, expr: 'b > 1 and up{job=~"x|y"} unless foreign'}
  - {record: late, expr: v}
)",
                                      "r.yml");
  ASSERT_TRUE(groups);
  const RuleSources sources = sources_of(groups->front().rules, 3, {"a:sum", "b", "other", "late", "foreign"});
  EXPECT_THAT(sources.steps, ElementsAre(0U, 1U));
  std::vector<std::string> inputs;
  for (const RuleInput& input : sources.inputs) inputs.push_back(input.metric + "/" + input.job);
  EXPECT_THAT(inputs, testing::UnorderedElementsAre("up/", "/", "z/", "x/geth", "y/"));
}

TEST(ArrivalQueue, IsBoundedAndDropsWhatItDoesNotKnow) {
  const auto ring = core::ring::make_memory_ring();
  ArrivalQueue queue(ring->reader());
  const core::SteadyTime now{};
  EXPECT_EQ(queue.offer({"j", "i", 1}, now), ArrivalQueue::Offered::kIgnored) << "nobody listens";
  queue.set_interest(ArrivalInterest{.in_any = true, .sources = {}, .generation = 0});
  for (std::size_t i = 0; i < ArrivalQueue::kSourcesMax; ++i) {
    ASSERT_EQ(queue.offer({"j", std::to_string(i), 1}, now), ArrivalQueue::Offered::kTaken);
  }
  EXPECT_EQ(queue.offer({"j", "one more", 1}, now), ArrivalQueue::Offered::kDropped);
  EXPECT_EQ(queue.offer({"j", "7", 9}, now), ArrivalQueue::Offered::kCoalesced);
  const auto taken = queue.take();
  ASSERT_EQ(taken.size(), ArrivalQueue::kSourcesMax);
  EXPECT_EQ(taken.at(7).first_ms, 1);
  EXPECT_EQ(taken.at(7).last_ms, 9);
}

}  // namespace
}  // namespace rules
