// SPDX-License-Identifier: Apache-2.0
// The main job end to end with real parts: node_exporter is scraped at 1 s, a rule on it fires, three strict receivers
// hear of it, restic takes a backup, the agent is killed, the fault goes away while nobody looks, and the three hear of
// that too - each once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <sstream>
#include <string>

#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::http_get;
using test_support::http_post;

constexpr const char* kRoutingKey = "0123456789abcdef0123456789abcdef";

class MainJob : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder(std::string("main-job-") +
                                       testing::UnitTest::GetInstance()->current_test_info()->name());
    for (const char* folder : {"textfile", "precious"}) fs::create_directories(work_ / folder);
    test_support::write_file(work_ / "precious" / "keys.txt", "what must not be lost\n");
    test_support::write_file(work_ / "restic.password", "correct horse\n");
    fs::permissions(work_ / "restic.password", fs::perms::owner_read | fs::perms::owner_write);
    set_fault(0);

    node_port_ = test_support::free_port();
    node_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"prometheus-node-exporter",
                                 "--web.listen-address=127.0.0.1:" + std::to_string(node_port_),
                                 "--collector.disable-defaults", "--collector.textfile", "--collector.loadavg",
                                 "--collector.textfile.directory=" + (work_ / "textfile").string()},
        work_ / "node-exporter.log");
    simulators_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{std::string(WATCHKEEPER_BINARY_DIR) + "/test/simulators", "--ports", "0"},
        work_ / "simulators.log");
    ASSERT_TRUE(eventually(seconds(10), [&] {
      ports_ = json::parse(simulators_->log_text(), nullptr, false);
      return ports_.is_object();
    })) << simulators_->log_text();
    test_support::write_file(work_ / "alertmanager.yml", "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n");
    alertmanager_port_ = test_support::free_port();
    alertmanager_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"prometheus-alertmanager", "--config.file=" + (work_ / "alertmanager.yml").string(),
                                 "--storage.path=" + (work_ / "alertmanager").string(), "--cluster.listen-address=",
                                 "--web.listen-address=127.0.0.1:" + std::to_string(alertmanager_port_)},
        work_ / "alertmanager.log");
    test_support::write_file(work_ / "rules.yml",
                             "groups:\n- name: fleet\n  rules:\n"
                             "  - alert: FleetFault\n    expr: fleet_fault == 1\n    for: 1s\n"
                             "    labels: {severity: critical}\n"
                             "    annotations: {summary: 'fault on {{ $labels.instance }} is {{ $value }}'}\n");
    test_support::write_file(work_ / "watchkeeper.yml", configuration());
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  }

  std::string configuration() const {
    const auto url = [this](const char* receiver, const std::string& path) {
      return "http://127.0.0.1:" + std::to_string(ports_.at(receiver).get<int>()) + path;
    };
    return "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
           "scrape_configs:\n- job_name: node\n  static_configs: [{targets: ['127.0.0.1:" +
           std::to_string(node_port_) +
           "']}]\n"
           "host: {interval: 1s, instance: here}\n"
           "ring: {size: 16MiB}\n"
           "alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:" +
           std::to_string(alertmanager_port_) +
           "']}]}]}\n"
           "rule_files: [rules.yml]\n"
           "route: {receiver: everyone, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: "
           "1h}\n"
           "receivers:\n- name: everyone\n"
           "  webhook_configs: [{url: '" +
           url("webhook", "/webhook") +
           "'}]\n"
           "  discord_configs: [{webhook_url: '" +
           url("discord", "/api/webhooks/112233445566778899/simulated-token") +
           "'}]\n"
           "  pagerduty_configs: [{routing_key: " +
           kRoutingKey + ", url: '" + url("pagerduty", "/v2/enqueue") +
           "'}]\n"
           "backups:\n- name: precious\n  source: {paths: ['" +
           (work_ / "precious").string() +
           "']}\n"
           "  repository: '" +
           (work_ / "repository").string() +
           "'\n"
           "  password_file: '" +
           (work_ / "restic.password").string() +
           "'\n"
           "remediations:\n- name: save\n  match: ['alertname=\"FleetFault\"']\n  level: auto\n"
           "  steps:\n  - backup: precious\n  - exec: {argv: [/bin/echo, saved], timeout: 10s}\n";
  }

  void set_fault(int value) const {
    test_support::write_file(work_ / "textfile" / "fleet.prom", "fleet_fault " + std::to_string(value) + "\n");
  }

  // "firing" or "resolved" for each accepted message of a receiver, in order.
  std::vector<std::string> told(const std::string& receiver) const {
    std::vector<std::string> statuses;
    const json answer = json::parse(http_get(ports_.at("control"), "/received?receiver=" + receiver).body);
    for (const json& one : answer["received"]) {
      const json& body = one["body"];
      if (!one["accepted"]) {
        if (one["reason"] != "down") ADD_FAILURE() << receiver << " refused: " << one.dump(2);
      } else if (receiver == "webhook") {
        statuses.push_back(body["status"]);
      } else if (receiver == "pagerduty") {
        statuses.push_back(body["event_action"] == "trigger" ? "firing" : "resolved");
      } else {
        statuses.push_back(body.dump().find("RESOLVED") == std::string::npos ? "firing" : "resolved");
      }
    }
    return statuses;
  }

  bool all_told(std::size_t count, seconds limit) const {
    return eventually(limit, [&] {
      return told("webhook").size() >= count && told("discord").size() >= count && told("pagerduty").size() >= count;
    });
  }

  std::string told_so_far() const {
    return http_get(ports_.at("control"), "/received").body + "\n" + agent_->process().log_text();
  }

  json snapshots() const {
    BackgroundProcess restic({"restic", "--no-lock", "--json", "-r", (work_ / "repository").string(), "-p",
                              (work_ / "restic.password").string(), "snapshots"},
                             work_ / "snapshots.json");
    EXPECT_EQ(restic.wait(seconds(30)), 0) << restic.log_text();
    return json::parse(restic.log_text(), nullptr, false);
  }

  fs::path work_;
  int node_port_ = 0;
  int alertmanager_port_ = 0;
  json ports_;
  std::unique_ptr<BackgroundProcess> node_;
  std::unique_ptr<BackgroundProcess> simulators_;
  std::unique_ptr<BackgroundProcess> alertmanager_;
  std::unique_ptr<AgentProcess> agent_;
};

