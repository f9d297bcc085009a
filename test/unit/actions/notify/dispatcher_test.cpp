// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/dispatcher.h"

#include <gmock/gmock.h>

#include "actions/notify/delivery.h"
#include "core/time/duration.h"
#include "test/unit/actions/notify/fakes.h"

namespace actions::notify {
namespace {

using core::ring::Labels;
using receivers::Reason;
using test::hours;
using test::instant;
using test::Millis;
using test::minutes;
using test::parse_config;
using test::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kPlain = R"(
route: {receiver: ops, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}]
)";

// Drives a dispatcher through simulated time and writes down what it tells, as "+0s first notification: A1 firing".
class Story {
 public:
  explicit Story(const std::string& yaml) {
    use(yaml);
    start_ = clock_.steady_now();
  }

  void use(const std::string& yaml) {
    const auto config = parse_config(yaml);
    ASSERT_TRUE(config) << config.error().message;
    auto delivery = build_delivery(*config, "http://me");
    ASSERT_TRUE(delivery) << delivery.error().message;
    if (dispatcher_) {
      take(dispatcher_->apply(delivery->routing, instant(clock_)));
    } else {
      dispatcher_.emplace(delivery->routing);
    }
    routing_ = delivery->routing;
  }

  void fire(const Labels& labels, std::optional<Millis> ago = {}, Millis valid_for = hours(100)) {
    AlertNews news;
    news.alert.labels = labels;
    news.alert.starts_at = clock_.wall_now() - ago.value_or(Millis(0));
    started_[labels] = news.alert.starts_at;
    news.valid_for = valid_for;
    take(dispatcher_->on_alert(news, instant(clock_)));
  }

  void resolve(const Labels& labels) {
    AlertNews news;
    news.alert.labels = labels;
    news.alert.starts_at = started_[labels];
    news.alert.ends_at = clock_.wall_now();
    take(dispatcher_->on_alert(news, instant(clock_)));
  }

  void pass(core::Duration time) {
    const core::SteadyTime end = clock_.steady_now() + time;
    while (const auto next = dispatcher_->next_wakeup()) {
      if (*next > end) break;
      if (*next > clock_.steady_now()) clock_.advance(*next - clock_.steady_now());
      take(dispatcher_->on_time(instant(clock_)));
    }
    clock_.advance(end - clock_.steady_now());
  }

  // Everything is forgotten but the documents of the groups.
  void restart() {
    std::vector<std::string> documents;
    for (const auto& [id, group] : dispatcher_->groups()) documents.push_back(to_json(group, instant(clock_)));
    dispatcher_.emplace(routing_);
    for (const std::string& document : documents) {
      auto group = group_from_json(document, instant(clock_));
      ASSERT_TRUE(group) << group.error().message;
      dispatcher_->restore(std::move(*group));
    }
    take(dispatcher_->apply(routing_, instant(clock_)));
  }

  std::vector<std::string> told() { return std::exchange(told_, {}); }
  Dispatcher& dispatcher() { return *dispatcher_; }
  core::SimulatedClock& clock() { return clock_; }

 private:
  void take(Effects effects) {
    for (const Outgoing& message : effects.messages) {
      const auto at = std::chrono::floor<Millis>(clock_.steady_now() - start_);
      std::string text =
          "+" + core::format_duration(at) + " " + std::string(to_string(message.notification.reason)) + ":";
      for (const auto& alert : message.notification.alerts) {
        text += " " + std::string(alert.labels.get("n")) + " " + std::string(alert.status());
      }
      told_.push_back(std::move(text));
    }
    // Every group that exists and was touched must be saved, and no other.
    for (const std::string& id : effects.changed_groups) EXPECT_TRUE(dispatcher_->groups().contains(id));
    for (const std::string& id : effects.removed_groups) EXPECT_FALSE(dispatcher_->groups().contains(id));
  }

  core::SimulatedClock clock_;
  core::SteadyTime start_;
  std::shared_ptr<const Routing> routing_;
  std::optional<Dispatcher> dispatcher_;
  std::map<Labels, core::WallTime> started_;
  std::vector<std::string> told_;
};

const Labels kA = {{"alertname", "X"}, {"n", "A"}};
const Labels kB = {{"alertname", "X"}, {"n", "B"}};
const Labels kC = {{"alertname", "Y"}, {"n", "C"}};

