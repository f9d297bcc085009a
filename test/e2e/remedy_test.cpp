// SPDX-License-Identifier: Apache-2.0
// Remediations of a real agent that scrapes itself: conditions, verification, escalation, approvals by command line and
// HTTP, pauses, kill -9, the audit log and the evidence.
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
using test_support::http_post;
using testing::HasSubstr;

constexpr const char* kPath = "/api/watchkeeper/v1/remediations";

class Remedy : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder(std::string("remedy-") +
                                       testing::UnitTest::GetInstance()->current_test_info()->name());
    simulators_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{std::string(WATCHKEEPER_BINARY_DIR) + "/test/simulators", "--ports", "0"},
        work_ / "simulators.log");
    ASSERT_TRUE(eventually(seconds(10), [&] {
      ports_ = json::parse(simulators_->log_text(), nullptr, false);
      return ports_.is_object();
    })) << simulators_->log_text();
    test_support::write_file(work_ / "rules.yml",
                             "groups:\n- name: g\n  rules:\n"
                             "  - {alert: Up, expr: 'up{job=\"beacon\"} == 1', labels: {severity: critical}}\n");
    test_support::write_file(work_ / "watchkeeper.yml", configuration());
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  }

  std::string remediation(const std::string& name, const std::string& rest) const {
    return "- name: " + name + "\n  match: ['alertname=\"Up\"']\n" + rest;
  }
  std::string touch(const std::string& file) const {
    return "  steps: [{exec: {argv: [/usr/bin/touch, '" + (work_ / file).string() + "-{{ .Labels.job }}']}}]\n";
  }
  std::string configuration() const {
    return "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
           "ring: {size: 16MiB}\nrule_files: [rules.yml]\n"
           "scrape_configs:\n- job_name: beacon\n  static_configs: [{targets: ['127.0.0.1:" +
           std::to_string(ports_.at("beacon_metrics").get<int>()) +
           "']}]\n"
           "route: {receiver: everyone, group_by: ['...'], group_wait: 0s, group_interval: 1s}\n"
           "receivers:\n- name: everyone\n  webhook_configs: [{url: 'http://127.0.0.1:" +
           std::to_string(ports_.at("webhook").get<int>()) + "/webhook'}]\nremediations:\n" +
           remediation("blind", "  level: auto\n  require: ['nothing == 1']\n" + touch("blind")) +
           remediation("good",
                       "  level: auto\n  require: ['up{job=\"beacon\"} == 1']\n"
                       "  verify: {expr: 'up{job=\"beacon\"} == 1', within: 1m}\n" +
                           touch("good")) +
           remediation("broken",
                       "  level: auto\n  on_failure: {then: instead}\n  steps:\n"
                       "  - exec: {argv: [/bin/false]}\n    rollback: {exec: {argv: [/usr/bin/touch, '" +
                           (work_ / "undone").string() + "']}}\n") +
           remediation("ask", "  level: approve\n  approval: {required: 2, approvers: [ann, bob]}\n" + touch("ask")) +
           "- name: instead\n  level: auto\n" + touch("instead");
  }

  // The run of that remediation; null if there is none.
  json run_of(const std::string& name) const {
    const json data = api_get(agent_->port(), kPath);
    if (!data.is_object()) return nullptr;
    for (const json& run : data["runs"]) {
      if (run["name"] == name) return run;
    }
    return nullptr;
  }
  bool reaches(const std::string& name, const std::string& state) const {
    return eventually(seconds(20), [&] {
      const json run = run_of(name);
      return run.is_object() && run["state"] == state;
    });
  }
  // The exit status and the output of a command; agents are named where one is asked.
  std::pair<int, std::string> command(std::vector<std::string> arguments, bool asks = true) {
    arguments.insert(arguments.begin(), {AgentProcess::binary(), "remedy"});
    if (asks) arguments.insert(arguments.end(), {"--url", "http://127.0.0.1:" + std::to_string(agent_->port())});
    const fs::path log = work_ / ("command-" + std::to_string(++commands_) + ".log");
    BackgroundProcess process(arguments, log);
    const int status = process.wait(seconds(20)).value_or(-1);
    return {status, process.log_text()};
  }
  std::string data() const { return (work_ / "data").string(); }

  fs::path work_;
  json ports_;
  int commands_ = 0;
  std::unique_ptr<BackgroundProcess> simulators_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(Remedy, DecidesActsVerifiesAndRemembers) {
  ASSERT_TRUE(reaches("good", "succeeded")) << agent_->process().log_text() << run_of("good").dump(1);
  EXPECT_TRUE(fs::exists(work_ / "good-beacon"));
  EXPECT_EQ(run_of("good")["findings"][0]["verdict"], "yes");
  ASSERT_TRUE(reaches("blind", "refused"));
  EXPECT_EQ(run_of("blind")["reason"], "require nothing == 1: unknown: no samples");
  ASSERT_TRUE(reaches("broken", "failed")) << run_of("broken").dump(1);
  EXPECT_EQ(run_of("broken")["reason"], "step 1 failed: exited with 1; rolled back");
  EXPECT_TRUE(fs::exists(work_ / "undone"));
  ASSERT_TRUE(reaches("instead", "succeeded"));
  EXPECT_EQ(run_of("instead")["escalatedFrom"], run_of("broken")["id"]);

  // What was not done is told as well, with its reason.
  const auto told = [&] { return http_get(ports_.at("control"), "/received?receiver=webhook").body; };
  EXPECT_TRUE(eventually(seconds(10), [&] {
    return told().find("blind is refused: require nothing") != std::string::npos;
  })) << told();

  // Two people, one plan, across a kill.
  ASSERT_TRUE(reaches("ask", "waiting"));
  const std::string id = run_of("ask")["id"];
  const auto [first, shown] = command({"approve", id, "--who", "ann"});
  EXPECT_EQ(first, 0) << shown;
  EXPECT_THAT(shown, HasSubstr("exec /usr/bin/touch"));
  EXPECT_EQ(command({"approve", id, "--who", "eve"}).first, 1);
  EXPECT_EQ(command({"approve", id, "--who", "bob", "--plan", "000000000000"}).first, 1);
  agent_->process().signal(SIGKILL);
  ASSERT_EQ(agent_->process().wait(seconds(5)), 128 + SIGKILL);
  agent_->start();
  ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  EXPECT_FALSE(fs::exists(work_ / "ask-beacon"));
  ASSERT_TRUE(eventually(seconds(20), [&] {
    return http_post(agent_->port(), std::string(kPath) + "/" + id + "/approve?who=bob").status == 200;
  }));
  ASSERT_TRUE(reaches("ask", "succeeded")) << run_of("ask").dump(1);
  EXPECT_TRUE(fs::exists(work_ / "ask-beacon"));
  EXPECT_EQ(run_of("ask")["decidedBy"], "ann, bob");

  const auto [verified, sums] = command({"audit", "verify", "--data-dir", data()}, false);
  EXPECT_EQ(verified, 0) << sums;
  EXPECT_THAT(sums, HasSubstr("none changed, none missing"));
  const auto [exported, lines] = command({"audit", "export", "--run", id, "--data-dir", data()}, false);
  EXPECT_EQ(exported, 0);
  EXPECT_THAT(lines, HasSubstr("1 of 2 approvals"));
  std::string evidence;
  ASSERT_TRUE(eventually(seconds(10), [&] {
    const auto [status, text] = command({"evidence", run_of("good")["id"]});
    evidence = text;
    return status == 0;
  })) << evidence;
  const json kept = json::parse(evidence, nullptr, false);
  ASSERT_TRUE(kept.is_object()) << evidence;
  EXPECT_EQ(kept["run"]["state"], "succeeded");
  EXPECT_GE(kept["audit"]["entries"].size(), 2U);
  EXPECT_FALSE(kept["expressions"][0]["series"][0]["samples"].empty());
  EXPECT_EQ(command({"evidence", "nothing"}).first, 1);
}

