// SPDX-License-Identifier: Apache-2.0
#include "test/demo/hosts.h"

#include <stdlib.h>

#include <fmt/format.h>

#include "test/support/aws_cloud.h"
#include "test/support/background_process.h"

namespace demo {

using test_support::AwsCloud;

const Act& host_act() {
  static const Act act = {"a host dies",
                          std::string(kLostHost) + "/gone",
                          "HostGone",
                          "up{job=\"hosts\"} == 0",
                          "{{ $labels.instance_id }} ({{ $labels.role }}) does not answer",
                          "geth-data"};
  return act;
}

std::string host_scrape_text(const nlohmann::json& ports) {
  return fmt::format(
      "- job_name: hosts\n"
      "  ec2_sd_configs: [{{region: {}, endpoint: 'http://127.0.0.1:{}/', port: {}, refresh_interval: 1s}}]\n"
      "  relabel_configs:\n"
      "  - {{source_labels: [__meta_ec2_instance_state], regex: running, action: keep}}\n"
      "  - {{source_labels: [__meta_ec2_instance_id], target_label: instance_id}}\n"
      "  - {{source_labels: [__meta_ec2_ami], target_label: image}}\n"
      "  - {{source_labels: [__meta_ec2_tag_role], target_label: role}}\n",
      AwsCloud::kRegion, ports.at("aws_ec2").get<int>(), ports.at("aws_hosts").get<int>());
}

std::string host_replace_text(const nlohmann::json& ports) {
  return fmt::format(
      "replace:\n- name: {0}\n  driver: aws-asg\n  auto_scaling_group: geth-nodes\n  level: auto\n"
      "  match: ['alertname=\"{1}\"']\n  backup_fresh: {{name: {2}, max_age: 10m}}\n"
      "  healthy: 'count(up{{role=\"geth\"}} == 1)'\n  min_healthy: {3}\n  timeout: 30s\n"
      "  aws: {{region: {4}, poll: 200ms, ec2_endpoint: 'http://127.0.0.1:{5}/',"
      " autoscaling_endpoint: 'http://127.0.0.1:{6}/'}}\n"
      "  ready:\n    expr: 'count(up{{role=\"geth\"}} == 1) == {7}"
      " and max(chain_head_header{{role=\"geth\"}} - chain_head_block) < 3'\n    within: 30s\n",
      kHostGroup, host_act().alert, host_act().backup, kGroupSize - 1, AwsCloud::kRegion,
      ports.at("aws_ec2").get<int>(), ports.at("aws_autoscaling").get<int>(), kGroupSize);
}

void use_account_keys(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "aws-credentials";
  test_support::write_file(
      file, fmt::format("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n",
                        AwsCloud::kAccessKey, AwsCloud::kSecretKey, AwsCloud::kSessionToken));
  setenv("AWS_SHARED_CREDENTIALS_FILE", file.c_str(), 1);
}

}  // namespace demo
