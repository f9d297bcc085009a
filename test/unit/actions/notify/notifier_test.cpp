// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/notifier.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "core/time/serial_thread.h"
#include "test/unit/actions/notify/fakes.h"

namespace actions::notify {
namespace {

using core::ring::Labels;
using rules::AlertState;
using test::FakeHttp;
using test::hours;
using test::Millis;
using test::minutes;
using test::parse_config;
using test::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kThree = R"(
route: {receiver: ops, group_by: [alertname], group_wait: 1s, group_interval: 10s, repeat_interval: 4h}
receivers:
  - name: ops
    webhook_configs: [{url: 'http://hook/'}]
    discord_configs: [{webhook_url: 'http://discord/secret-token'}]
    pagerduty_configs: [{routing_key: k, url: 'http://pagerduty/'}]
)";

constexpr const char* kHook = R"(
route: {receiver: ops, group_by: [alertname], group_wait: 1s, group_interval: 10s, repeat_interval: 4h}
receivers: [{name: ops, webhook_configs: [{url: 'http://hook/'}]}]
)";

const Labels kDisk = {{"alertname", "Disk"}};

// A notifier on a database file, with simulated time and receivers.
class NotifierTest : public testing::Test {
 protected:
  NotifierTest() {
    const auto* const test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = testing::TempDir() + "/watchkeeper_notifier_" + test->name() + ".db";
    remove_database();
  }
  ~NotifierTest() override {
    notifier_.reset();
    remove_database();
  }
  void remove_database() {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }

  NotifierSettings settings(const std::string& yaml) {
    const auto config = parse_config(yaml);
    EXPECT_TRUE(config) << config.error().message;
    return {.notify = *config, .alerting = {}, .external_labels = {{"site", "z1"}}, .external_url = "http://me"};
  }
  void open(const std::string& yaml) { open(settings(yaml)); }
  void open(const NotifierSettings& with) {
    auto opened = Notifier::open(with, {.database_path = path_, .outbox = {}, .database_pages_max = pages_max_},
                                 {.clock = clock_, .strand = clock_, .http = http_, .jitter = [] { return 0.5; }});
    ASSERT_TRUE(opened) << opened.error().message;
    notifier_ = std::move(*opened);
    clock_.run_due();
  }
  void kill() { notifier_.reset(); }

  void fire(const Labels& labels) {
    fired_at_ = clock_.wall_now();
    tell(labels, AlertState::kPending, AlertState::kFiring);
  }
  void refresh(const Labels& labels) { tell(labels, AlertState::kFiring, AlertState::kFiring); }
  void resolve(const Labels& labels) { tell(labels, AlertState::kFiring, AlertState::kInactive); }
  void remind(const Labels& labels) { tell(labels, AlertState::kInactive, AlertState::kInactive); }
  void tell(const Labels& labels, AlertState from, AlertState to) {
    const auto one = test::transition(labels, from, to, fired_at_, clock_.wall_now());
    notifier_->on_transitions({&one, 1});
    clock_.run_due();
  }
  void pass(core::Duration time) {
    for (; time > core::Duration::zero(); time -= std::min<core::Duration>(time, seconds(1))) {
      clock_.advance(std::min<core::Duration>(time, seconds(1)));
    }
  }

  // The statuses that a receiver accepted, in order.
  static std::string status_of(const core::net::Request& request) {
    const auto body = nlohmann::json::parse(request.body);
    if (body.contains("event_action")) return body["event_action"];
    if (body.contains("embeds")) return body["embeds"][0]["color"] == 3066993 ? "resolved" : "firing";
    return body["status"];
  }

  core::SimulatedClock clock_;
  FakeHttp http_{clock_};
  core::WallTime fired_at_;
  std::string path_;
  std::int64_t pages_max_ = Ledger::kPagesMax;
  std::unique_ptr<Notifier> notifier_;
};