TEST(DispatcherTest, GroupWaitThenTheIntervalGrid) {
  Story story(kPlain);
  story.fire(kA);
  story.pass(seconds(10));
  story.fire(kB);
  story.pass(seconds(60));
  EXPECT_THAT(story.told(), ElementsAre("+30s first notification: A firing B firing"));
  story.fire({{"alertname", "X"}, {"n", "D"}});
  story.pass(minutes(10));
  EXPECT_THAT(story.told(), ElementsAre("+5m30s new alerts added: A firing B firing D firing"));
}

TEST(DispatcherTest, FiringThenResolvedAndTheGroupIsGone) {
  Story story(kPlain);
  story.fire(kA);
  story.pass(minutes(2));
  story.resolve(kA);
  story.pass(minutes(10));
  EXPECT_THAT(story.told(), ElementsAre("+30s first notification: A firing", "+5m30s all alerts resolved: A resolved"));
  EXPECT_THAT(story.dispatcher().groups(), IsEmpty());
  EXPECT_EQ(story.dispatcher().next_wakeup(), std::nullopt);
  story.fire(kA);
  story.pass(minutes(1));
  EXPECT_THAT(story.told(), ElementsAre("+12m30s first notification: A firing"));
}

TEST(DispatcherTest, SomeResolved) {
  Story story(kPlain);
  story.fire(kA);
  story.fire(kB);
  story.pass(minutes(1));
  story.resolve(kA);
  story.pass(minutes(20));
  EXPECT_THAT(story.told(), ElementsAre("+30s first notification: A firing B firing",
                                        "+5m30s some alerts resolved: A resolved B firing"));
}

TEST(DispatcherTest, GroupsAreToldApart) {
  Story story(kPlain);
  story.fire(kA);
  story.pass(seconds(1));
  story.fire(kC);
  story.pass(minutes(1));
  EXPECT_THAT(story.told(), ElementsAre("+30s first notification: A firing", "+31s first notification: C firing"));
}

TEST(DispatcherTest, ResolvedBeforeAnybodyWasToldIsCountedNotTold) {
  Story story(kPlain);
  story.fire(kA);
  story.pass(seconds(10));
  story.resolve(kA);
  story.pass(minutes(1));
  EXPECT_THAT(story.told(), IsEmpty());
  EXPECT_EQ(story.dispatcher().counters().resolved_unannounced, 1u);
  EXPECT_THAT(story.dispatcher().groups(), IsEmpty());
}

TEST(DispatcherTest, NeverABareResolutionOfWhatWasNotTold) {
  Story story(kPlain);
  story.fire(kA);
  story.pass(minutes(1));
  story.fire(kB);
  story.pass(seconds(10));
  story.resolve(kB);
  story.pass(minutes(10));
  EXPECT_THAT(story.told(), ElementsAre("+30s first notification: A firing"));
  EXPECT_EQ(story.dispatcher().counters().resolved_unannounced, 1u);
}

TEST(DispatcherTest, WhoWasToldOfTheEndIsNotToldOfAnEndAgain) {
  Story story(kPlain);
  story.fire(kA);
  story.fire(kB);
  story.pass(minutes(1));
  story.resolve(kA);
  story.pass(minutes(6));
  story.told();
  story.fire(kA);
  story.pass(seconds(10));
  story.resolve(kA);
  story.pass(minutes(10));
  EXPECT_THAT(story.told(), IsEmpty());
  EXPECT_EQ(story.dispatcher().counters().resolved_unannounced, 1u);
}

TEST(DispatcherTest, OldAlertFlushesAtOnceWhenItMakesTheGroup) {
  Story story(kPlain);
  story.fire(kA, hours(1));
  story.pass(seconds(0));
  EXPECT_THAT(story.told(), ElementsAre("+0s first notification: A firing"));
  story.fire(kB, hours(1));
  story.pass(minutes(5));
  EXPECT_THAT(story.told(), ElementsAre("+5m new alerts added: A firing B firing"));
}

TEST(DispatcherTest, RepeatsExactlyAfterRepeatInterval) {
  Story story(R"(
route: {receiver: ops, group_by: [alertname], group_wait: 10s, group_interval: 7m, repeat_interval: 1h}
receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}]
)");
  story.fire(kA);
  story.pass(minutes(130));
  EXPECT_THAT(story.told(), ElementsAre("+10s first notification: A firing", "+1h10s repeat interval elapsed: A firing",
                                        "+2h10s repeat interval elapsed: A firing"));
}

