// SPDX-License-Identifier: Apache-2.0
// What a kubernetes step is, and what of it makes no sense.
#include "actions/remedy/kubernetes_step.h"

#include <algorithm>

#include "actions/remedy/step.h"
#include "core/net/url.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;
using core::kubernetes::is_object_name;
using core::kubernetes::Taint;

namespace {

constexpr std::string_view kWorkloads[] = {"deployment", "statefulset", "daemonset"};
constexpr std::string_view kEffects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};

// What an action is about.
enum class About { kNode, kPod, kWorkload };

About about(KubernetesAction action) {
  switch (action) {
    case KubernetesAction::kCordon:
    case KubernetesAction::kUncordon:
    case KubernetesAction::kTaint:
    case KubernetesAction::kUntaint:
    case KubernetesAction::kDrain:
    case KubernetesAction::kDeleteNode:
      return About::kNode;
    case KubernetesAction::kEvict:
    case KubernetesAction::kDeletePod:
      return About::kPod;
    case KubernetesAction::kRolloutRestart:
    case KubernetesAction::kScale:
      return About::kWorkload;
  }
  return About::kNode;
}

Result<void> check_needs(const KubernetesStep& step, const Node& node) {
  const std::string action = core::config::Codec<KubernetesAction>::print(step.action);
  const auto missing = [&](const char* key) -> Result<void> {
    return fail(node.error("kubernetes: {} needs {}", action, key));
  };
  switch (about(step.action)) {
    case About::kNode:
      if (step.node.empty()) return missing("node");
      break;
    case About::kPod:
      if (step.pod.empty()) return missing("pod");
      if (step.name_space.empty()) return missing("namespace");
      break;
    case About::kWorkload:
      if (step.workload.empty()) return missing("workload");
      if (step.name_space.empty()) return missing("namespace");
      break;
  }
  if (step.action == KubernetesAction::kScale && !step.replicas) return missing("replicas");
  if (step.action == KubernetesAction::kScale && step.workload.starts_with("daemonset/")) {
    return fail(node.error("kubernetes: a daemonset has no replicas to scale"));
  }
  const bool taints = step.action == KubernetesAction::kTaint || step.action == KubernetesAction::kUntaint;
  if (taints && step.taint.empty()) return missing("taint");
  if (!taints || step.taint.empty()) return {};
  if (auto taint = parse_taint(step.taint); !taint) return fail(node.find("taint").error("{}", taint.error().message));
  return {};
}

Result<void> check_kubernetes_step(const KubernetesStep& step, const Node& node) {
  if (auto needs = check_needs(step, node); !needs) return needs;
  // Without any grace the API server forgets the pod at once, while it may go on on its node: two of one name.
  if (step.grace_period && *step.grace_period < std::chrono::seconds(1)) {
    return fail(node.find("grace_period").error("kubernetes: grace_period must be at least 1s"));
  }
  if (step.timeout <= core::Millis(0) || step.timeout > kWaitMax) {
    return fail(
        node.error("kubernetes: timeout must be more than zero and at most {}", core::format_duration(kWaitMax)));
  }
  const bool templated =
      std::ranges::any_of(step.words(), [](const std::string* word) { return word->find("{{") != std::string::npos; });
  if (templated) return {};
  if (auto right = step.check_words(); !right) return fail(node.error("{}", right.error().message));
  return {};
}

Result<void> check_cluster(const KubernetesCluster& cluster, const Node& node) {
  if (cluster.api_server.empty()) {
    if (cluster == KubernetesCluster{}) return {};
    return fail(node.error("kubernetes: token_file, ca_file and server_name need api_server"));
  }
  if (auto url = core::net::parse_url(cluster.api_server); !url) {
    return fail(node.find("api_server").error("{}", url.error().message));
  }
  return {};
}

}  // namespace

Result<Taint> parse_taint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return fail(Errc::kInvalid, "expected KEY[=VALUE]:EFFECT, got \"{}\"", text);
  Taint taint;
  taint.effect = text.substr(colon + 1);
  taint.key = text.substr(0, colon);
  if (const std::size_t equals = taint.key.find('='); equals != std::string::npos) {
    taint.value = taint.key.substr(equals + 1);
    taint.key.resize(equals);
  }
  if (std::ranges::find(kEffects, taint.effect) == std::end(kEffects) || taint.key.empty()) {
    return fail(Errc::kInvalid,
                "expected KEY[=VALUE]:EFFECT with NoSchedule, PreferNoSchedule or NoExecute, got \"{}\"", text);
  }
  return taint;
}

