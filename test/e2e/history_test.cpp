// SPDX-License-Identifier: Apache-2.0
// What was measured outlives the agent: killed, stopped in order, and started with a ring of another size, it still
// answers with the samples from before, each once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::http_get;
using testing::HasSubstr;

class History : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder(std::string("history-") +
                                       testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(work_ / "textfile");
    set_height(1);
    node_port_ = test_support::free_port();
    node_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"prometheus-node-exporter",
                                 "--web.listen-address=127.0.0.1:" + std::to_string(node_port_),
                                 "--collector.disable-defaults", "--collector.textfile", "--collector.loadavg",
                                 "--collector.textfile.directory=" + (work_ / "textfile").string()},
        work_ / "node-exporter.log");
    configure("16MiB");
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << log();
    // Values that stay and values that change, in a rule's series too.
    for (int height = 1; height <= 4; ++height) {
      set_height(height);
      ASSERT_TRUE(eventually(seconds(15), [&] { return now("fleet:height:double") == std::to_string(2 * height); }))
          << log();
    }
    ASSERT_TRUE(eventually(seconds(15), [&] { return now("count_over_time(up[5m] offset 2s) >= bool 6") == "1"; }))
        << log();
    before_ = remembered();
    ASSERT_GE(before_["fleet_height"]["result"][0]["values"].size(), 4U) << before_.dump(2);
  }

  void configure(const std::string& ring_size) const {
    test_support::write_file(work_ / "rules.yml",
                             "groups:\n- name: fleet\n  rules:\n"
                             "  - {record: 'fleet:height:double', expr: fleet_height * 2}\n");
    test_support::write_file(work_ / "watchkeeper.yml",
                             "global: {scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms}\n"
                             "scrape_configs:\n- job_name: node\n  static_configs: [{targets: ['127.0.0.1:" +
                                 std::to_string(node_port_) +
                                 "']}]\nrule_files: [rules.yml]\nring: {size: " + ring_size + "}\n");
  }

  void set_height(int height) const {
    // By renaming: the exporter must not read half of it.
    test_support::write_file(work_ / "textfile" / "fleet.tmp", "fleet_height " + std::to_string(height) + "\n");
    fs::rename(work_ / "textfile" / "fleet.tmp", work_ / "textfile" / "fleet.prom");
  }

  json query(const std::string& expression, const std::string& at = "") const {
    return api_get(agent_->port(),
                   "/api/v1/query?query=" + encode(expression) + (at.empty() ? "" : "&time=" + encode(at)));
  }
  // The value of a result of one element; empty if it is not one.
  std::string now(const std::string& expression) const {
    const json data = query(expression);
    return data.is_object() && data["result"].size() == 1 ? data["result"][0]["value"][1].get<std::string>() : "";
  }

  // Every sample until the first call, and a range query over that time.
  json remembered() {
    if (until_.empty()) until_ = std::to_string(std::stoll(now("floor(timestamp(up) - 1)")));
    json all;
    for (const char* const name : {"fleet_height", "fleet:height:double", "up", "node_load1"}) {
      all[name] = query(std::string(name) + "[5m]", until_);
    }
    const std::string from = std::to_string(std::stoll(until_) - 60);
    all["range"] = api_get(agent_->port(), "/api/v1/query_range?query=" + encode("sum by (job) (fleet_height)") +
                                               "&start=" + from + "&end=" + until_ + "&step=1");
    return all;
  }

  void end_agent(int signal, int status) {
    agent_->process().signal(signal);
    ASSERT_EQ(agent_->process().wait(seconds(20)), status) << log();
  }

  // Started again, it answers as before, and goes on with the same series.
  void expect_it_goes_on(const std::string& found) {
    agent_->start();
    ASSERT_TRUE(agent_->ready()) << log();
    EXPECT_EQ(remembered(), before_) << log();
    const std::string metrics = http_get(agent_->port(), "/metrics").body;
    EXPECT_THAT(metrics, HasSubstr("watchkeeper_ring_start_info{found=\"" + found + "\"} 1"));
    EXPECT_THAT(metrics, HasSubstr("watchkeeper_ring_damaged_total 0"));
    EXPECT_THAT(log(), HasSubstr("/data/ring: found " + found));
    const std::size_t samples = before_["fleet_height"]["result"][0]["values"].size();
    EXPECT_TRUE(eventually(seconds(20), [&] {
      return now("count_over_time(fleet_height[5m]) > bool " + std::to_string(samples + 3)) == "1" &&
             now("count_over_time(fleet:height:double[5m]) > bool " + std::to_string(samples + 3)) == "1";
    })) << log();
    EXPECT_EQ(remembered(), before_) << "what came after changed what was before";
  }

  std::string log() const { return agent_->process().log_text(); }
  std::uintmax_t ring_bytes() const { return fs::file_size(work_ / "data" / "ring"); }

  fs::path work_;
  int node_port_ = 0;
  std::string until_;
  json before_;
  std::unique_ptr<BackgroundProcess> node_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(History, SurvivesAKill) {
  end_agent(SIGKILL, 128 + SIGKILL);
  expect_it_goes_on("killed");
  end_agent(SIGKILL, 128 + SIGKILL);
  expect_it_goes_on("killed");
}

TEST_F(History, SurvivesAStop) {
  end_agent(SIGTERM, 0);
  expect_it_goes_on("clean");
}

TEST_F(History, IsTakenOverByARingOfAnotherSize) {
  EXPECT_EQ(ring_bytes(), 16U << 20);
  end_agent(SIGTERM, 0);
  configure("6MiB");
  expect_it_goes_on("migrated");
  EXPECT_EQ(ring_bytes(), 6U << 20);
  end_agent(SIGKILL, 128 + SIGKILL);
  configure("32MiB");
  expect_it_goes_on("migrated");
  EXPECT_EQ(ring_bytes(), 32U << 20);
}

}  // namespace
}  // namespace e2e
