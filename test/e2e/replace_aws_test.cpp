// SPDX-License-Identifier: Apache-2.0
// Hosts of a simulated AWS account that a real agent watches: it finds them through EC2, sees them die, and has them
// replaced by their Auto Scaling group or by EC2; and it finds out an AWS that says OK and does nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

#include "test/e2e/agent_process.h"
#include "test/support/aws_cloud.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::AwsCloud;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::http_get;
using test_support::http_post;
using testing::HasSubstr;
using testing::IsEmpty;

// What there is at the start.
constexpr const char* kFirst = "i-00000000000000001";
constexpr const char* kSecond = "i-00000000000000002";
constexpr const char* kBeacon = "i-00000000000000003";
constexpr const char* kValidator = "i-00000000000000004";
constexpr const char* kTerminate = "TerminateInstanceInAutoScalingGroup";

class ReplaceAws : public testing::Test {
 protected:
  void SetUp() override {
    work_ = test_support::fresh_folder(std::string("replace-aws-") +
                                       testing::UnitTest::GetInstance()->current_test_info()->name());
    simulators_ = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{std::string(WATCHKEEPER_BINARY_DIR) + "/test/simulators", "--ports", "0", "--speed",
                                 "24", "--aws-hosts", "2"},
        work_ / "simulators.log");
    ASSERT_TRUE(eventually(seconds(10), [&] {
      ports_ = json::parse(simulators_->log_text(), nullptr, false);
      return ports_.is_object();
    })) << simulators_->log_text();
    test_support::write_file(work_ / "credentials", std::string("[default]\naws_access_key_id = ") +
                                                        AwsCloud::kAccessKey +
                                                        "\naws_secret_access_key = " + AwsCloud::kSecretKey +
                                                        "\naws_session_token = " + AwsCloud::kSessionToken + "\n");
    setenv("AWS_SHARED_CREDENTIALS_FILE", (work_ / "credentials").c_str(), 1);
    test_support::write_file(work_ / "rules.yml",
                             "groups:\n- name: g\n  rules:\n  - {alert: HostGone, expr: 'up{job=\"hosts\"} == 0'}\n");
    test_support::write_file(work_ / "watchkeeper.yml", configuration());
    agent_ = std::make_unique<AgentProcess>(work_ / "watchkeeper.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
    ASSERT_TRUE(eventually(seconds(20), [&] { return value_of("count(up{job=\"hosts\"}==1)") == "4"; }))
        << agent_->process().log_text();
  }
  void TearDown() override {
    if (simulators_ != nullptr && simulators_->running()) {
      EXPECT_THAT(aws()["violations"], IsEmpty());
    }
  }

  std::string url(const char* port) const {
    return "'http://127.0.0.1:" + std::to_string(ports_.at(port).get<int>()) + "/'";
  }
  std::string group(const std::string& name, const std::string& driver, const std::string& role) const {
    return "- name: " + name + "\n  driver: " + driver +
           "\n  aws: {region: eu-west-1, poll: 200ms, ec2_endpoint: " + url("aws_ec2") +
           ", autoscaling_endpoint: " + url("aws_autoscaling") +
           "}\n  level: auto\n  match: ['alertname=\"HostGone\"', 'role=~\"" + role + "\"']\n  timeout: 5s\n";
  }
  std::string configuration() const {
    return "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 1s}\n"
           "ring: {size: 16MiB}\nrule_files: [rules.yml]\n"
           "scrape_configs:\n- job_name: hosts\n  ec2_sd_configs:\n  - {region: eu-west-1, refresh_interval: 1s, "
           "port: " +
           std::to_string(ports_.at("aws_hosts").get<int>()) + ", endpoint: " + url("aws_ec2") +
           "}\n"
           "  relabel_configs:\n"
           "  - {source_labels: [__meta_ec2_instance_state], regex: running, action: keep}\n"
           "  - {source_labels: [__meta_ec2_instance_id], target_label: instance_id}\n"
           "  - {source_labels: [__meta_ec2_ami], target_label: image}\n"
           "  - {source_labels: [__meta_ec2_tag_role], target_label: role}\n"
           "replace:\n" +
           group("geth", "aws-asg", "geth|validator") +
           "  auto_scaling_group: geth-nodes\n"
           "  healthy: 'count(up{role=\"geth\"} == 1)'\n  min_healthy: 1\n"
           "  ready:\n    expr: 'count(up{role=\"geth\"} == 1) == 2"
           " and max(chain_head_header{role=\"geth\"} - chain_head_block) < 3'\n    within: 30s\n"
           "  rollout: {members: 'up{role=\"geth\"} == 1', outdated: 'up{role=\"geth\", "
           "image=\"ami-00000000000000001\"}"
           " == 1', pause: 1s}\n" +
           group("beacon", "aws-ec2", "beacon") +
           "  launch_template: beacon-node\n  rollout: {wanted_image: launch-template, instance_tags: {role: beacon}}\n"
           "  ready: {expr: 'count(up{role=\"beacon\"} == 1) == 1', within: 30s}\n";
  }