TEST_F(NotifierTest, FiringThenResolvedOnceToEachReceiver) {
  std::map<std::string, std::vector<std::string>> got;
  http_.respond = [&](const core::net::Request& request) {
    got[request.url].push_back(status_of(request));
    return FakeHttp::status(200);
  };
  open(kThree);
  fire(kDisk);
  for (int i = 0; i < 30; ++i) pass(seconds(1)), refresh(kDisk);
  resolve(kDisk);
  for (int i = 0; i < 60; ++i) pass(seconds(1)), remind(kDisk);
  EXPECT_THAT(got["http://hook/"], ElementsAre("firing", "resolved"));
  EXPECT_THAT(got["http://discord/secret-token?wait=true"], ElementsAre("firing", "resolved"));
  EXPECT_THAT(got["http://pagerduty/"], ElementsAre("trigger", "resolve"));
  const auto status = notifier_->status();
  EXPECT_EQ(status.degraded, "");
  EXPECT_EQ(status.in_flight, 0u);
  for (const LaneStatus& lane : status.integrations) {
    EXPECT_EQ(lane.counters.delivered, 2u);
    EXPECT_EQ(lane.counters.attempts, 2u);
    EXPECT_EQ(lane.waiting, 0u);
  }
}

TEST_F(NotifierTest, ExternalLabelsAndRelabelling) {
  NotifierSettings with = settings(kHook);
  const auto node = core::config::Node::parse(
      "alert_relabel_configs: [{action: labeldrop, regex: replica}, "
      "{source_labels: [alertname], regex: Noise, action: drop}]",
      "f");
  with.alerting = *AlertingConfig::fields().read(*node);
  open(with);
  fire({{"alertname", "Disk"}, {"replica", "b"}});
  fire({{"alertname", "Noise"}});
  pass(seconds(5));
  ASSERT_EQ(http_.requests.size(), 1u);
  const auto labels = nlohmann::json::parse(http_.requests[0].request.body)["commonLabels"];
  EXPECT_EQ(labels, (nlohmann::json{{"alertname", "Disk"}, {"site", "z1"}}));
  EXPECT_EQ(notifier_->status().alerts_relabeled_away, 1u);
}

TEST_F(NotifierTest, ReceiverDownForAnHourGetsBothInOrderOnce) {
  bool up = false;
  std::vector<std::string> got;
  http_.respond = [&](const core::net::Request& request) {
    if (!up) return FakeHttp::refused();
    got.push_back(status_of(request));
    return FakeHttp::status(200);
  };
  open(kHook);
  fire(kDisk);
  for (int i = 0; i < 15; ++i) pass(minutes(1)), refresh(kDisk);
  resolve(kDisk);
  pass(minutes(45));
  EXPECT_EQ(notifier_->status().integrations.at(0).waiting, 2u);
  EXPECT_GE(*notifier_->status().integrations.at(0).oldest_age, minutes(59));
  EXPECT_LE(http_.requests.size(), 90u);
  up = true;
  pass(minutes(2));
  EXPECT_THAT(got, ElementsAre("firing", "resolved"));
  EXPECT_EQ(notifier_->status().integrations.at(0).waiting, 0u);
}

TEST_F(NotifierTest, RateLimitIsObeyedToTheMillisecondAndBothMessagesArrive) {
  std::vector<std::string> got;
  int refused = 0;
  http_.respond = [&](const core::net::Request& request) {
    if (++refused <= 3) return FakeHttp::status(429, {{"Retry-After", "7"}});
    got.push_back(status_of(request));
    return FakeHttp::status(200);
  };
  open(kHook);
  fire(kDisk);
  pass(seconds(5));
  resolve(kDisk);
  pass(minutes(2));
  ASSERT_GE(http_.requests.size(), 5u);
  for (std::size_t i = 1; i <= 3; ++i) {
    const auto gap = http_.requests[i].at - (http_.requests[i - 1].at + http_.latency);
    EXPECT_GE(gap, seconds(7));
    EXPECT_LE(gap, seconds(8));
  }
  EXPECT_THAT(got, ElementsAre("firing", "resolved"));
}

