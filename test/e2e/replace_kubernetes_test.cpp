// SPDX-License-Identifier: Apache-2.0
// A node of a simulated cluster dies: a real agent drains it, deletes it, and waits for the one that comes in its
// place. And it finds out an API server that says OK and does nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <thread>

#include "test/e2e/agent_process.h"
#include "test/unit/actions/remedy/fake_kubernetes.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::eventually;
using testing::HasSubstr;
using testing::IsEmpty;

class ReplaceKubernetes : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder(std::string("replace-kubernetes-") +
                                       testing::UnitTest::GetInstance()->current_test_info()->name());
    for (const char* const name : {"n1", "n2"}) cluster_.add_node(name);
    cluster_.add_pod("geth-0", "n1");
    cluster_.looks_to_end = 1;
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(metrics(), "text/plain");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    serving_ = std::thread([this] { server_.listen_after_bind(); });
    test_support::write_file(work_ / "token", cluster_.token);
    test_support::write_file(work_ / "rules.yml",
                             "groups:\n- name: g\n  rules:\n  - {alert: NodeGone, expr: 'node_up == 0'}\n");
  }
  void start_agent(const std::string& step_timeout) {
    test_support::write_file(work_ / "watchkeeper.yml", configuration(port_, step_timeout));
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
  }
  void TearDown() override {
    agent_.reset();
    server_.stop();
    serving_.join();
    EXPECT_THAT(cluster_.violations, IsEmpty());
  }

  // n1 is dead. Whoever provides nodes makes n3 once n1 is deleted.
  std::string metrics() {
    const std::lock_guard lock(cluster_.mutex);
    if (!cluster_.nodes.contains("n1") && !cluster_.nodes.contains("n3")) cluster_.add_node("n3");
    std::string text;
    for (const auto& [name, node] : cluster_.nodes) {
      text += "node_up{node=\"" + name + "\"} " + (name == "n1" ? "0" : "1") + "\n";
    }
    return text;
  }
  std::string configuration(int port, const std::string& step_timeout) const {
    return "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
           "ring: {size: 16MiB}\nrule_files: [rules.yml]\n"
           "scrape_configs:\n- job_name: nodes\n  honor_labels: true\n  static_configs: [{targets: ['127.0.0.1:" +
           std::to_string(port) +
           "']}]\n"
           "replace:\n- name: nodes\n  driver: kubernetes\n  level: auto\n  match: ['alertname=\"NodeGone\"']\n"
           "  kubernetes: {api_server: '" +
           cluster_.url() + "', token_file: '" + (work_ / "token").string() + "'}\n  timeout: " + step_timeout +
           "\n  ready: {expr: 'count(node_up == 1) == 2', within: 20s}\n";
  }
  json run() const {
    const json data = api_get(agent_->port(), "/api/watchkeeper/v1/remediations");
    return data.is_object() ? data.value("/runs/0"_json_pointer, json()) : json();
  }
  bool ends() const {
    return eventually(seconds(50), [&] {
      const json shown = run();
      return shown.is_object() && shown.value("final", false);
    });
  }

  fs::path work_;
  actions::remedy::FakeKubernetes cluster_;
  int port_ = 0;
  httplib::Server server_;
  std::thread serving_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(ReplaceKubernetes, ANodeIsDrainedDeletedAndReplaced) {
  start_agent("30s");
  ASSERT_TRUE(ends()) << run().dump(1);
  EXPECT_EQ(run()["state"], "succeeded") << run().dump(1);
  const std::lock_guard lock(cluster_.mutex);
  EXPECT_THAT(cluster_.done, testing::ElementsAre("patch n1", "evict geth-0", "delete n1"));
  EXPECT_TRUE(cluster_.nodes.contains("n3"));
}

TEST_F(ReplaceKubernetes, AnOkThatDeletesNothingIsAFailure) {
  {
    const std::lock_guard lock(cluster_.mutex);
    cluster_.lies = {"DELETE"};
    cluster_.pods.clear();
  }
  start_agent("7s");
  ASSERT_TRUE(ends()) << run().dump(1);
  EXPECT_EQ(run()["state"], "failed");
  EXPECT_THAT(run()["reason"].get<std::string>(), HasSubstr("step 2 failed"));
  const std::lock_guard lock(cluster_.mutex);
  EXPECT_TRUE(cluster_.nodes.contains("n1"));
}

}  // namespace
}  // namespace e2e
