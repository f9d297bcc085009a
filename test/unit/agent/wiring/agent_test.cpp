// SPDX-License-Identifier: Apache-2.0
// A whole agent in this process, on a free port and a folder of its own.
#include "agent/wiring/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "test/support/background_process.h"

namespace agent {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    fs::create_directories(folder_);
    write_config(kGood);
  }
  ~AgentTest() override {
    if (agent_ != nullptr) {
      agent_->stop();
      if (running_.joinable()) running_.join();
      agent_.reset();
    }
    fs::remove_all(folder_);
  }

  void write_config(const std::string& text) const { std::ofstream(config_path()) << text; }
  std::string config_path() const { return folder_ + "/w.yml"; }

  core::Result<std::unique_ptr<Agent>> try_start(const std::string& data) const {
    auto config = load_config(config_path());
    EXPECT_TRUE(config) << config.error().front().message;
    return Agent::start({.config_path = config_path(), .data_dir = data, .listen = ListenAddress{"127.0.0.1", 0}},
                        *config, clock_);
  }
  std::string ring_path() const { return folder_ + "/data/ring"; }
  void start() {
    auto agent = try_start(folder_ + "/data");
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = std::move(*agent);
    running_ = std::thread([this] { agent_->run(); });
  }
  httplib::Result get(const std::string& path) const {
    return httplib::Client("127.0.0.1", agent_->address().port).Get(path);
  }
  httplib::Result post(const std::string& path) const {
    return httplib::Client("127.0.0.1", agent_->address().port).Post(path, "", "application/x-www-form-urlencoded");
  }

  static constexpr const char* kGood =
      "scrape_configs: [{job_name: one, static_configs: [{targets: ['127.0.0.1:1']}]}]\nring: {size: 4MiB}\n";

  const core::SystemClock clock_;
  const std::string folder_ = testing::TempDir() + "agent_test." + std::to_string(getpid());
  std::unique_ptr<Agent> agent_;
  std::thread running_;
};

TEST_F(AgentTest, ServesMetricsThatPromtoolTakes) {
  start();
  ASSERT_TRUE(get("/api/v1/query?query=up"));
  const auto metrics = get("/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_EQ(metrics->get_header_value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  for (const char* const name :
       {"watchkeeper_build_info{", "watchkeeper_config_last_reload_successful 1", "watchkeeper_ring_series_limit 8192",
        "watchkeeper_ring_retention_seconds ", "watchkeeper_ring_series_refused_total 0",
        "watchkeeper_ring_series_reclaimed_total 0", "watchkeeper_ring_damaged_total 0", "watchkeeper_ring_problem 0",
        "watchkeeper_ring_start_info{found=\"new\"} 1", "watchkeeper_ring_start_series 0",
        "watchkeeper_target_series_refused{scrape_instance=\"127.0.0.1:1\",scrape_job=\"one\"} 0",
        "watchkeeper_targets{health=\"down\",scrape_job=\"one\"}", "watchkeeper_automation_paused 0",
        "watchkeeper_http_requests_total{code=\"200\",handler=\"/api/v1/query\"} 1",
        "watchkeeper_process_resident_memory_bytes "}) {
    EXPECT_THAT(metrics->body, HasSubstr(name));
  }
  core::process::ChildProcessRunner commands(clock_);
  const auto checked = commands.run(
      {.argv = {"promtool", "check", "metrics"}, .environment = {}, .working_directory = {}, .input = metrics->body});
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->status, 0) << checked->output << checked->errors;
}

TEST_F(AgentTest, ABadReloadKeepsTheOldConfigurationAndShows) {
  start();
  write_config("scrape_configs: 7\n");
  const auto refused = post("/-/reload");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 500);
  EXPECT_THAT(refused->body, HasSubstr(config_path() + ":1:17: expected a list"));
  EXPECT_THAT(get("/metrics")->body, HasSubstr("watchkeeper_config_last_reload_successful 0"));
  EXPECT_THAT(get("/api/v1/scrape_pools")->body, HasSubstr(R"(["one"])"));
  EXPECT_EQ(get("/-/ready")->status, 200) << "what runs, runs";

  write_config("scrape_configs: [{job_name: two}]\nring: {size: 4MiB}\n");
  EXPECT_EQ(post("/-/reload")->status, 200);
  EXPECT_THAT(get("/api/v1/scrape_pools")->body, HasSubstr(R"(["two"])"));
  EXPECT_THAT(get("/metrics")->body, HasSubstr("watchkeeper_config_last_reload_successful 1"));
}