TEST_F(NotifierTest, RefusedReceiverStopsUntilReloadAndLosesNothing) {
  bool fixed = false;
  std::vector<std::string> got;
  http_.respond = [&](const core::net::Request& request) {
    if (request.url == "http://wrong/") return FakeHttp::status(404);
    got.push_back(status_of(request));
    EXPECT_TRUE(fixed);
    return FakeHttp::status(200);
  };
  const std::string wrong = R"(
route: {receiver: ops, group_by: [alertname], group_wait: 1s, group_interval: 10s}
receivers: [{name: ops, webhook_configs: [{url: 'http://wrong/'}]}]
)";
  open(wrong);
  fire(kDisk);
  pass(seconds(30));
  resolve(kDisk);
  pass(minutes(30));
  EXPECT_EQ(http_.requests.size(), 1u);
  EXPECT_THAT(notifier_->status().integrations.at(0).stopped, HasSubstr("404"));
  fixed = true;
  ASSERT_TRUE(notifier_->reconfigure(settings(kHook)));
  pass(minutes(1));
  EXPECT_THAT(got, ElementsAre("firing", "resolved"));
}

TEST_F(NotifierTest, DeadLetterIsKeptAndShown) {
  http_.respond = [](const core::net::Request&) { return FakeHttp::status(400, {}, "no such field"); };
  open(kHook);
  fire(kDisk);
  pass(seconds(5));
  kill();
  open(kHook);
  const auto letters = notifier_->status().dead_letters;
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_THAT(letters[0].why, HasSubstr("no such field"));
  EXPECT_THAT(letters[0].document, HasSubstr("Disk"));
}

TEST_F(NotifierTest, SecretsDoNotShowInErrors) {
  http_.respond = [](const core::net::Request& request) -> FakeHttp::Answer {
    return core::fail(core::Errc::kUnavailable, "cannot reach {}", request.url);
  };
  open(kThree);
  fire(kDisk);
  pass(seconds(5));
  for (const LaneStatus& lane : notifier_->status().integrations) {
    EXPECT_THAT(lane.last_error, HasSubstr("<redacted>"));
    EXPECT_THAT(lane.last_error, testing::Not(HasSubstr("secret-token")));
    EXPECT_THAT(lane.integration, testing::Not(HasSubstr("secret-token")));
  }
}

// The agent is killed at many seconds of a story in turn, and starts again on the same file. Whatever the second,
// the receiver must get a firing and then a resolution. A kill between an answer and its commit may repeat a message,
// but then with the same delivery id.
TEST_F(NotifierTest, KilledAtAnySecondLosesNothing) {
  // Every second around the two messages, with and without a request under way.
  for (const int kill_at : {0, 1, 2, 3, 4, 5, 6, 10, 12, 14, 19, 20, 21, 22, 23, 24, 25, 26, 35}) {
    for (const bool in_flight : {false, true}) {
      remove_database();
      std::vector<std::string> got;
      std::set<std::string> deliveries;
      http_.respond = [&](const core::net::Request& request) -> FakeHttp::Answer {
        const std::string id(core::net::find_header(request.headers, "Idempotency-Key"));
        if (deliveries.insert(id).second) got.push_back(status_of(request));
        return FakeHttp::status(200);
      };
      // Slow answers: the kill finds a request under way.
      http_.latency = in_flight ? Millis(2500) : Millis(10);
      open(kHook);
      for (int second = 0; second < 40; ++second) {
        if (second == 2) fire(kDisk);
        if (second > 2 && second < 20) refresh(kDisk);
        if (second == 20) resolve(kDisk);
        if (second > 20) remind(kDisk);
        if (second == kill_at) {
          kill();
          open(kHook);
        }
        pass(seconds(1));
      }
      pass(seconds(30));
      EXPECT_THAT(got, ElementsAre("firing", "resolved")) << "killed at second " << kill_at << ", " << in_flight;
      kill();
    }
  }
}

