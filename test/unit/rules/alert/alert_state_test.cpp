// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/alert_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rules {
namespace {

using core::WallTime;
using core::ring::Labels;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr WallTime kBegin = core::from_unix_ms(1'700'000'000'000);

WallTime at(core::Millis since_start) { return kBegin + since_start; }

Labels named(std::string instance) { return Labels{{"alertname", "Down"}, {"instance", std::move(instance)}}; }

ActiveElement active(std::string instance, double value = 1) { return {named(std::move(instance)), {}, value}; }

AlertPolicy policy(core::Millis hold_for = core::Millis(0), core::Millis keep = core::Millis(0)) {
  AlertPolicy policy;
  policy.hold_for = hold_for;
  policy.keep_firing_for = keep;
  policy.interval = seconds(15);
  return policy;
}

std::string arrow(const Transition& transition) {
  return std::string(to_string(transition.from)) + "->" + std::string(to_string(transition.to));
}

// One rule's life: what is told to the sinks at each slot.
class Life {
 public:
  explicit Life(AlertPolicy policy) : policy_(std::move(policy)) {}

  std::vector<std::string> step(core::Millis since_start, std::vector<ActiveElement> elements,
                                Settling settling = Settling::kSettled) {
    auto next = advance(policy_, alerts_, elements, at(since_start), settling);
    EXPECT_TRUE(next) << next.error().message;
    if (!next) return {"failed"};
    return tell(since_start, std::move(*next));
  }
  std::vector<std::string> tell(core::Millis since_start, AlertTable table) {
    Announcement said = announce(policy_, table, at(since_start));
    alerts_ = std::move(said.alerts);
    last_ = std::move(said.transitions);
    std::vector<std::string> arrows;
    for (const Transition& transition : last_) arrows.push_back(arrow(transition));
    return arrows;
  }
  std::vector<std::string> step_failed(core::Millis since_start) { return tell(since_start, alerts_); }

  const Alert& only() const { return alerts_.begin()->second; }