TEST_F(AgentTest, TargetsAreFoundAndAReloadKeepsThem) {
  const std::string job = "[{job_name: found, file_sd_configs: [{files: [targets.json]}]}]";
  write_config("scrape_configs: " + job + "\nring: {size: 4MiB}\n");
  test_support::write_file(folder_ + "/targets.json", R"([{"targets": ["127.0.0.1:1"], "labels": {"zone": "z"}}])");
  start();
  const auto shows = [this](const std::string& path, const std::string& text) {
    return test_support::eventually(std::chrono::seconds(20), [&] {
      const auto answer = get(path);
      return answer && answer->body.find(text) != std::string::npos;
    });
  };
  EXPECT_TRUE(shows("/api/v1/targets", R"("__meta_filepath":")" + folder_ + "/targets.json\""));
  EXPECT_TRUE(shows("/metrics", "watchkeeper_discovery_targets{mechanism=\"file\",name=\"found/file/0\"} 1"));
  EXPECT_THAT(get("/api/watchkeeper/v1/discoveries")->body, HasSubstr(R"("lastError":"")"));

  test_support::write_file(folder_ + "/targets.json", "[{");
  EXPECT_TRUE(shows("/api/watchkeeper/v1/discoveries", "targets.json:1:"));
  EXPECT_TRUE(shows("/metrics", "watchkeeper_discovery_targets{mechanism=\"file\",name=\"found/file/0\"} 1"));
  // The job changes and its discovery does not: what was found stays, though the file is broken.
  write_config("global: {scrape_interval: 7s}\nscrape_configs: " + job + "\nring: {size: 4MiB}\n");
  EXPECT_EQ(post("/-/reload")->status, 200);
  EXPECT_THAT(get("/api/v1/targets")->body, HasSubstr(R"("scrapeInterval":"7s")"));
  test_support::write_file(folder_ + "/targets.json", R"([{"targets": ["127.0.0.1:2"]}])");
  EXPECT_TRUE(shows("/api/v1/targets", "http://127.0.0.1:2/metrics"));
}

TEST_F(AgentTest, ProbesFindTheirTargetsAndShowHowTheyEnded) {
  const std::string targets = folder_ + "/probed.json";
  test_support::write_file(targets, R"([{"targets": ["127.0.0.1:1"], "labels": {"zone": "z"}}])");
  write_config(
      "modules: {open: {prober: tcp}}\nring: {size: 4MiB}\nprobes: [{job_name: found, module: open, interval: 1s, "
      "timeout: 1s, file_sd_configs: [{files: [probed.json], refresh_interval: 1s}]}]\n");
  start();
  const auto shows = [this](const std::string& path, const std::string& text) {
    return test_support::eventually(std::chrono::seconds(20), [&] {
      const auto answer = get(path);
      return answer && answer->body.find(text) != std::string::npos;
    });
  };
  EXPECT_TRUE(shows("/api/v1/targets", R"("lastError":"refused: connect to 127.0.0.1:1: )"));
  const std::string active = get("/api/v1/targets?state=active")->body;
  EXPECT_THAT(active, HasSubstr(R"("labels":{"instance":"127.0.0.1:1","job":"found","module":"open","zone":"z"})"));
  EXPECT_THAT(active, HasSubstr(R"("health":"down")"));
  EXPECT_THAT(active, HasSubstr("__meta_filepath"));
  EXPECT_TRUE(shows("/api/v1/query?query=probe_success%7Bzone=%22z%22%7D", R"("instance":"127.0.0.1:1")"));
  // Targets come and go while it runs; this one is the agent itself, which listens.
  const std::string own = "127.0.0.1:" + std::to_string(agent_->address().port);
  test_support::write_file(targets, R"([{"targets": [")" + own + R"("]}])");
  EXPECT_TRUE(shows("/api/v1/query?query=probe_success%7Binstance=%22" + own + "%22%7D==1", own));
  EXPECT_THAT(get("/api/v1/targets")->body, testing::Not(HasSubstr("127.0.0.1:1\"")));
  EXPECT_TRUE(shows("/api/v1/targets", R"("lastError":"",)"));
}

TEST_F(AgentTest, ALostRingIsSaidEverywhere) {
  start();
  EXPECT_EQ(get("/-/ready")->status, 200);
  fs::remove(ring_path());
  const auto ready = get("/-/ready");
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 503);
  EXPECT_THAT(ready->body, HasSubstr("ring: the ring's file " + ring_path() + " was removed"));
  const std::string metrics = get("/metrics")->body;
  EXPECT_THAT(metrics, HasSubstr("watchkeeper_ring_problem 1\n"));
  EXPECT_THAT(metrics, HasSubstr("watchkeeper_degraded 1\n"));
  const std::string status = get("/api/watchkeeper/v1/status")->body;
  EXPECT_THAT(status, HasSubstr(R"("problem":"the ring's file )"));
  EXPECT_THAT(status, HasSubstr(R"("degraded":["ring: the ring's file )"));
}

TEST_F(AgentTest, WhatIsNoRingIsRefusedAndLeftAlone) {
  fs::create_directories(folder_ + "/data");
  const std::string text = "somebody's notes\n";
  std::ofstream(ring_path()) << text;
  const auto refused = try_start(folder_ + "/data");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr(ring_path() + ": not a ring"));
  std::ifstream stream(ring_path());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stream), {}), text);
}

