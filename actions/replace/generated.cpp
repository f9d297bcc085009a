// SPDX-License-Identifier: Apache-2.0
// What a group is to the engine.
#include <utility>

#include "actions/replace/group_config.h"

namespace actions::replace {
namespace {

using remedy::AwsAction;
using remedy::AwsStep;
using remedy::KubernetesAction;
using remedy::KubernetesStep;
using remedy::RemediationConfig;
using remedy::Step;

AwsStep aws_step(const GroupConfig& group, AwsAction action) {
  AwsStep step;
  step.action = action;
  step.instance = group.instance;
  step.timeout = group.timeout;
  step.account = group.aws;
  return step;
}

KubernetesStep node_step(const GroupConfig& group, KubernetesAction action) {
  KubernetesStep step;
  step.action = action;
  step.node = group.node;
  step.timeout = group.timeout;
  step.cluster = group.kubernetes;
  return step;
}

void add_driver(const GroupConfig& group, std::vector<Step>& steps) {
  switch (group.driver) {
    case Driver::kAwsAsg: {
      AwsStep terminate = aws_step(group, AwsAction::kTerminateInstanceInAutoScalingGroup);
      terminate.group = group.auto_scaling_group;
      steps.push_back({terminate, {}});
      AwsStep wait = aws_step(group, AwsAction::kDescribeAutoScalingGroups);
      wait.group = group.auto_scaling_group;
      steps.push_back({wait, {}});
      return;
    }
    case Driver::kAwsEc2: {
      // The new one first: where there is no room for it, nothing is lost.
      AwsStep launch = aws_step(group, AwsAction::kRunInstances);
      launch.launch_template = group.launch_template;
      steps.push_back({launch, {}});
      steps.push_back({aws_step(group, AwsAction::kTerminateInstances), {}});
      return;
    }
    case Driver::kKubernetes:
      steps.push_back({node_step(group, KubernetesAction::kDrain), {}});
      steps.push_back({node_step(group, KubernetesAction::kDeleteNode), {}});
      return;
    case Driver::kExec:
      steps.push_back({*group.exec, {}});
      return;
  }
}

// Backup, drain, replace; and what the engine verifies is that the new host is there.
RemediationConfig remediation_of(const GroupConfig& group) {
  RemediationConfig remediation;
  remediation.name = group.name;
  remediation.generated = true;
  remediation.spares_validators = true;
  remediation.match = group.match;
  remediation.level = group.level;
  remediation.require = group.require;
  remediation.fresh_within = group.fresh_within;
  remediation.backup_fresh = group.backup_fresh;
  remediation.gates = group.gates;
  remediation.limits = group.limits;
  remediation.limits.budget = group.budget_name();
  remediation.active_time_intervals = group.active_time_intervals;
  remediation.mute_time_intervals = group.mute_time_intervals;
  remediation.approval = group.approval;
  remediation.notify = group.notify;
  if (!group.backup.empty()) remediation.steps.push_back({remedy::BackupStep{group.backup}, {}});
  remediation.steps.insert(remediation.steps.end(), group.drain.begin(), group.drain.end());
  add_driver(group, remediation.steps);
  remediation.verify = remedy::VerifyConfig{group.ready.expr, group.ready.within};
  return remediation;
}

// For one host of a rolling update, which is healthy until it goes: one more must be than stay.
RemediationConfig rollout_of(const GroupConfig& group) {
  RemediationConfig remediation = remediation_of(group);
  remediation.name = group.rollout_name();
  remediation.match = {core::ring::Matcher::equal("alertname", remedy::kRolloutAlert),
                       core::ring::Matcher::equal(kRolloutLabel, group.name)};
  remediation.limits.cooldown = group.rollout->pause;
  // How many are replaced is bounded by how many were outdated at the start.
  remediation.limits.runs = std::numeric_limits<std::uint32_t>::max();
  if (!group.healthy.empty()) {
    remediation.require.push_back(fmt::format("({}) >= {}", group.healthy, group.min_healthy + 1));
  }
  return remediation;
}

}  // namespace

void add_to_policy(const std::vector<GroupConfig>& groups, remedy::Policy& policy) {
  for (const GroupConfig& group : groups) {
    policy.remediations.push_back(remediation_of(group));
    if (group.rollout) policy.remediations.push_back(rollout_of(group));
    if (!group.limits.budget.empty()) continue;
    policy.budgets.push_back({.name = group.budget_name(),
                              .max_at_once = group.max_at_once,
                              .healthy = group.healthy,
                              .min_healthy = group.min_healthy});
  }
}

}  // namespace actions::replace