  AlertPolicy policy_;
  AlertTable alerts_;
  std::vector<Transition> last_;
};

struct Step {
  int second;
  bool holds;
  std::vector<std::string> told;
};

struct LifeCase {
  std::string name;
  seconds hold_for;
  seconds keep_firing_for;
  std::vector<Step> steps;
};

class AlertLife : public testing::TestWithParam<LifeCase> {};

TEST_P(AlertLife, TellsEachChangeOnceAndRefreshesInTime) {
  Life life(policy(GetParam().hold_for, GetParam().keep_firing_for));
  for (const Step& step : GetParam().steps) {
    std::vector<ActiveElement> elements;
    if (step.holds) elements.push_back(active("a"));
    EXPECT_EQ(life.step(seconds(step.second), elements), step.told) << "at " << step.second << " s";
  }
}

const std::vector<std::string> kNothing;

INSTANTIATE_TEST_SUITE_P(
    Alerts, AlertLife,
    testing::Values(
        LifeCase{"without_for_it_is_never_pending", seconds(0), seconds(0), {{0, true, {"inactive->firing"}}}},
        LifeCase{"fires_when_for_has_passed",
                 seconds(30),
                 seconds(0),
                 {{0, true, {"inactive->pending"}}, {15, true, kNothing}, {30, true, {"pending->firing"}}}},
        LifeCase{"pending_is_forgotten",
                 seconds(30),
                 seconds(0),
                 {{0, true, {"inactive->pending"}},
                  {15, false, {"pending->inactive"}},
                  {30, true, {"inactive->pending"}},
                  {45, true, kNothing},
                  {60, true, {"pending->firing"}}}},
        LifeCase{"refreshed_once_a_minute",
                 seconds(0),
                 seconds(0),
                 {{0, true, {"inactive->firing"}},
                  {15, true, kNothing},
                  {45, true, kNothing},
                  {60, true, {"firing->firing"}},
                  {75, true, kNothing},
                  {120, true, {"firing->firing"}}}},
        LifeCase{"resolved_is_repeated_for_a_quarter_of_an_hour",
                 seconds(0),
                 seconds(0),
                 {{0, true, {"inactive->firing"}},
                  {15, false, {"firing->inactive"}},
                  {30, false, kNothing},
                  {75, false, {"inactive->inactive"}},
                  {915, false, {"inactive->inactive"}},
                  {930, false, kNothing},
                  {1000, false, kNothing}}},
        LifeCase{"a_resolved_alert_that_comes_back_is_new",
                 seconds(30),
                 seconds(0),
                 {{0, true, {"inactive->pending"}},
                  {30, true, {"pending->firing"}},
                  {45, false, {"firing->inactive"}},
                  {60, true, {"inactive->pending"}},
                  {90, true, {"pending->firing"}}}},
        LifeCase{"kept_firing",
                 seconds(0),
                 seconds(30),
                 {{0, true, {"inactive->firing"}},
                  {15, false, kNothing},
                  {30, false, kNothing},
                  {45, false, {"firing->inactive"}}}},
        LifeCase{"keeping_begins_anew_after_it_held_again",
                 seconds(0),
                 seconds(30),
                 {{0, true, {"inactive->firing"}},
                  {15, false, kNothing},
                  {30, true, kNothing},
                  {45, false, kNothing},
                  {60, false, {"firing->firing"}},
                  {75, false, {"firing->inactive"}}}},
        LifeCase{"pending_is_not_kept",
                 seconds(30),
                 seconds(60),
                 {{0, true, {"inactive->pending"}}, {15, false, {"pending->inactive"}}}}),
    [](const auto& each) { return each.param.name; });

TEST(AlertState, KnownAlertKeepsItsTimesAndTakesValueAndAnnotations) {
  Life life(policy(seconds(30)));
  life.step(seconds(0), {{named("a"), {{"summary", "one"}}, 1}});
  life.step(seconds(15), {{named("a"), {{"summary", "two"}}, 2}});
  EXPECT_EQ(life.only().active_at, at(seconds(0)));
  EXPECT_EQ(life.only().value, 2);
  EXPECT_EQ(life.only().annotations.at("summary"), "two");
}

TEST(AlertState, TransitionSaysSinceWhenAndForHowLong) {
  Life life(policy(seconds(30)));
  life.policy_.file = "a.yml";
  life.policy_.group = "g";
  life.policy_.generator_url = "http://here/graph";
  life.step(seconds(0), {active("a")});
  life.step(seconds(30), {active("a", 7)});
  ASSERT_EQ(life.last_.size(), 1U);
  const Transition fired = life.last_.front();
  EXPECT_EQ(fired.labels, named("a"));
  EXPECT_EQ(fired.active_at, at(seconds(0)));
  EXPECT_EQ(fired.fired_at, at(seconds(30)));
  EXPECT_EQ(fired.at, at(seconds(30)));
  EXPECT_EQ(fired.value, 7);
  EXPECT_EQ(fired.valid_for, minutes(4));
  EXPECT_EQ(fired.file + " " + fired.group + " " + fired.generator_url, "a.yml g http://here/graph");
  life.step(seconds(45), {});
  EXPECT_EQ(life.last_.front().fired_at, at(seconds(30)));
  EXPECT_EQ(life.last_.front().resolved_at, at(seconds(45)));
}

TEST(AlertState, EqualLabelsFail) {
  const auto next = advance(policy(), {}, {active("a"), active("a", 2)}, at(seconds(0)));
  ASSERT_FALSE(next);
  EXPECT_THAT(next.error().message,
              testing::HasSubstr("vector contains metrics with the same labelset after applying alert labels"));
}

TEST(AlertState, BeyondItsLimitARuleFailsAndKeepsItsAlerts) {
  Life life(policy());
  life.policy_.limit = 2;
  life.step(seconds(0), {active("a"), active("b")});
  const AlertTable before = life.alerts_;
  const auto next = advance(life.policy_, before, {active("a"), active("b"), active("c")}, at(seconds(15)));
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().message, "exceeded limit of 2 with 3 alerts");
  EXPECT_EQ(next.error().code, core::Errc::kLimitExceeded);
  EXPECT_EQ(life.alerts_, before);
}