TEST_F(AgentTest, ARingOfAnotherSizeWaitsForTheNextStart) {
  start();
  write_config("ring: {size: 8MiB, max_series: 99}\n");
  EXPECT_EQ(post("/-/reload")->status, 200);
  EXPECT_THAT(get("/metrics")->body, HasSubstr("watchkeeper_ring_series_limit 8192\n"));
}

TEST_F(AgentTest, PausesAndResumesAutomation) {
  start();
  EXPECT_EQ(post("/api/watchkeeper/v1/automation/pause")->status, 400) << "without a reason";
  EXPECT_EQ(post("/api/watchkeeper/v1/automation/pause?reason=storm&who=me")->status, 200);
  EXPECT_THAT(get("/api/watchkeeper/v1/status")->body, HasSubstr(R"("paused":true,"reason":"storm")"));
  EXPECT_EQ(post("/api/watchkeeper/v1/automation/resume")->status, 200);
  EXPECT_THAT(get("/api/watchkeeper/v1/status")->body, HasSubstr(R"("paused":false)"));
  EXPECT_EQ(post("/api/watchkeeper/v1/backups/none/run")->status, 404);
}

TEST_F(AgentTest, ServesThePageWithItsFilesOnly) {
  start();
  const auto page = get("/");
  ASSERT_TRUE(page);
  EXPECT_THAT(page->get_header_value("Content-Security-Policy"), HasSubstr("default-src 'none'; script-src 'self'"));
  EXPECT_EQ(page->get_header_value("X-Frame-Options"), "DENY");
  for (const char* const file : {"/page.css", "/page.js", "/model.js"}) {
    EXPECT_THAT(page->body, HasSubstr(file));
    EXPECT_EQ(get(file)->status, 200) << file;
  }
  EXPECT_EQ(get("/index.html")->status, 404);
}

TEST_F(AgentTest, OneAgentADataDirectory) {
  start();
  const auto second = try_start(folder_ + "/data");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "data directory " + folder_ + "/data: another watchkeeper runs on it");
  const auto unwritable = try_start("/proc/watchkeeper");
  ASSERT_FALSE(unwritable);
  EXPECT_THAT(unwritable.error().message, HasSubstr("data directory /proc/watchkeeper: "));
}

TEST_F(AgentTest, SaysWhatItRemembers) {
  start();
  const auto status = get("/api/watchkeeper/v1/status");
  ASSERT_TRUE(status);
  EXPECT_THAT(status->body, HasSubstr(R"("seriesLimit":8192)"));
  EXPECT_THAT(status->body, HasSubstr(R"("seriesRefused":0,"start":{"chunksDropped":0,"found":"new","series":0)"));
  EXPECT_THAT(status->body, HasSubstr(R"("problem":"")"));
  EXPECT_THAT(get("/api/v1/status/runtimeinfo")->body,
              testing::ContainsRegex(R"("corruptionCount":0,.*"storageRetention":"[0-9]+MiB, [0-9]+s held")"));
}

}  // namespace
}  // namespace agent