TEST_F(NotifierTest, FullDiskIsVisibleAndMessagesGoOnFromMemory) {
  bool up = false;
  std::map<std::string, std::vector<std::string>> got;
  http_.respond = [&](const core::net::Request& request) {
    if (!up) return FakeHttp::refused();
    const auto body = nlohmann::json::parse(request.body);
    got[body["groupLabels"]["alertname"]].push_back(body["status"]);
    return FakeHttp::status(200);
  };
  pages_max_ = 24;
  open(kHook);
  EXPECT_EQ(notifier_->status().degraded, "");
  constexpr int kAlerts = 40;
  const auto alert = [](int i) {
    return Labels{{"alertname", "A" + std::to_string(i)}, {"pad", std::string(1000, 'x')}};
  };
  for (int i = 0; i < kAlerts; ++i) fire(alert(i));
  pass(seconds(15));
  for (int i = 0; i < kAlerts; ++i) resolve(alert(i));
  pass(minutes(1));
  EXPECT_THAT(notifier_->status().degraded, HasSubstr("full"));
  EXPECT_GT(notifier_->status().ledger_failures, 0u);
  EXPECT_EQ(notifier_->status().integrations.at(0).waiting, 2u * kAlerts);
  up = true;
  pass(minutes(3));
  EXPECT_EQ(got.size(), static_cast<std::size_t>(kAlerts));
  for (const auto& [name, statuses] : got) EXPECT_THAT(statuses, ElementsAre("firing", "resolved")) << name;
  EXPECT_EQ(notifier_->status().degraded, "") << "there is room again once the messages are gone";
  kill();
  got.clear();
  open(kHook);
  pass(minutes(1));
  EXPECT_THAT(got, IsEmpty()) << "what was delivered during the trouble is not repeated";
}

TEST_F(NotifierTest, EveryMessageIsOnDiskBeforeItIsSent) {
  open(kThree);
  std::size_t sent = 0;
  http_.on_send = [&](const core::net::Request&) {
    ++sent;
    auto ledger = Ledger::open(path_);
    ASSERT_TRUE(ledger) << ledger.error().message;
    const auto content = ledger->load();
    ASSERT_TRUE(content) << content.error().message;
    EXPECT_EQ(content->rows.size(), 3u) << "one message for each receiver";
    EXPECT_EQ(content->groups.size(), 1u);
  };
  fire(kDisk);
  clock_.advance(seconds(1));
  EXPECT_EQ(sent, 3u);
  http_.on_send = [](const core::net::Request&) {};
  pass(seconds(1));
}

TEST_F(NotifierTest, AnswerThatWasNotCommittedIsRepeatedOnceWithTheSameId) {
  std::vector<std::string> ids;
  http_.respond = [&](const core::net::Request& request) -> FakeHttp::Answer {
    ids.emplace_back(core::net::find_header(request.headers, "Idempotency-Key"));
    if (ids.size() == 1) return std::nullopt;  // taken, but the answer never comes
    return FakeHttp::status(200);
  };
  open(kHook);
  fire(kDisk);
  pass(seconds(5));
  kill();
  open(kHook);
  pass(minutes(3));
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids[0], ids[1]);
}

TEST_F(NotifierTest, AlertGoneDuringTheOutageOfTheAgentIsResolved) {
  std::vector<std::string> got;
  http_.respond = [&](const core::net::Request& request) {
    got.push_back(status_of(request));
    return FakeHttp::status(200);
  };
  open(kHook);
  fire(kDisk);
  pass(seconds(5));
  kill();
  clock_.advance(hours(1));
  open(kHook);  // the rules never speak of it again
  pass(minutes(4));
  EXPECT_THAT(got, ElementsAre("firing"));
  pass(minutes(2));
  EXPECT_THAT(got, ElementsAre("firing", "resolved"));
}

