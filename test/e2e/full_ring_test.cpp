// SPDX-License-Identifier: Apache-2.0
// A ring that has no room for what a new target shows: the agent says for whom, and the shipped alert sees it although
// nothing new can be written any more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::eventually;
using test_support::http_get;

std::string job(const std::string& name, int port) {
  return "- job_name: " + name + "\n  static_configs: [{targets: ['127.0.0.1:" + std::to_string(port) + "']}]\n";
}

TEST(FullRing, IsToldByTheShippedAlert) {
  const fs::path work = test_support::fresh_folder("full-ring");
  const fs::path config = work / "watchkeeper.yml";
  const int node_port = test_support::free_port();
  const test_support::BackgroundProcess node(
      {"prometheus-node-exporter", "--web.listen-address=127.0.0.1:" + std::to_string(node_port)}, work / "node.log");
  const auto configure = [&](const std::string& jobs) {
    test_support::write_file(config,
                             "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
                             "rule_files: ['" +
                                 std::string(WATCHKEEPER_SOURCE_DIR) +
                                 "/rules/packs/watchkeeper.yml']\n"
                                 "ring: {size: 4MiB, max_series: 400}\nscrape_configs:\n" +
                                 jobs);
  };
  configure("");
  AgentProcess agent(config, work / "data");
  ASSERT_TRUE(agent.ready()) << agent.process().log_text();

  configure(job("watchkeeper", agent.port()));
  ASSERT_EQ(test_support::http_post(agent.port(), "/-/reload").status, 200) << agent.process().log_text();
  const auto any = [&](const std::string& expression) {
    const json data = api_get(agent.port(), "/api/v1/query?query=" + encode(expression));
    return data.is_object() && !data["result"].empty();
  };
  ASSERT_TRUE(eventually(seconds(15), [&] { return any("watchkeeper_ring_series_refused_total == 0"); }))
      << http_get(agent.port(), "/metrics").body;
  EXPECT_FALSE(any("watchkeeper_target_series_refused > 0"));

  // An exporter of many hundred series.
  configure(job("watchkeeper", agent.port()) + job("node", node_port));
  ASSERT_EQ(test_support::http_post(agent.port(), "/-/reload").status, 200) << agent.process().log_text();
  ASSERT_TRUE(eventually(seconds(15), [&] { return any("increase(watchkeeper_ring_series_refused_total[1m]) > 100"); }))
      << http_get(agent.port(), "/metrics").body;
  EXPECT_THAT(http_get(agent.port(), "/metrics").body,
              testing::ContainsRegex("watchkeeper_target_series_refused\\{scrape_instance=\"127.0.0.1:" +
                                     std::to_string(node_port) + "\",scrape_job=\"node\"\\} [1-9]"));
  EXPECT_TRUE(eventually(seconds(15), [&] {
    return api_get(agent.port(), "/api/v1/alerts").dump().find("WatchkeeperRingRefusesSeries") != std::string::npos;
  })) << agent.process().log_text();
  EXPECT_TRUE(any("watchkeeper_ring_series <= 400")) << "it never grows beyond its limit";
}

}  // namespace
}  // namespace e2e
