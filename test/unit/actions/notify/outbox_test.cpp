// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/outbox.h"

#include <gmock/gmock.h>

#include "test/unit/actions/notify/fakes.h"

namespace actions::notify {
namespace {

using receivers::Verdict;
using test::hours;
using test::instant;
using test::Millis;
using test::minutes;
using test::seconds;
using testing::ElementsAre;

const std::string kWebhook = "ops/webhook/1";

Outgoing message(const std::string& key, bool firing, int episode = 1, const std::string& integration = kWebhook) {
  Outgoing outgoing;
  outgoing.integration = integration;
  outgoing.notification.group_key = key;
  receivers::Alert alert;
  alert.labels = {{"alertname", key}};
  alert.starts_at = core::from_unix_ms(episode * 1000);
  if (!firing) alert.ends_at = core::from_unix_ms(episode * 1000 + 500);
  outgoing.notification.alerts = {alert};
  return outgoing;
}

class OutboxTest : public testing::Test {
 protected:
  Instant now() const { return instant(clock_); }
  void add(Outgoing outgoing) { outbox_.add(std::move(outgoing), now(), changes_); }

  // The next message as "key firing" or "key resolved"; "" if none may be sent now.
  std::string next() {
    const auto attempt = outbox_.next(now());
    if (!attempt) return "";
    ids_.push_back(attempt->id);
    return attempt->notification->group_key + " " + std::string(attempt->notification->status());
  }
  void finish(std::size_t nth, Verdict verdict) { outbox_.finish(ids_.at(nth), verdict, now(), 0.5, changes_); }
  void deliver(std::size_t nth) { finish(nth, {}); }
  Verdict retry(std::optional<Millis> pause = {}) {
    return {.kind = Verdict::Kind::kRetry, .pause = pause, .why = "down"};
  }
  LaneStatus lane(const std::string& id = kWebhook) {
    for (const LaneStatus& each : outbox_.status(now())) {
      if (each.integration == id) return each;
    }
    return {};
  }

