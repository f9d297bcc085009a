// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config/codec.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/kubernetes/objects.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::remedy {

enum class Repeat;

// Which cluster. Without an API server the one that the agent runs in, with its service account.
struct KubernetesCluster {
  std::string api_server;
  core::config::FilePath token_file;
  core::config::FilePath ca_file;
  std::string server_name;  // verified instead of the URL's host

  static const core::config::Table<KubernetesCluster>& fields();
  bool operator==(const KubernetesCluster&) const = default;
};

enum class KubernetesAction {
  kCordon,
  kUncordon,
  kTaint,
  kUntaint,
  kDrain,
  kDeleteNode,
  kEvict,
  kDeletePod,
  kRolloutRestart,
  kScale,
};

inline constexpr core::config::EnumName<KubernetesAction> kKubernetesActionNames[] = {
    {KubernetesAction::kCordon, "cordon"},
    {KubernetesAction::kUncordon, "uncordon"},
    {KubernetesAction::kTaint, "taint"},
    {KubernetesAction::kUntaint, "untaint"},
    {KubernetesAction::kDrain, "drain"},
    {KubernetesAction::kDeleteNode, "delete-node"},
    {KubernetesAction::kEvict, "evict"},
    {KubernetesAction::kDeletePod, "delete-pod"},
    {KubernetesAction::kRolloutRestart, "rollout-restart"},
    {KubernetesAction::kScale, "scale"}};

// Changes one node, pod or workload through the Kubernetes API, and then looks until it is so: 201 is not gone.
//
// Thread safety: a value.
struct KubernetesStep {
  KubernetesAction action = KubernetesAction::kCordon;
  std::string node = {};
  std::string name_space = {};
  std::string pod = {};
  std::string workload = {};                      // deployment/NAME, statefulset/NAME, daemonset/NAME
  std::string taint = {};                         // KEY[=VALUE]:EFFECT
  std::optional<std::uint32_t> replicas = {};     // of scale
  std::optional<core::Millis> grace_period = {};  // of pods that go; none: their own
  bool force = false;                             // of drain: pods that nothing makes anew go too
  bool delete_emptydir_data = false;              // of drain: pods with data that goes with them go too
  bool allow_validators = false;
  core::Millis timeout = std::chrono::minutes(10);
  KubernetesCluster cluster = {};

  // The texts that may be templates.
  std::vector<std::string*> words() { return {&node, &name_space, &pod, &workload}; }
  std::vector<const std::string*> words() const { return {&node, &name_space, &pod, &workload}; }
  // Whether they are names that Kubernetes takes, once they are no templates any more.
  core::Result<void> check_words() const;
  Repeat repeat() const;
  std::string to_string() const;  // evict geth/geth-0

  static const core::config::Table<KubernetesStep>& fields();
  bool operator==(const KubernetesStep&) const = default;
};

// KEY[=VALUE]:EFFECT; kInvalid with what was expected.
core::Result<core::kubernetes::Taint> parse_taint(const std::string& text);

}  // namespace actions::remedy

namespace core::config {
template <>
struct Codec<actions::remedy::KubernetesAction>
    : EnumCodec<actions::remedy::KubernetesAction, actions::remedy::kKubernetesActionNames> {};
}  // namespace core::config