TEST_F(NotifierTest, CleanStopWaitsForWhatIsUnderWay) {
  http_.latency = Millis(3000);
  open(kHook);
  fire(kDisk);
  pass(seconds(2));
  notifier_->hold();
  clock_.run_due();
  EXPECT_EQ(notifier_->status().in_flight, 1u);
  fire({{"alertname", "Late"}});
  pass(seconds(5));
  EXPECT_EQ(notifier_->status().in_flight, 0u);
  EXPECT_EQ(http_.requests.size(), 1u);
  kill();
  open(kHook);
  pass(seconds(5));
  EXPECT_EQ(http_.requests.size(), 2u) << "what was held is sent by the next life, what was sent is not repeated";
}

TEST_F(NotifierTest, InboxIsBoundedAndCounts) {
  open(kHook);
  const std::vector<rules::Transition> many(
      Notifier::kInboxMax + 5,
      test::transition(kDisk, AlertState::kFiring, AlertState::kFiring, clock_.wall_now(), clock_.wall_now()));
  notifier_->on_transitions(many);
  EXPECT_EQ(notifier_->status().news_dropped, 5u);
  clock_.run_due();
}

TEST_F(NotifierTest, FeedsEveryAlertmanager) {
  NotifierSettings with = settings("route:\nreceivers:\n");
  const auto node = core::config::Node::parse("alertmanagers: [{static_configs: [{targets: ['a:1', 'b:1']}]}]", "f");
  with.alerting = *AlertingConfig::fields().read(*node);
  bool up = false;
  std::vector<std::string> ends;
  http_.respond = [&](const core::net::Request& request) {
    if (!up) return FakeHttp::status(503);
    const auto body = nlohmann::json::parse(request.body);
    EXPECT_EQ(body[0]["labels"]["site"], "z1");
    if (request.url == "http://a:1/api/v2/alerts") ends.push_back(body[0]["endsAt"]);
    return FakeHttp::status(200);
  };
  open(with);
  fire(kDisk);
  pass(minutes(1));
  up = true;
  refresh(kDisk);
  pass(minutes(1));
  resolve(kDisk);
  remind(kDisk);
  pass(seconds(5));
  ASSERT_EQ(ends.size(), 3u);
  EXPECT_LT(ends[1], ends[0]) << "a resolution ends earlier than the firing was believed";
  const auto feeds = notifier_->status().alertmanagers;
  ASSERT_EQ(feeds.size(), 2u);
  EXPECT_EQ(feeds[0].sent, 3u);
  EXPECT_GT(feeds[0].errors, 0u);
}

TEST_F(NotifierTest, UnusableDatabaseIsAnError) {
  path_ = "/nonexistent-folder/notifications.db";
  const auto opened = Notifier::open(settings(kHook), {.database_path = path_, .outbox = {}, .database_pages_max = 100},
                                     {.clock = clock_, .strand = clock_, .http = http_, .jitter = [] { return 0.0; }});
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("/nonexistent-folder"));
}

TEST(SerialThreadTest, RunsInOrderAtTheirTimesAndStops) {
  const core::SystemClock clock;
  core::SerialThread thread(clock, "test");
  std::mutex mutex;
  std::condition_variable done;
  std::vector<int> order;
  const auto record = [&](int value) {
    return [&, value] {
      const std::lock_guard lock(mutex);
      order.push_back(value);
      done.notify_one();
    };
  };
  const core::SteadyTime now = clock.steady_now();
  thread.schedule_at(now + Millis(30), record(3));
  thread.schedule_at(now + Millis(20), record(2));
  const core::TimerId cancelled = thread.schedule_at(now + Millis(25), record(99));
  thread.post(record(1));
  EXPECT_TRUE(thread.cancel(cancelled));
  EXPECT_FALSE(thread.cancel(cancelled));
  std::unique_lock lock(mutex);
  EXPECT_TRUE(done.wait_for(lock, seconds(10), [&] { return order.size() == 3; }));
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
  lock.unlock();
  thread.schedule_at(now + hours(1), record(4));
  thread.stop();
  thread.post(record(5));
  EXPECT_EQ(order.size(), 3u);
}

}  // namespace
}  // namespace actions::notify
