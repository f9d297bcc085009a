// SPDX-License-Identifier: Apache-2.0
// The agent writes to a real Prometheus and a real VictoriaMetrics, which go away and come back, and is itself stopped
// and killed: both have what the agent has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <atomic>
#include <map>
#include <thread>

#include "core/time/clock.h"
#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::free_port;

// Samples by series and time in milliseconds.
using History = std::map<std::string, std::map<std::int64_t, std::string>>;

class RemoteWriteTest : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder("remote-write");
    exporter_.Get("/metrics", [this](const httplib::Request&, httplib::Response& answer) {
      const int count = ++scrapes_;
      std::string body =
          "# HELP fleet_scrapes_total Scrapes.\n# TYPE fleet_scrapes_total counter\nfleet_scrapes_total " +
          std::to_string(count) + "\nfleet_constant 5\nfleet_changing " + std::to_string(count * 0.1) +
          "\nfleet_nan NaN\nfleet_infinite{sign=\"-\"} -Inf\n";
      if (count % 4 != 0) body += "fleet_now_and_then " + std::to_string(count) + "\n";
      if (!ended_) body += "fleet_ending 1\n";
      answer.set_content(body, "text/plain; version=0.0.4");
    });
    exporter_port_ = exporter_.bind_to_any_port("127.0.0.1");
    serving_ = std::jthread([this] { exporter_.listen_after_bind(); });
    test_support::write_file(work_ / "prometheus.yml", "global: {scrape_interval: 1h}\n");
    test_support::write_file(work_ / "agent.yml", configuration());
    start_prometheus();
    start_victoria();
  }

  void TearDown() override {
    agent_.reset();
    exporter_.stop();
  }

  std::string configuration() const {
    const std::string local = "http://127.0.0.1:";
    return "global:\n  scrape_interval: 1s\n  external_labels: {site: test}\n"
           "scrape_configs:\n- job_name: fleet\n  static_configs:\n  - targets: ['127.0.0.1:" +
           std::to_string(exporter_port_) +
           "']\n"
           "remote_write:\n- url: " +
           local + std::to_string(prometheus_port_) +
           "/api/v1/write\n  name: prometheus\n  queue_config: {batch_send_deadline: 1s, max_samples_per_send: 100}\n"
           "  metadata_config: {send_interval: 1s}\n"
           "- url: " +
           local + std::to_string(victoria_port_) +
           "/api/v1/write\n  name: victoria\n  queue_config: {batch_send_deadline: 1s}\n";
  }

  void start_prometheus() {
    prometheus_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"prometheus", "--web.enable-remote-write-receiver",
                                 "--config.file=" + (work_ / "prometheus.yml").string(),
                                 "--storage.tsdb.path=" + (work_ / "tsdb").string(),
                                 "--web.listen-address=127.0.0.1:" + std::to_string(prometheus_port_)},
        work_ / "prometheus.log");
    ASSERT_TRUE(eventually(seconds(30), [this] {
      return test_support::http_get(prometheus_port_, "/-/ready").status == 200;
    })) << prometheus_->log_text();
  }

  void start_victoria() {
    // Samples that are sent again after a kill are told apart from new ones by this only.
    victoria_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"victoria-metrics", "-storageDataPath=" + (work_ / "victoria").string(),
                                 "-httpListenAddr=127.0.0.1:" + std::to_string(victoria_port_),
                                 "-dedup.minScrapeInterval=1ms", "-retentionPeriod=1"},
        work_ / "victoria.log");
    ASSERT_TRUE(eventually(seconds(30), [this] {
      return test_support::http_get(victoria_port_, "/health").status == 200;
    })) << victoria_->log_text();
  }

  // What the server has of the fleet, markers left out, up to a moment.
  static History history(int port, std::int64_t until_s) {
    History all;
    const json data =
        api_get(port, "/api/v1/query?time=" + std::to_string(until_s) + "&query=" + encode("{job=\"fleet\"}[10m]"));
    if (!data.is_object()) return all;
    for (const json& series : data["result"]) {
      json labels = series["metric"];
      labels.erase("site");
      for (const json& sample : series["values"]) {
        const auto time_ms = static_cast<std::int64_t>(sample[0].get<double>() * 1000 + 0.5);
        if (time_ms < until_s * 1000) all[labels.dump()][time_ms] = sample[1].get<std::string>();
      }
    }
    return all;
  }

  // VictoriaMetrics answers queries of ranges with its own rules; its export has the samples as they are.
  static History exported(int port, std::int64_t until_s) {
    History all;
    const auto answer = test_support::http_get(port, "/api/v1/export?match[]=" + encode("{job=\"fleet\"}"));
    std::istringstream lines(answer.body);
    for (std::string line; std::getline(lines, line);) {
      const json series = json::parse(line, nullptr, false);
      if (series.is_discarded()) continue;
      json labels = series["metric"];
      labels.erase("site");
      for (std::size_t i = 0; i < series["values"].size(); ++i) {
        const std::int64_t time_ms = series["timestamps"][i].get<std::int64_t>();
        if (time_ms < until_s * 1000) all[labels.dump()][time_ms] = series["values"][i].dump();
      }
    }
    return all;
  }

  static std::size_t samples(const History& history) {
    std::size_t count = 0;
    for (const auto& [series, each] : history) count += each.size();
    return count;
  }

  static std::int64_t now_s() { return core::SystemClock().unix_ms() / 1000; }
  void wait_for_scrapes(int more) {
    const int from = scrapes_;
    ASSERT_TRUE(eventually(seconds(60), [&] { return scrapes_ >= from + more; }));
  }

  // Whether the agent has sent everything up to now to a remote.
  bool caught_up(const std::string& name, std::int64_t until_s) const {
    const json data = api_get(agent_->port(), "/api/watchkeeper/v1/remotes");
    if (!data.is_object()) return false;
    for (const json& remote : data["remotes"]) {
      if (remote["name"] == name) {
        return static_cast<double>(now_s()) - remote["lagSeconds"].get<double>() > static_cast<double>(until_s) + 1;
      }
    }
    return false;
  }

  void expect_equal_history() {
    const std::int64_t until_s = now_s();
    for (const char* const name : {"prometheus", "victoria"}) {
      ASSERT_TRUE(eventually(seconds(40), [&] { return caught_up(name, until_s); }))
          << test_support::http_get(agent_->port(), "/api/watchkeeper/v1/remotes").body << agent_->process().log_text();
    }
    const History own = history(agent_->port(), until_s);
    ASSERT_GT(samples(own), 50U);
    const History theirs = history(prometheus_port_, until_s);
    EXPECT_EQ(own, theirs) << agent_->process().log_text();
    // The marker arrived: Prometheus would show the series for five minutes without one.
    if (ended_) {
      const json ending = api_get(prometheus_port_, "/api/v1/query?query=fleet_ending");
      EXPECT_TRUE(ending.is_object() && ending["result"].empty()) << ending.dump();
    }
    const auto times = [](const History& from) {
      Times only;
      for (const auto& [series, each] : from) {
        // What JSON has no numbers for, the export leaves out or writes in its own way.
        if (series.find("fleet_nan") != std::string::npos || series.find("fleet_infinite") != std::string::npos)
          continue;
        // Markers are in the export as null.
        for (const auto& [time_ms, value] : each) {
          if (value != "null") only[series].push_back(time_ms);
        }
      }
      return only;
    };
    const auto wanted = times(own);
    std::string missing;
    EXPECT_TRUE(eventually(seconds(20), [&] {
      missing = difference(wanted, times(exported(victoria_port_, until_s)));
      return missing.empty();
    })) << missing;
  }

  using Times = std::map<std::string, std::vector<std::int64_t>>;
  static std::string difference(const Times& wanted, const Times& given) {
    std::string text;
    for (const auto& [series, at] : wanted) {
      const auto found = given.find(series);
      if (found == given.end()) {
        text += series + ": not there\n";
      } else if (found->second != at) {
        text += series + ": " + json(at).dump() + " but " + json(found->second).dump() + "\n";
      }
    }
    for (const auto& [series, at] : given) {
      if (!wanted.contains(series)) text += series + ": not expected, " + json(at).dump() + "\n";
    }
    return text;
  }

  fs::path work_;
  httplib::Server exporter_;
  std::jthread serving_;
  int exporter_port_ = 0;
  std::atomic<int> scrapes_{0};
  std::atomic<bool> ended_{false};
  int prometheus_port_ = free_port();
  int victoria_port_ = free_port();
  std::unique_ptr<BackgroundProcess> prometheus_;
  std::unique_ptr<BackgroundProcess> victoria_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(RemoteWriteTest, BothHaveWhatTheAgentHasAfterOutagesAndKills) {
  agent_ = std::make_unique<AgentProcess>(work_ / "agent.yml", work_ / "data");
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  wait_for_scrapes(5);
  ended_ = true;
  wait_for_scrapes(3);
  expect_equal_history();
  const json meaning = api_get(prometheus_port_, "/api/v1/query?query=fleet_scrapes_total");
  ASSERT_TRUE(meaning.is_object() && !meaning["result"].empty());
  EXPECT_EQ(meaning["result"][0]["metric"]["site"], "test");

  // The receivers are away, and the agent is stopped meanwhile.
  prometheus_->signal(SIGTERM);
  // In order: what it took last would be lost with it otherwise.
  victoria_->signal(SIGTERM);
  ASSERT_TRUE(prometheus_->wait(seconds(20)));
  ASSERT_TRUE(victoria_->wait(seconds(20)));
  wait_for_scrapes(4);
  agent_->process().signal(SIGTERM);
  ASSERT_EQ(agent_->process().wait(seconds(20)), 0);
  agent_->start();
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  wait_for_scrapes(4);
  // One is back when the agent is killed, in the middle of catching up perhaps; the other comes later.
  start_prometheus();
  agent_->process().signal(SIGKILL);
  ASSERT_EQ(agent_->process().wait(seconds(20)), 128 + SIGKILL);
  agent_->start();
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  wait_for_scrapes(3);
  start_victoria();
  for (int i = 0; i < 3; ++i) {
    wait_for_scrapes(2);
    agent_->process().signal(SIGKILL);
    ASSERT_EQ(agent_->process().wait(seconds(20)), 128 + SIGKILL);
    agent_->start();
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  }
  wait_for_scrapes(2);
  expect_equal_history();
  const std::string metrics = test_support::http_get(agent_->port(), "/metrics").body;
  EXPECT_NE(
      metrics.find("watchkeeper_remote_write_samples_failed_total{remote_name=\"prometheus\",url=\"http://127.0.0.1:" +
                   std::to_string(prometheus_port_) + "/api/v1/write\"} 0"),
      std::string::npos)
      << metrics;
}

}  // namespace
}  // namespace e2e