using testing::ElementsAre;

TEST_F(MainJob, FiresRemediesAndResolvesOnceEachAcrossAKill) {
  set_fault(1);
  ASSERT_TRUE(all_told(1, seconds(30))) << told_so_far();
  const auto saved = [&] {
    const json runs = json::parse(http_get(agent_->port(), "/api/watchkeeper/v1/remediations").body, nullptr, false);
    return !runs.is_discarded() && runs.dump().find("succeeded") != std::string::npos;
  };
  ASSERT_TRUE(eventually(seconds(60), saved)) << told_so_far();
  ASSERT_EQ(snapshots().size(), 1U);

  agent_->process().signal(SIGKILL);
  ASSERT_EQ(agent_->process().wait(seconds(5)), 128 + SIGKILL);
  set_fault(0);
  agent_->start();
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  ASSERT_TRUE(all_told(2, seconds(40))) << told_so_far();

  // A few more evaluations: nothing is said twice, nothing is done twice.
  const auto evaluations = [&] {
    return api_get(agent_->port(), "/api/v1/query?query=" + encode("count_over_time(fleet_fault[1m])"));
  };
  ASSERT_TRUE(eventually(seconds(20), [&] {
    const json data = evaluations();
    return data.is_object() && !data["result"].empty() &&
           std::stoi(data["result"][0]["value"][1].get<std::string>()) >= 6;
  }));
  for (const char* receiver : {"webhook", "discord", "pagerduty"}) {
    EXPECT_THAT(told(receiver), ElementsAre("firing", "resolved")) << receiver << "\n" << told_so_far();
  }
  EXPECT_EQ(snapshots().size(), 1U);
}