  json aws() const { return json::parse(http_get(ports_.at("control"), "/aws").body, nullptr, false); }
  int calls(const std::string& action) const {
    const json all = aws()["calls"];
    return static_cast<int>(std::count(all.begin(), all.end(), action));
  }
  std::string state_of(const std::string& instance) const {
    return aws()["instances"][instance].value("state", "unknown");
  }
  void die(const std::string& instance) {
    ASSERT_EQ(http_post(ports_.at("control"), "/fault/" + instance + "/gone").status, 200);
  }
  // The first value of a query; "" if there is none.
  std::string value_of(const std::string& expr) const {
    const json data = api_get(agent_->port(), "/api/v1/query?query=" + encode(expr));
    return data.is_object() ? data.value("/result/0/value/1"_json_pointer, "") : "";
  }
  // The newest run of that remediation about that instance; null if there is none.
  json run_of(const std::string& name, const std::string& instance) const {
    const json data = api_get(agent_->port(), "/api/watchkeeper/v1/remediations");
    if (!data.is_object()) return nullptr;
    for (const json& run : data["runs"]) {
      if (run["name"] == name && run.dump().find(instance) != std::string::npos) return run;
    }
    return nullptr;
  }
  bool reaches(const std::string& name, const std::string& instance, const std::string& state) const {
    return eventually(seconds(40), [&] {
      const json run = run_of(name, instance);
      return run.is_object() && run["state"] == state;
    });
  }
  json rollout(std::size_t group = 0) const {
    const json data = api_get(agent_->port(), "/api/watchkeeper/v1/replace");
    return data.is_object() ? data["groups"].at(group).value("rollout", json()) : json();
  }
  bool rollout_ends(const std::string& state) const {
    return eventually(seconds(60), [&] {
      const json shown = rollout();
      return shown.is_object() && shown["state"] == state;
    });
  }
  int start(const std::string& group) {
    BackgroundProcess process({AgentProcess::binary(), "replace", "start", group, "--who", "ann", "--url",
                               "http://127.0.0.1:" + std::to_string(agent_->port())},
                              work_ / "start.log");
    return process.wait(seconds(20)).value_or(-1);
  }

  fs::path work_;
  json ports_;
  std::unique_ptr<BackgroundProcess> simulators_;
  std::unique_ptr<AgentProcess> agent_;
};

TEST_F(ReplaceAws, HostsAreReplacedButNoValidators) {
  die(kValidator);
  die(kFirst);
  die(kBeacon);
  ASSERT_TRUE(reaches("geth", kFirst, "succeeded")) << run_of("geth", kFirst).dump(1);
  ASSERT_TRUE(reaches("beacon", kBeacon, "succeeded")) << run_of("beacon", kBeacon).dump(1);
  EXPECT_EQ(state_of(kFirst), "terminated");
  EXPECT_EQ(state_of(kBeacon), "terminated");
  EXPECT_EQ(state_of(kSecond), "running");
  EXPECT_EQ(calls(kTerminate), 1);
  EXPECT_EQ(calls("RunInstances"), 1);
  EXPECT_EQ(value_of("count(up{role=\"geth\",image=\"ami-00000000000000002\"}==1)"), "1");
  EXPECT_EQ(value_of("count(up{role=\"beacon\",image=\"ami-00000000000000002\"}==1)"), "1");

  // The other one of the group has the old image still.
  ASSERT_EQ(start("geth"), 0);
  ASSERT_TRUE(rollout_ends("done")) << rollout().dump(1);
  EXPECT_EQ(rollout()["replaced"].size(), 1U);
  EXPECT_EQ(state_of(kSecond), "terminated");
  EXPECT_EQ(calls(kTerminate), 2);

  ASSERT_TRUE(reaches("geth", kValidator, "refused")) << run_of("geth", kValidator).dump(1);
  EXPECT_THAT(run_of("geth", kValidator)["reason"].get<std::string>(), HasSubstr("holds validators"));
  EXPECT_EQ(state_of(kValidator), "running");
}

TEST_F(ReplaceAws, AnOkThatDoesNothingEndsTheRollingUpdate) {
  ASSERT_EQ(http_post(ports_.at("control"), "/fault/aws/does-nothing").status, 200);
  ASSERT_EQ(start("geth"), 0);
  ASSERT_TRUE(rollout_ends("failed")) << rollout().dump(1);
  EXPECT_THAT(rollout()["reason"].get<std::string>(), HasSubstr("is running"));
  EXPECT_TRUE(rollout()["replaced"].empty());
  EXPECT_EQ(run_of("geth-rollout", kFirst)["state"], "failed");
  EXPECT_EQ(run_of("geth-rollout", kSecond), nullptr) << "the next was not begun";
  EXPECT_EQ(calls(kTerminate), 1) << "and none was asked for twice";
  EXPECT_EQ(state_of(kFirst), "running");

  // Another group, whose instances EC2 knows by their tags, once AWS does what it says.
  ASSERT_EQ(test_support::http_delete(ports_.at("control"), "/faults").status, 200);
  ASSERT_EQ(start("beacon"), 0);
  ASSERT_TRUE(eventually(seconds(40), [&] { return rollout(1).dump().find("replaced\":[{") != std::string::npos; }))
      << rollout(1).dump(1);
  EXPECT_EQ(state_of(kBeacon), "terminated");
  EXPECT_EQ(value_of("count(up{role=\"beacon\",image=\"ami-00000000000000002\"}==1)"), "1");
}

}  // namespace
}  // namespace e2e