TEST(DispatcherTest, SecondEpisodeIsNews) {
  Story story(kPlain);
  story.fire(kA);
  story.fire(kB);
  story.pass(minutes(1));
  story.resolve(kA);
  story.pass(minutes(1));
  story.fire(kA);
  story.pass(minutes(10));
  EXPECT_THAT(story.told(),
              ElementsAre("+30s first notification: A firing B firing", "+5m30s new alerts added: A firing B firing"));
  EXPECT_EQ(story.dispatcher().counters().resolved_superseded, 1u);
}

TEST(DispatcherTest, RefreshesAndRemindersSayNothingNew) {
  Story story(kPlain);
  const auto start = story.clock().wall_now();
  for (int i = 0; i < 20; ++i) {
    story.fire(kA, std::chrono::duration_cast<Millis>(story.clock().wall_now() - start));
    story.pass(minutes(1));
  }
  story.resolve(kA);
  for (int i = 0; i < 20; ++i) {
    story.pass(minutes(1));
    story.resolve(kA);
  }
  EXPECT_THAT(story.told(),
              ElementsAre("+30s first notification: A firing", "+20m30s all alerts resolved: A resolved"));
}

TEST(DispatcherTest, AlertThatNobodyRefreshesResolvesByItself) {
  Story story(kPlain);
  story.fire(kA, {}, minutes(4));
  story.pass(minutes(11));
  EXPECT_THAT(story.told(), ElementsAre("+30s first notification: A firing", "+5m30s all alerts resolved: A resolved"));
  EXPECT_EQ(story.dispatcher().counters().expired, 1u);
}

TEST(DispatcherTest, SendResolvedFalse) {
  Story story(R"(
route: {receiver: ops, group_by: [alertname]}
receivers: [{name: ops, webhook_configs: [{url: 'http://h/', send_resolved: false}]}]
)");
  story.fire(kA);
  story.fire(kB);
  story.pass(minutes(1));
  story.resolve(kA);
  story.pass(minutes(10));
  story.resolve(kB);
  story.pass(minutes(10));
  story.fire(kA);
  story.pass(minutes(1));
  EXPECT_THAT(story.told(),
              ElementsAre("+30s first notification: A firing B firing", "+21m30s first notification: A firing"));
}

TEST(DispatcherTest, ContinueTellsSeveral) {
  Story story(R"(
route:
  receiver: ops
  group_by: [alertname]
  routes: [{matchers: [n=A], receiver: ops, group_wait: 1s, continue: true}, {matchers: ['n=~"A|B"'], receiver: two}]
receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}, {name: two, webhook_configs: [{url: 'http://1/'}, {url: 'http://2/'}]}]
)");
  story.fire(kA);
  story.pass(minutes(1));
  EXPECT_THAT(story.told(), ElementsAre("+1s first notification: A firing", "+30s first notification: A firing",
                                        "+30s first notification: A firing"));
}

TEST(DispatcherTest, InhibitedUntilEverySourceIsGone) {
  Story story(R"(
route: {receiver: ops, group_by: [n], group_wait: 1s, group_interval: 1m}
receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}]
inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [cluster]}]
)");
  const Labels source1 = {{"n", "S1"}, {"severity", "critical"}, {"cluster", "eu"}};
  const Labels source2 = {{"n", "S2"}, {"severity", "critical"}, {"cluster", "eu"}};
  const Labels target = {{"n", "T"}, {"severity", "warning"}, {"cluster", "eu"}};
  const Labels other = {{"n", "O"}, {"severity", "warning"}, {"cluster", "us"}};
  story.fire(source1);
  story.fire(source2);
  story.fire(target);
  story.fire(other);
  story.pass(seconds(30));
  EXPECT_THAT(story.told(),
              testing::UnorderedElementsAre("+1s first notification: S1 firing", "+1s first notification: S2 firing",
                                            "+1s first notification: O firing"));
  story.resolve(source1);
  story.pass(minutes(2));
  EXPECT_THAT(story.told(), ElementsAre("+1m1s all alerts resolved: S1 resolved"));
  story.resolve(source2);
  story.pass(minutes(2));
  EXPECT_THAT(story.told(), testing::UnorderedElementsAre("+3m1s all alerts resolved: S2 resolved",
                                                          "+3m1s first notification: T firing"));
  EXPECT_GT(story.dispatcher().counters().suppressed_inhibited, 0u);
}