TEST(AlertState, KeptAlertsCountTowardTheLimitAndResolvedOnesDoNot) {
  Life life(policy(seconds(0), minutes(1)));
  life.policy_.limit = 1;
  life.step(seconds(0), {active("a")});
  EXPECT_FALSE(advance(life.policy_, life.alerts_, {active("b")}, at(seconds(15))));
  life.policy_.keep_firing_for = core::Millis(0);
  EXPECT_TRUE(advance(life.policy_, life.alerts_, {active("b")}, at(seconds(15))));
}

TEST(AlertState, NoRuleIsWithoutLimit) {
  std::vector<ActiveElement> many;
  for (std::size_t i = 0; i <= kMaxAlertsPerRule; ++i) many.push_back(active(std::to_string(i)));
  const auto next = advance(policy(), {}, many, at(seconds(0)));
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().message, "exceeded limit of 10000 with 10001 alerts");
  many.pop_back();
  EXPECT_TRUE(advance(policy(), {}, many, at(seconds(0))));
}

TEST(AlertState, AFailingRuleGoesOnRefreshing) {
  Life life(policy());
  life.step(seconds(0), {active("a")});
  EXPECT_THAT(life.step_failed(seconds(15)), IsEmpty());
  EXPECT_THAT(life.step_failed(seconds(60)), ElementsAre("firing->firing"));
}

TEST(AlertState, LongerForTakesAFiringAlertBackAndSaysSo) {
  Life life(policy(seconds(0)));
  life.step(seconds(0), {active("a")});
  life.policy_.hold_for = seconds(60);
  EXPECT_THAT(life.step(seconds(15), {active("a")}), ElementsAre("firing->inactive", "inactive->pending"));
  EXPECT_EQ(life.only().active_at, at(seconds(0)));
  EXPECT_THAT(life.step(seconds(60), {active("a")}), ElementsAre("pending->firing"));
}

TEST(AlertState, WallClockSteppedBackNeitherDemotesNorSilences) {
  Life life(policy(seconds(30)));
  life.step(seconds(0), {active("a")});
  life.step(seconds(30), {active("a")});
  EXPECT_THAT(life.step(seconds(-3600), {active("a")}), ElementsAre("firing->firing"));
  EXPECT_EQ(life.only().state, AlertState::kFiring);
  EXPECT_THAT(life.step(seconds(-3540), {active("a")}), ElementsAre("firing->firing"));
}

TEST(AlertState, WallClockSteppedBackDoesNotStretchFor) {
  Life life(policy(seconds(30)));
  life.step(seconds(0), {active("a")});
  life.step(seconds(-3600), {active("a")});
  EXPECT_THAT(life.step(seconds(-3570), {active("a")}), ElementsAre("pending->firing"));
}