Result<void> KubernetesStep::check_words() const {
  for (const std::string* name : {&node, &name_space, &pod}) {
    if (!name->empty() && !is_object_name(*name)) {
      return fail(Errc::kInvalid, "kubernetes: \"{}\" is no name of an object", *name);
    }
  }
  if (workload.empty()) return {};
  const std::size_t slash = workload.find('/');
  const std::string kind = workload.substr(0, slash);
  if (slash == std::string::npos || std::ranges::find(kWorkloads, kind) == std::end(kWorkloads) ||
      !is_object_name(std::string_view(workload).substr(slash + 1))) {
    return fail(Errc::kInvalid, "kubernetes: expected deployment/NAME, statefulset/NAME or daemonset/NAME, got \"{}\"",
                workload);
  }
  return {};
}

// What sets a state may be set again. A pod of a StatefulSet comes back under its name, and a node may: whether the one
// that is there is the old one is for a look to tell.
Repeat KubernetesStep::repeat() const {
  const bool goes = action == KubernetesAction::kEvict || action == KubernetesAction::kDeletePod ||
                    action == KubernetesAction::kDeleteNode;
  return goes ? Repeat::kVerifiable : Repeat::kIdempotent;
}

std::string KubernetesStep::to_string() const {
  std::string text = core::config::Codec<KubernetesAction>::print(action);
  switch (about(action)) {
    case About::kNode:
      text += " " + node;
      break;
    case About::kPod:
      text += " " + name_space + "/" + pod;
      break;
    case About::kWorkload:
      text += " " + name_space + "/" + workload;
      break;
  }
  if (!taint.empty()) text += " " + taint;
  if (replicas) text += fmt::format(" to {}", *replicas);
  if (grace_period) text += " within " + core::format_duration(*grace_period);
  if (force) text += " with pods that nothing makes anew";
  if (delete_emptydir_data) text += " with emptyDir data";
  if (allow_validators) text += " even with validators";
  return text;
}

const Table<KubernetesCluster>& KubernetesCluster::fields() {
  static const auto table =
      Table<KubernetesCluster>("kubernetes_cluster", "Which cluster.")
          .field("api_server", &KubernetesCluster::api_server,
                 {.help = "URL of the API server; without it the cluster that the agent runs in, with its service "
                          "account."})
          .field("token_file", &KubernetesCluster::token_file,
                 {.help = "Holds a bearer token; read again for every request."})
          .field("ca_file", &KubernetesCluster::ca_file, {.help = "Who may have signed its certificate."})
          .field("server_name", &KubernetesCluster::server_name, {.help = "The name in its certificate."})
          .check(check_cluster);
  return table;
}

const Table<KubernetesStep>& KubernetesStep::fields() {
  static const auto table = [] {
    Table<KubernetesStep> built("kubernetes", "Changes something in a Kubernetes cluster, and looks until it is so.");
    built.field("action", &KubernetesStep::action, {.help = "What is done.", .required = true})
        .field("node", &KubernetesStep::node, {.help = "A node; may be a template."})
        .field("namespace", &KubernetesStep::name_space,
               {.help = "The namespace of a pod or workload; may be a template."})
        .field("pod", &KubernetesStep::pod, {.help = "With evict and delete-pod: the pod; may be a template."})
        .field("workload", &KubernetesStep::workload,
               {.help = "With rollout-restart and scale: deployment/NAME, statefulset/NAME or daemonset/NAME; may be a "
                        "template."})
        .field("taint", &KubernetesStep::taint,
               {.help = "With taint and untaint.", .example = "maintenance=disk:NoSchedule"})
        .field("replicas", &KubernetesStep::replicas, {.help = "With scale: how many there shall be."})
        .field("grace_period", &KubernetesStep::grace_period,
               {.help = "How long pods that go have to end; default: what they ask for themselves."})
        .field("force", &KubernetesStep::force,
               {.help = "With drain: whether pods go that no controller makes anew elsewhere."})
        .field("delete_emptydir_data", &KubernetesStep::delete_emptydir_data,
               {.help = "With drain: whether pods go whose emptyDir volumes go with them."})
        .field("allow_validators", &KubernetesStep::allow_validators,
               {.help = "Whether it may touch what is protected."})
        .field("timeout", &KubernetesStep::timeout,
               {.help = "Until it must be so, by what the API shows; then the step has failed."})
        .embed(&KubernetesStep::cluster, KubernetesCluster::fields())
        .check(check_kubernetes_step);
    return built;
  }();
  return table;
}

}  // namespace actions::remedy
