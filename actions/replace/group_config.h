// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "actions/remedy/aws_step.h"
#include "actions/remedy/kubernetes_step.h"
#include "actions/remedy/remediation_config.h"
#include "actions/remedy/step.h"
#include "core/config/codec.h"
#include "core/config/table.h"
#include "core/time/clock.h"

namespace actions::replace {

// What the name of a group's second remediation, that of its rolling updates, ends in.
inline constexpr const char* kRolloutSuffix = "-rollout";

// Who makes the new host.
enum class Driver { kAwsAsg, kAwsEc2, kKubernetes, kExec };

inline constexpr core::config::EnumName<Driver> kDriverNames[] = {{Driver::kAwsAsg, "aws-asg"},
                                                                  {Driver::kAwsEc2, "aws-ec2"},
                                                                  {Driver::kKubernetes, "kubernetes"},
                                                                  {Driver::kExec, "exec"}};

// What must be so before a replacement counts: the new host is there, synced and attesting.
struct ReadyConfig {
  std::string expr;
  core::Millis within = std::chrono::hours(1);

  static const core::config::Table<ReadyConfig>& fields();
};

// The wanted image is that of the launch template.
inline constexpr const char* kLaunchTemplate = "launch-template";

// Which hosts a rolling update replaces.
struct RolloutConfig {
  std::string members;       // PromQL: a series for each host of the group
  std::string outdated;      // PromQL: those of them to be replaced
  std::string wanted_image;  // instead of both: AWS (ami-..., kLaunchTemplate) or Kubernetes is asked
  std::map<std::string, std::string> instance_tags = {};  // of aws-ec2: whose instances are the group
  std::string node_selector = {};                         // of kubernetes: likewise, a label selector
  std::string image_label = {};                           // of kubernetes: instead of what the operating system says
  core::Millis pause = std::chrono::minutes(5);

  static const core::config::Table<RolloutConfig>& fields();
};

// One entry of `replace:`: hosts that are replaced by new ones, one after another.
//
// Thread safety: a value.
struct GroupConfig {
  std::string name;
  Driver driver = Driver::kExec;
  std::vector<core::ring::Matcher> match;  // of alerts about a host that failed; empty: none, or by another's `then`
  remedy::Level level = remedy::Level::kPropose;
  std::vector<std::string> require;
  std::vector<std::string> gates;
  core::Millis fresh_within = std::chrono::minutes(2);
  std::optional<remedy::BackupFreshConfig> backup_fresh;
  remedy::Limits limits;
  std::vector<std::string> active_time_intervals;
  std::vector<std::string> mute_time_intervals;
  remedy::ApprovalConfig approval;
  remedy::Telling notify = remedy::Telling::kAttention;
  std::uint32_t max_at_once = 1;
  std::string healthy;            // PromQL with one value: how many hosts of the group are healthy
  std::uint32_t min_healthy = 0;  // that stay, beside the one that is replaced
  std::string backup;             // taken first
  std::vector<remedy::Step> drain;
  std::string instance = "{{ .Labels.instance_id }}";  // of aws-asg and aws-ec2
  std::string auto_scaling_group;                      // of aws-asg
  std::string launch_template;                         // of aws-ec2
  std::string node = "{{ .Labels.node }}";             // of kubernetes
  core::Millis timeout = std::chrono::minutes(30);     // of each step of the driver
  remedy::AwsAccount aws;
  remedy::KubernetesCluster kubernetes;
  std::optional<remedy::ExecStep> exec;
  ReadyConfig ready;
  std::optional<RolloutConfig> rollout;

  // The remediation that rolling updates of the group run.
  std::string rollout_name() const { return name + kRolloutSuffix; }
  std::string budget_name() const { return limits.budget.empty() ? "replace-" + name : limits.budget; }

  static const core::config::Table<GroupConfig>& fields();
};

// Beside remedy::kRolloutAlert and its own labels a host has this one: the group.
inline constexpr const char* kRolloutLabel = "rollout";

// Adds what the groups are to the engine: for each a remediation for alerts and other remediations' on_failure (with
// the group's name), one for rolling updates, and the budget of both.
void add_to_policy(const std::vector<GroupConfig>& groups, remedy::Policy& policy);

// What check_policy does not see: expressions of rolling updates. `root` is the configuration's top.
core::Result<void> check_groups(const std::vector<GroupConfig>& groups, const core::config::Node& root);

}  // namespace actions::replace

namespace core::config {
template <>
struct Codec<actions::replace::Driver> : EnumCodec<actions::replace::Driver, actions::replace::kDriverNames> {};
}  // namespace core::config