TEST_F(Remedy, APauseHoldsOneOrAllAndAPlanIsPrintedWithoutAnAgent) {
  EXPECT_EQ(command({"pause", "nothing", "--reason", "x"}).first, 1);
  EXPECT_EQ(command({"pause", "good", "--reason", "it is wrong", "--who", "ann"}).first, 0);
  EXPECT_EQ(command({"pause"}).first, 2);  // without a reason
  EXPECT_EQ(command({"pause", "--reason", "upgrade"}).first, 0);
  const auto [status, list] = command({"list"});
  EXPECT_THAT(list, HasSubstr("automation is PAUSED"));
  EXPECT_THAT(list, HasSubstr("good is PAUSED"));
  EXPECT_EQ(command({"resume"}).first, 0);
  EXPECT_EQ(command({"resume"}).first, 1);
  EXPECT_THAT(http_get(agent_->port(), "/metrics").body,
              HasSubstr("watchkeeper_remediation_paused{remediation=\"good\"} 1"));
  const json runs = json::parse(command({"list", "--output", "json"}).second, nullptr, false);
  ASSERT_TRUE(runs.is_array());
  for (const json& run : runs) {
    for (const char* key : {"name", "alert", "state", "reason", "steps"}) EXPECT_TRUE(run.contains(key)) << key;
  }
  const std::string config = (work_ / "watchkeeper.yml").string();
  const auto [planned, plan] = command({"plan", "good", "--config", config, "--labels", "job=x"}, false);
  EXPECT_EQ(planned, 0);
  EXPECT_THAT(plan, HasSubstr("good-x  [needs-a-person]"));
  EXPECT_THAT(plan, HasSubstr("needs    require up{job=\"beacon\"} == 1"));
  EXPECT_EQ(command({"plan", "good", "--config", config}, false).first, 1);  // there is no label job
  EXPECT_FALSE(fs::exists(work_ / "good-x"));
}

}  // namespace
}  // namespace e2e