TEST_F(MainJob, TheHostIsMeasuredAndShownAsATarget) {
  const auto value = [this](const std::string& query) {
    const json data = api_get(agent_->port(), "/api/v1/query?query=" + encode(query));
    return data.is_object() && !data["result"].empty() ? data["result"][0]["value"][1].get<std::string>() : "";
  };
  ASSERT_TRUE(eventually(seconds(10), [&] { return value("up{job=\"host\",instance=\"here\"}") == "1"; }));
  EXPECT_EQ(value("count(node_memory_MemTotal_bytes{job=\"host\"} > 1e6)"), "1");
  EXPECT_EQ(value("node_load1{job=\"host\"} >= bool 0"), "1");
  EXPECT_THAT(api_get(agent_->port(), "/api/v1/targets").dump(), testing::HasSubstr("\"scrapePool\":\"host\""));
}

TEST_F(MainJob, ARealAlertmanagerHoldsTheAlertWhileItFires) {
  const auto held = [this] {
    const auto answer = http_get(alertmanager_port_, "/api/v2/alerts?active=true");
    const json alerts = json::parse(answer.body, nullptr, false);
    if (!alerts.is_array() || alerts.empty()) return std::string();
    EXPECT_THAT(alerts[0]["generatorURL"].get<std::string>(), testing::HasSubstr("fleet_fault"));
    return alerts[0]["labels"]["alertname"].get<std::string>() + ": " +
           alerts[0]["annotations"]["summary"].get<std::string>();
  };
  set_fault(1);
  ASSERT_TRUE(eventually(seconds(30), [&] { return !held().empty(); })) << told_so_far();
  EXPECT_EQ(held(), "FleetFault: fault on 127.0.0.1:" + std::to_string(node_port_) + " is 1");
  set_fault(0);
  ASSERT_TRUE(eventually(seconds(30), [&] { return held().empty(); })) << told_so_far();
}

TEST_F(MainJob, AnAlertFiredWhileAReceiverIsDownArrivesOnceInOrderWhenItIsBack) {
  ASSERT_EQ(http_post(ports_.at("control"), "/fault/discord/down").status / 100, 2);
  set_fault(1);
  ASSERT_TRUE(eventually(seconds(30), [&] { return told("webhook").size() == 1; })) << told_so_far();
  set_fault(0);
  ASSERT_TRUE(eventually(seconds(30), [&] { return told("webhook").size() == 2; })) << told_so_far();
  EXPECT_THAT(told("discord"), testing::IsEmpty());
  // The others' answers are on the disk: between answer and record a kill would have a message sent again.
  const auto has_sent_two = [&](const std::string& integration) {
    std::istringstream lines(http_get(agent_->port(), "/metrics").body);
    for (std::string line; std::getline(lines, line);) {
      const bool counts = line.starts_with("watchkeeper_notifications_sent_total{") && line.ends_with(" 2");
      if (counts && line.find(integration) != std::string::npos) return true;
    }
    return false;
  };
  ASSERT_TRUE(eventually(seconds(30), [&] { return has_sent_two("webhook") && has_sent_two("pagerduty"); }))
      << told_so_far();

  // Killed with both messages in the queue.
  agent_->process().signal(SIGKILL);
  ASSERT_EQ(agent_->process().wait(seconds(5)), 128 + SIGKILL);
  agent_->start();
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  ASSERT_EQ(test_support::http_delete(ports_.at("control"), "/fault/discord/down").status / 100, 2);
  ASSERT_TRUE(eventually(seconds(90), [&] { return told("discord").size() >= 2; })) << told_so_far();
  EXPECT_THAT(told("discord"), ElementsAre("firing", "resolved"));
  EXPECT_THAT(told("webhook"), ElementsAre("firing", "resolved"));
  EXPECT_THAT(told("pagerduty"), ElementsAre("firing", "resolved"));
}

}  // namespace
}  // namespace e2e