TEST(AlertState, SeriesOfPendingAndFiringAlerts) {
  Life life(policy(seconds(30)));
  life.step(core::Millis(500), {active("a")});
  auto samples = alert_series(life.alerts_);
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_EQ(samples[0].labels.to_string(), R"(ALERTS{alertname="Down", alertstate="pending", instance="a"})");
  EXPECT_EQ(samples[0].value, 1);
  EXPECT_EQ(samples[1].labels.to_string(), R"(ALERTS_FOR_STATE{alertname="Down", instance="a"})");
  EXPECT_EQ(samples[1].value, 1'700'000'000);
  life.step(seconds(60), {active("a")});
  EXPECT_EQ(alert_series(life.alerts_)[0].labels.get("alertstate"), "firing");
  life.step(seconds(75), {});
  EXPECT_THAT(alert_series(life.alerts_), IsEmpty());
}

TEST(AlertState, RuleLabelsReplaceTheElementsAndAlertnameWins) {
  const Labels element{{"__name__", "up"}, {"instance", "a"}, {"job", "geth"}, {"alertname", "Other"}};
  EXPECT_EQ(alert_labels(element, {{"severity", "page"}, {"job", ""}, {"alertname", "Mine"}}, "Down"),
            (Labels{{"alertname", "Down"}, {"instance", "a"}, {"severity", "page"}}));
}

TEST(AlertState, HighestStateOfARule) {
  EXPECT_EQ(highest_state({}), AlertState::kInactive);
  Life life(policy(seconds(30)));
  life.step(seconds(0), {active("a")});
  EXPECT_EQ(highest_state(life.alerts_), AlertState::kPending);
  life.step(seconds(30), {active("a"), active("b")});
  EXPECT_EQ(highest_state(life.alerts_), AlertState::kFiring);
}

TEST(Restored, FiringIsHeldWhileItsRuleSettles) {
  Life life(policy());
  life.step(seconds(0), {active("a")});
  life.alerts_ = restore(life.alerts_, seconds(15), at(seconds(100)));
  EXPECT_THAT(life.step_failed(seconds(100)), ElementsAre("firing->firing")) << "announced again at once";
  EXPECT_THAT(life.step(seconds(105), {}, Settling::kSettling), IsEmpty());
  EXPECT_EQ(life.only().state, AlertState::kFiring);
  EXPECT_THAT(life.step(seconds(120), {}, Settling::kSettled), ElementsAre("firing->inactive"));
}

TEST(Restored, OnceSeenAgainAbsenceIsBelieved) {
  Life life(policy());
  life.step(seconds(0), {active("a")});
  life.alerts_ = restore(life.alerts_, seconds(15), at(seconds(10)));
  life.step(seconds(15), {active("a")}, Settling::kSettling);
  EXPECT_THAT(life.step(seconds(30), {}, Settling::kSettling), ElementsAre("firing->inactive"));
}

TEST(Restored, PendingHeldWithoutDataDoesNotFireButKeepsItsFor) {
  Life life(policy(minutes(2)));
  life.step(seconds(0), {active("a")});
  life.alerts_ = restore(life.alerts_, seconds(15), at(seconds(30)));
  EXPECT_THAT(life.step(seconds(130), {}, Settling::kSettling), IsEmpty());
  EXPECT_THAT(life.step(seconds(145), {active("a")}, Settling::kSettling), ElementsAre("pending->firing"));
  EXPECT_EQ(life.only().active_at, at(seconds(0)));
}

TEST(Restored, TimeOfALongOutageDoesNotCountTowardFor) {
  Life life(policy(minutes(5)));
  life.step(seconds(0), {active("a")});
  life.step(minutes(1), {active("a")});
  life.alerts_ = restore(life.alerts_, seconds(15), at(minutes(31)));
  EXPECT_EQ(life.only().active_at, at(minutes(30)));
  EXPECT_THAT(life.step(minutes(34), {active("a")}), IsEmpty());
  EXPECT_THAT(life.step(minutes(35), {active("a")}), ElementsAre("pending->firing"));
}

TEST(Restored, ChangeThatWasDecidedButNotToldIsTold) {
  Life life(policy());
  life.step(seconds(0), {active("a")});
  auto resolved = advance(life.policy_, life.alerts_, {}, at(seconds(15)));
  ASSERT_TRUE(resolved);
  // The process dies here, between storing and telling, and comes back much later.
  life.alerts_ = restore(*resolved, seconds(15), at(minutes(60)));
  EXPECT_THAT(life.step(minutes(60), {}), ElementsAre("firing->inactive"));
  EXPECT_EQ(life.last_.front().resolved_at, at(seconds(15)));
}

TEST(Stored, OnlyDecisionsAndTimesAreWorthAWrite) {
  Life life(policy());
  life.step(seconds(0), {active("a")});
  const Alert stored = life.only();
  Alert now = stored;
  now.value = 5;
  now.annotations["summary"] = "new";
  now.seen_at += seconds(59);
  EXPECT_FALSE(worth_storing(stored, now));
  now.seen_at += seconds(1);
  EXPECT_TRUE(worth_storing(stored, now));
  now = stored;
  now.announced = AlertState::kInactive;
  EXPECT_TRUE(worth_storing(stored, now));
  now = stored;
  now.keep_firing_since = at(seconds(1));
  EXPECT_TRUE(worth_storing(stored, now));
}

}  // namespace
}  // namespace rules
