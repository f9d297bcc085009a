// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/config/codec.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::remedy {

enum class Repeat;

// Whose account and where. Keys are found as AWS's own tools find them, never written here: all of a step is in the
// journal.
struct AwsAccount {
  std::string region;
  std::string profile;
  std::string role_arn;
  std::string external_id;
  std::string ec2_endpoint;
  std::string autoscaling_endpoint;
  core::config::FilePath ca_file;
  std::optional<core::Millis> poll;  // between two looks; none: as everywhere

  static const core::config::Table<AwsAccount>& fields();
  bool operator==(const AwsAccount&) const = default;
};

// By the names that AWS gives them.
enum class AwsAction {
  kDescribeInstances,
  kDescribeAutoScalingGroups,
  kStartInstances,
  kStopInstances,
  kRebootInstances,
  kTerminateInstances,
  kRunInstances,
  kCreateSnapshot,
  kSetInstanceHealth,
  kTerminateInstanceInAutoScalingGroup,
  kCompleteLifecycleAction,
};

inline constexpr core::config::EnumName<AwsAction> kAwsActionNames[] = {
    {AwsAction::kDescribeInstances, "DescribeInstances"},
    {AwsAction::kDescribeAutoScalingGroups, "DescribeAutoScalingGroups"},
    {AwsAction::kStartInstances, "StartInstances"},
    {AwsAction::kStopInstances, "StopInstances"},
    {AwsAction::kRebootInstances, "RebootInstances"},
    {AwsAction::kTerminateInstances, "TerminateInstances"},
    {AwsAction::kRunInstances, "RunInstances"},
    {AwsAction::kCreateSnapshot, "CreateSnapshot"},
    {AwsAction::kSetInstanceHealth, "SetInstanceHealth"},
    {AwsAction::kTerminateInstanceInAutoScalingGroup, "TerminateInstanceInAutoScalingGroup"},
    {AwsAction::kCompleteLifecycleAction, "CompleteLifecycleAction"}};

// Asks AWS for one thing about one instance, volume or group, and then looks until it is so: an OK is no proof.
//
// Thread safety: a value.
struct AwsStep {
  AwsAction action = AwsAction::kDescribeInstances;
  std::string instance = {};         // i-0123456789abcdef0
  std::string group = {};            // of Auto Scaling
  std::string volume = {};           // of CreateSnapshot
  std::string hook = {};             // of CompleteLifecycleAction
  std::string result = "CONTINUE";   // likewise
  std::string launch_template = {};  // of RunInstances: lt-... or a name
  std::string state = "running";     // of DescribeInstances: what it waits for
  bool decrement = false;            // of TerminateInstanceInAutoScalingGroup: the group shrinks
  bool force = false;                // of StopInstances
  bool allow_validators = false;
  core::Millis timeout = std::chrono::minutes(15);
  AwsAccount account = {};

  // The texts that may be templates.
  std::vector<std::string*> words() { return {&instance, &group, &volume, &hook, &launch_template}; }
  std::vector<const std::string*> words() const { return {&instance, &group, &volume, &hook, &launch_template}; }
  // Whether they are what AWS takes, once they are no templates any more.
  core::Result<void> check_words() const;
  Repeat repeat() const;
  std::string to_string() const;  // StopInstances i-0123

  static const core::config::Table<AwsStep>& fields();
  bool operator==(const AwsStep&) const = default;
};

}  // namespace actions::remedy

namespace core::config {
template <>
struct Codec<actions::remedy::AwsAction> : EnumCodec<actions::remedy::AwsAction, actions::remedy::kAwsActionNames> {};
}  // namespace core::config
