// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/alertmanager_feed.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "test/unit/actions/notify/fakes.h"

namespace actions::notify {
namespace {

using receivers::Verdict;
using test::instant;
using test::minutes;
using test::seconds;
using testing::HasSubstr;

core::Result<AlertingConfig> alerting(const std::string& yaml) {
  const auto node = core::config::Node::parse(yaml, "w.yml");
  if (!node) return core::fail(node.error());
  return AlertingConfig::fields().read(*node);
}

std::vector<AlertmanagerTarget> targets(const std::string& yaml) {
  const auto config = alerting(yaml);
  EXPECT_TRUE(config) << config.error().message;
  auto built = build_targets(*config);
  EXPECT_TRUE(built) << built.error().message;
  return *built;
}

AlertNews news(const std::string& name, const core::Clock& clock, bool firing = true) {
  AlertNews one;
  one.alert.labels = {{"alertname", name}};
  one.alert.starts_at = clock.wall_now();
  if (!firing) one.alert.ends_at = clock.wall_now();
  one.valid_for = minutes(4);
  return one;
}

TEST(AlertingConfigTest, TargetsAsPrometheusBuildsThem) {
  const auto built = targets(R"(
alertmanagers:
  - static_configs: [{targets: ['a:9093', 'b:9093', 'a:9093']}]
  - scheme: https
    path_prefix: /am/
    timeout: 3s
    static_configs:
      - {targets: ['c:1'], labels: {zone: x}}
      - {targets: ['d:1'], labels: {zone: y}}
    relabel_configs: [{source_labels: [zone], regex: y, action: drop}]
)");
  ASSERT_EQ(built.size(), 3u);
  EXPECT_EQ(built[0].url, "http://a:9093/api/v2/alerts");
  EXPECT_EQ(built[1].url, "http://b:9093/api/v2/alerts");
  EXPECT_EQ(built[2].url, "https://c:1/am/api/v2/alerts");
  EXPECT_EQ(built[2].timeout, seconds(3));
}

TEST(AlertingConfigTest, BadTable) {
  for (const auto& [yaml, error] : std::vector<std::pair<std::string, std::string>>{
           {"alertmanagers: [{api_version: v1}]", "expected Alertmanager api version to be one of [v2] but got v1"},
           {"alertmanagers: [{scheme: ftp}]", "expected http or https"},
           {"alertmanagers: [{static_configs: [{targets: ['http://a/']}]}]", "is not a valid hostname"},
           {"alertmanagers: [{consul_sd_configs: []}]", "use static_configs"},
           {"alertmanagers: [{timeout: 0s}]", "timeout cannot be zero"},
           {"alert_relabel_configs: [{action: replace}]", "relabel"},
           {"alertmanager: []", "alertmanager"},
       }) {
    const auto config = alerting(yaml);
    ASSERT_FALSE(config) << yaml;
    EXPECT_THAT(config.error().message, HasSubstr(error)) << yaml;
    EXPECT_THAT(config.error().message, HasSubstr("w.yml:1:")) << yaml;
  }
}

class FeedTest : public testing::Test {
 protected:
  FeedTest() { feed_.configure(targets("alertmanagers: [{static_configs: [{targets: ['a:1', 'b:1']}]}]")); }
  Instant now() const { return instant(clock_); }
  nlohmann::json next() {
    auto batch = feed_.next(now());
    if (!batch) return nullptr;
    url_ = batch->url;
    return nlohmann::json::parse(batch->request.body);
  }
  core::SimulatedClock clock_;
  AlertmanagerFeed feed_;
  std::string url_;
};

TEST_F(FeedTest, EveryAlertmanagerGetsEveryAlertInBatches) {
  for (int i = 0; i < 300; ++i) feed_.add(news("A" + std::to_string(i), clock_), now());
  EXPECT_EQ(next().size(), 256u);
  const std::string first = url_;
  EXPECT_EQ(next().size(), 256u);
  EXPECT_NE(url_, first);
  EXPECT_EQ(next(), nullptr) << "one request at a time to each";
  feed_.finish(first, {}, now());
  EXPECT_EQ(next().size(), 44u);
  EXPECT_EQ(url_, first);
}

TEST_F(FeedTest, OnlyTheNewestStateIsSentAfterAnOutage) {
  feed_.add(news("A", clock_), now());
  next();
  feed_.finish(url_, {.kind = Verdict::Kind::kRetry, .pause = {}, .why = "down"}, now());
  feed_.add(news("A", clock_, false), now());
  feed_.configure(targets("alertmanagers: [{static_configs: [{targets: ['a:1']}]}]"));
  EXPECT_EQ(next(), nullptr) << "backing off";
  clock_.advance(seconds(2));
  const auto body = next();
  ASSERT_EQ(body.size(), 1u);
  EXPECT_EQ(body[0]["startsAt"], body[0]["endsAt"]);
}

TEST_F(FeedTest, AnAlertThatChangedInFlightIsSentAgain) {
  feed_.add(news("A", clock_), now());
  next();
  feed_.add(news("A", clock_, false), now());
  feed_.finish(url_, {}, now());
  EXPECT_EQ(next().size(), 1u);
}

TEST_F(FeedTest, WhatIsRefusedForGoodIsDroppedAndCounted) {
  feed_.add(news("A", clock_), now());
  next();
  feed_.finish(url_, {.kind = Verdict::Kind::kReject, .pause = {}, .why = "400"}, now());
  for (const FeedStatus& status : feed_.status()) {
    EXPECT_EQ(status.dropped, status.url == url_ ? 1u : 0u);
    EXPECT_EQ(status.waiting, status.url == url_ ? 0u : 1u);
  }
}

TEST_F(FeedTest, QueueIsBounded) {
  for (std::size_t i = 0; i < AlertmanagerFeed::kWaitingMax + 3; ++i) {
    feed_.add(news("A" + std::to_string(i), clock_), now());
  }
  EXPECT_EQ(feed_.status()[0].waiting, AlertmanagerFeed::kWaitingMax);
  EXPECT_EQ(feed_.status()[0].dropped, 3u);
  EXPECT_EQ(next()[0]["labels"]["alertname"], "A3");
}

}  // namespace
}  // namespace actions::notify
