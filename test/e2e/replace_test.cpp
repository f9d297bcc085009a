// SPDX-License-Identifier: Apache-2.0
// A rolling update by a real agent: hosts are series that the test serves, and the driver is a program whose mark makes
// a host come back new.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::http_get;
using test_support::http_post;
using testing::HasSubstr;
using testing::Not;

class Replace : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder(std::string("replace-") +
                                       testing::UnitTest::GetInstance()->current_test_info()->name());
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(metrics(), "text/plain");
    });
    const int port = server_.bind_to_any_port("127.0.0.1");
    serving_ = std::thread([this] { server_.listen_after_bind(); });
    test_support::write_file(work_ / "watchkeeper.yml", configuration(port));
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
    ASSERT_TRUE(eventually(seconds(20), [&] { return group()["outdated"].is_array(); })) << group().dump(1);
  }
  void TearDown() override {
    agent_.reset();
    server_.stop();
    serving_.join();
  }

  // h1 and h2 are old, h3 is new. One whose mark is there is away for a moment, and then new; `lost` never is.
  std::string metrics() {
    std::string text;
    for (const char* const host : {"h1", "h2", "h3"}) {
      const bool replaced = fs::exists(work_ / (std::string("replaced-") + host));
      if (replaced && (host == lost_ || ++looks_[host] < 3)) continue;
      const bool fresh = replaced || std::string(host) == "h3";
      text += std::string("host_up{instance=\"") + host + "\",image=\"" + (fresh ? "2" : "1") + "\"} 1\n";
    }
    return text;
  }

  std::string configuration(int port) const {
    return "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
           "ring: {size: 16MiB}\n"
           "scrape_configs:\n- job_name: hosts\n  honor_labels: true\n  static_configs: [{targets: ['127.0.0.1:" +
           std::to_string(port) +
           "']}]\n"
           "replace:\n- name: hosts\n  driver: exec\n  level: auto\n"
           "  exec: {argv: [/usr/bin/touch, '" +
           (work_ / "replaced-").string() +
           "{{ .Labels.instance }}'], repeatable: true}\n"
           "  fresh_within: 10s\n  healthy: 'count(host_up == 1)'\n  min_healthy: 2\n"
           "  ready: {expr: 'count(host_up == 1) == 3', within: 15s}\n"
           "  rollout: {members: 'host_up == 1', outdated: 'host_up{image=\"1\"} == 1', pause: 1s}\n";
  }

  json group() const {
    const json data = api_get(agent_->port(), "/api/watchkeeper/v1/replace");
    return data.is_object() ? data["groups"][0] : json::object();
  }
  std::string state() const {
    const json shown = group();
    return shown.contains("rollout") && shown["rollout"].is_object() ? shown["rollout"]["state"] : "none";
  }
  std::pair<int, std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {AgentProcess::binary(), "replace"});
    arguments.insert(arguments.end(), {"--url", "http://127.0.0.1:" + std::to_string(agent_->port())});
    const fs::path log = work_ / ("command-" + std::to_string(++commands_) + ".log");
    BackgroundProcess process(arguments, log);
    const int status = process.wait(seconds(20)).value_or(-1);
    return {status, process.log_text()};
  }
  bool is_replaced(const std::string& host) const { return fs::exists(work_ / ("replaced-" + host)); }

  fs::path work_;
  std::string lost_;
  std::map<std::string, int> looks_;  // the server's thread only
  int commands_ = 0;
  httplib::Server server_;
  std::thread serving_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(Replace, OneAfterAnotherAcrossAKill) {
  const auto [planned, plan] = command({"plan", "hosts"});
  EXPECT_EQ(planned, 0) << plan;
  EXPECT_THAT(plan, HasSubstr("hosts, level auto: 2 of 3 hosts, one after another"));
  EXPECT_THAT(plan, HasSubstr("exec /usr/bin/touch"));
  EXPECT_FALSE(is_replaced("h1")) << "a plan does nothing";
  EXPECT_EQ(command({"start", "other"}).first, 1);
  const auto [started, said] = command({"start", "hosts", "--who", "ann"});
  ASSERT_EQ(started, 0) << said;
  ASSERT_TRUE(eventually(seconds(30), [&] { return is_replaced("h1"); })) << group().dump(1);
  EXPECT_FALSE(is_replaced("h2"));
  agent_->process().signal(SIGKILL);
  ASSERT_EQ(agent_->process().wait(seconds(5)), 128 + SIGKILL);
  agent_->start();
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  ASSERT_TRUE(eventually(seconds(90), [&] { return state() == "done"; })) << group().dump(1);
  EXPECT_TRUE(is_replaced("h2"));
  EXPECT_FALSE(is_replaced("h3")) << "it was new already";
  const auto [shown, status] = command({"status", "hosts", "--output", "json"});
  EXPECT_EQ(shown, 0);
  EXPECT_EQ(json::parse(status)[0]["rollout"]["replaced"].size(), 2U) << status;
  EXPECT_EQ(command({"start", "hosts"}).first, 1) << "nothing is outdated any more";
  EXPECT_THAT(http_get(agent_->port(), "/metrics").body,
              HasSubstr("watchkeeper_replace_rollout_state{group=\"hosts\",state=\"done\"} 1"));
}

TEST_F(Replace, StopsAtTheFirstThatDoesNotComeBack) {
  lost_ = "h1";
  ASSERT_EQ(command({"start", "hosts"}).first, 0);
  ASSERT_TRUE(eventually(seconds(60), [&] { return state() == "failed"; })) << group().dump(1);
  EXPECT_TRUE(is_replaced("h1"));
  EXPECT_FALSE(is_replaced("h2"));
  EXPECT_THAT(group()["rollout"]["reason"].get<std::string>(), HasSubstr("did not come true in time"));
  EXPECT_THAT(command({"status"}).second, HasSubstr("rolling update failed"));
}

}  // namespace
}  // namespace e2e