TEST(DispatcherTest, ToldFiringIsToldResolvedEvenIfInhibitedByThen) {
  Story story(R"(
route: {receiver: ops, group_by: [n], group_wait: 1s, group_interval: 1m}
receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}]
inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning]}]
)");
  const Labels target = {{"n", "T"}, {"severity", "warning"}};
  story.fire(target);
  story.pass(seconds(30));
  story.fire({{"n", "S"}, {"severity", "critical"}});
  story.pass(minutes(5));
  story.told();
  story.resolve(target);
  story.pass(minutes(2));
  EXPECT_THAT(story.told(), ElementsAre("+6m1s all alerts resolved: T resolved"));
}

TEST(DispatcherTest, MutedByTimeIsToldAfterwards) {
  Story story(R"(
route:
  receiver: ops
  group_wait: 1s
  group_interval: 1h
  routes: [{matchers: [n=A], mute_time_intervals: [night]}]
receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}]
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}]
)");
  story.fire(kA);  // 2023-11-14T22:13:20Z
  story.pass(hours(1));
  EXPECT_THAT(story.told(), IsEmpty());
  story.pass(hours(2));
  EXPECT_THAT(story.told(), ElementsAre("+2h1s first notification: A firing"));
  EXPECT_GT(story.dispatcher().counters().suppressed_by_time, 0u);
}

TEST(DispatcherTest, RestartAtAnyMinuteTellsTheSame) {
  std::vector<std::string> expected;
  for (int restart_at = -1; restart_at < 26; ++restart_at) {
    Story story(kPlain);
    for (int minute = 0; minute < 26; ++minute) {
      if (minute == 0) story.fire(kA);
      if (minute == 3) story.fire(kB);
      if (minute == 9) story.resolve(kA);
      if (minute == 17) story.resolve(kB);
      if (minute == restart_at) story.restart();
      story.pass(minutes(1));
    }
    if (restart_at == -1) {
      expected = story.told();
      EXPECT_EQ(expected.size(), 4u);
    } else {
      EXPECT_EQ(story.told(), expected) << "restart at minute " << restart_at;
    }
  }
}

TEST(DispatcherTest, ClockStepsDoNotMoveTimers) {
  Story story(kPlain);
  story.fire(kA);
  story.clock().step_wall(-hours(5));
  story.pass(seconds(40));
  EXPECT_THAT(story.told(), ElementsAre("+30s first notification: A firing"));
  story.resolve(kA);
  story.clock().step_wall(hours(9));
  story.restart();
  story.pass(minutes(6));
  EXPECT_EQ(story.told().size(), 0u) << "an end before the start belongs to an earlier episode";
}

TEST(DispatcherTest, ChangedGroupingEndsTheOldGroupAndStartsTheNew) {
  Story story(kPlain);
  story.fire(kA);
  story.pass(minutes(1));
  story.told();
  story.use(R"(
route: {receiver: ops, group_by: [n], group_wait: 30s}
receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}]
)");
  story.pass(minutes(1));
  EXPECT_THAT(story.told(), ElementsAre("+1m all alerts resolved: A resolved", "+1m first notification: A firing"));
}

TEST(DispatcherTest, ReloadWithoutChangeSaysNothing) {
  Story story(kPlain);
  story.fire(kA);
  story.pass(minutes(1));
  story.told();
  story.use(kPlain);
  story.pass(minutes(20));
  EXPECT_THAT(story.told(), IsEmpty());
}

TEST(DispatcherTest, BoundsAreCounted) {
  Story story("route: {receiver: ops, group_by: [n]}\nreceivers: [{name: ops}]\n");
  for (std::size_t i = 0; i < Dispatcher::kGroupsMax + 7; ++i) story.fire({{"n", std::to_string(i)}});
  EXPECT_EQ(story.dispatcher().groups().size(), Dispatcher::kGroupsMax);
  EXPECT_EQ(story.dispatcher().counters().dropped_group_limit, 7u);
}

}  // namespace
}  // namespace actions::notify