  core::SimulatedClock clock_;
  Outbox outbox_{{.messages_max = 5}};
  Changes changes_;
  std::vector<std::int64_t> ids_;
};

TEST_F(OutboxTest, OrderPerKeyAndOneOfAKeyInFlight) {
  add(message("a", true));
  add(message("a", false));
  add(message("b", true));
  EXPECT_EQ(next(), "a firing");
  EXPECT_EQ(next(), "b firing");
  EXPECT_EQ(next(), "");
  deliver(0);
  EXPECT_EQ(next(), "a resolved");
  deliver(1);
  deliver(2);
  EXPECT_EQ(lane().waiting, 0u);
  EXPECT_EQ(lane().counters.delivered, 3u);
  EXPECT_EQ(changes_.rows_saved.size(), 0u) << "delivered before they were written: nothing is left to write";
  EXPECT_EQ(changes_.rows_removed.size(), 3u);
}

TEST_F(OutboxTest, RetryAfterIsExactAndHoldsForTheWholeReceiver) {
  add(message("a", true));
  add(message("b", true));
  EXPECT_EQ(next(), "a firing");
  finish(0, retry(Millis(7000)));
  clock_.advance(Millis(6999));
  EXPECT_EQ(next(), "");
  EXPECT_EQ(outbox_.next_wakeup(), clock_.steady_now() + Millis(1));
  clock_.advance(Millis(1));
  EXPECT_NE(next(), "");
}

TEST_F(OutboxTest, BackoffIsBoundedAndProbesWithOneMessage) {
  for (const char* key : {"a", "b", "c"}) add(message(key, true));
  std::size_t attempts = 0;
  const core::SteadyTime end = clock_.steady_now() + minutes(10);
  while (const auto wake = outbox_.next_wakeup()) {
    if (*wake > end) break;
    clock_.advance(std::max<core::Duration>(*wake - clock_.steady_now(), {}));
    while (next() != "") ++attempts, finish(ids_.size() - 1, retry());
  }
  EXPECT_LE(attempts, 30u);
  EXPECT_GE(attempts, 10u);
  EXPECT_EQ(lane().waiting, 3u);
  EXPECT_EQ(lane().counters.retried, attempts);
}

TEST_F(OutboxTest, OneMessageThatAlwaysFailsDoesNotHoldUpTheOthers) {
  add(message("poison", true));
  add(message("good", true));
  std::vector<std::string> delivered;
  for (int i = 0; i < 100 && delivered.empty(); ++i) {
    clock_.advance(seconds(10));
    while (true) {
      const std::string one = next();
      if (one.empty()) break;
      if (one == "poison firing") {
        finish(ids_.size() - 1, retry());
      } else {
        delivered.push_back(one);
        deliver(ids_.size() - 1);
      }
    }
  }
  EXPECT_THAT(delivered, ElementsAre("good firing"));
}

TEST_F(OutboxTest, WhatTheReceiverWillNeverTakeIsADeadLetter) {
  add(message("a", true));
  add(message("a", false));
  next();
  finish(0, {.kind = Verdict::Kind::kReject, .pause = {}, .why = "400: bad"});
  ASSERT_EQ(changes_.dead_letters.size(), 1u);
  EXPECT_EQ(changes_.dead_letters[0].why, "400: bad");
  EXPECT_EQ(lane().counters.rejected, 1u);
  EXPECT_EQ(next(), "a resolved");
}

TEST_F(OutboxTest, RefusedReceiverIsLeftAloneUntilTheConfigurationChanges) {
  add(message("a", true));
  next();
  finish(0, {.kind = Verdict::Kind::kStop, .pause = {}, .why = "404"});
  clock_.advance(hours(3));
  EXPECT_EQ(next(), "");
  EXPECT_EQ(lane().stopped, "404");
  outbox_.reconfigure({}, {kWebhook}, changes_);
  EXPECT_EQ(lane().stopped, "");
  EXPECT_EQ(next(), "a firing");
}

TEST_F(OutboxTest, RepeatIsCollapsedButNeverAFiringWithItsResolution) {
  add(message("a", true));
  add(message("a", true));
  EXPECT_EQ(lane().waiting, 1u);
  EXPECT_EQ(lane().counters.collapsed, 1u);
  add(message("a", false));
  add(message("a", true, 2));
  add(message("a", false, 2));
  EXPECT_EQ(lane().waiting, 4u);
  std::vector<std::string> order;
  for (std::size_t i = 0; i < 4; ++i) {
    order.push_back(next());
    deliver(i);
  }
  EXPECT_THAT(order, ElementsAre("a firing", "a resolved", "a firing", "a resolved"));
}

TEST_F(OutboxTest, MessageInFlightIsNotCollapsed) {
  add(message("a", true));
  next();
  add(message("a", true));
  EXPECT_EQ(lane().waiting, 2u);
}

TEST_F(OutboxTest, FullOutboxDropsTheOldestAndCounts) {
  for (int i = 0; i < 8; ++i) add(message("k" + std::to_string(i), true));
  EXPECT_EQ(lane().waiting, 5u);
  EXPECT_EQ(lane().counters.overflowed, 3u);
  EXPECT_EQ(next(), "k3 firing");
}

TEST_F(OutboxTest, ExpiredMessagesAreCounted) {
  add(message("a", true));
  clock_.advance(hours(23));
  outbox_.expire(now(), changes_);
  EXPECT_EQ(lane().waiting, 1u);
  clock_.advance(hours(1));
  EXPECT_EQ(outbox_.next_wakeup(), clock_.steady_now() - hours(24));  // it could have been sent all the time
  outbox_.expire(now(), changes_);
  EXPECT_EQ(lane().waiting, 0u);
  EXPECT_EQ(lane().counters.expired, 1u);
}

TEST_F(OutboxTest, RenamedIntegrationsTakeTheirMessagesAlong) {
  add(message("a", true));
  outbox_.reconfigure({{kWebhook, "ops/webhook/2"}}, {"ops/webhook/2"}, changes_);
  EXPECT_EQ(lane("ops/webhook/2").waiting, 1u);
  EXPECT_EQ(changes_.rows_saved.begin()->second.integration, "ops/webhook/2");
  outbox_.reconfigure({}, {}, changes_);
  EXPECT_EQ(lane("ops/webhook/2").counters.orphaned, 1u);
  EXPECT_EQ(next(), "");
}

TEST_F(OutboxTest, RestoredRowsKeepOrderPauseAndId) {
  add(message("a", true));
  add(message("a", false));
  const std::string id = outbox_.next(now())->notification->delivery_id;
  outbox_.finish(1, retry(Millis(60'000)), now(), 0, changes_);
  Outbox second{{}};
  clock_.advance(seconds(10));
  for (const auto& [row_id, row] : changes_.rows_saved) ASSERT_TRUE(second.restore(row, now()));
  EXPECT_EQ(second.next(now()), std::nullopt) << "the receiver asked for 60 s of silence";
  clock_.advance(seconds(50));
  const auto attempt = second.next(now());
  ASSERT_TRUE(attempt);
  EXPECT_EQ(attempt->notification->delivery_id, id);
  EXPECT_TRUE(attempt->notification->firing());
  EXPECT_EQ(second.next(now()), std::nullopt);
  OutboxRow broken;
  broken.document = "{";
  EXPECT_FALSE(second.restore(broken, now()));
}

}  // namespace
}  // namespace actions::notify
