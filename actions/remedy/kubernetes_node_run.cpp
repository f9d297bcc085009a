// SPDX-License-Identifier: Apache-2.0
// Steps about a node.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "actions/remedy/kubernetes_step_run.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;
using core::kubernetes::answer_text;
using core::kubernetes::Taint;
using core::net::Response;
using nlohmann::json;

namespace {

// So often a change is made anew because somebody else changed the object meanwhile.
constexpr int kConflictsMax = 5;

json json_of(const Taint& taint) {
  json object = {{"key", taint.key}, {"effect", taint.effect}};
  if (!taint.value.empty()) object["value"] = taint.value;
  return object;
}

bool is_same_place(const Taint& a, const Taint& b) { return a.key == b.key && a.effect == b.effect; }

bool has(const std::vector<Taint>& taints, const Taint& wanted) {
  return std::ranges::find(taints, wanted) != taints.end();
}

// Runs on every node and comes back wherever it is evicted from, or is no object of the API server's at all.
bool stays_with_node(const core::kubernetes::Pod& pod) { return pod.mirror || pod.meta.controller_kind == "DaemonSet"; }

}  // namespace

StepFinished KubernetesStepRun::set_schedulable(bool schedulable) {
  const json body = {{"spec", {{"unschedulable", !schedulable}}}};
  const Result<Response> response = ask({.method = "PATCH",
                                         .path = "/api/v1/nodes/" + step_.node,
                                         .body = body.dump(),
                                         .type = "application/strategic-merge-patch+json"});
  if (response && response->status / 100 != 2) return failed(answer_text(*response));
  // An answer that was lost says nothing: what is there does.
  return prove([&]() -> Sight {
    const Result<Node> seen = node();
    if (!seen) return {Sight::Kind::kNotYet, seen.error().message};
    const bool done = seen->unschedulable != schedulable;
    return {done ? Sight::Kind::kDone : Sight::Kind::kNotYet,
            fmt::format("{} is {}", step_.node, seen->unschedulable ? "cordoned" : "schedulable")};
  });
}

// The list of taints is replaced as a whole: with the version it was read at, so that nobody's taint is lost.
StepFinished KubernetesStepRun::set_taint(bool there) {
  const Result<Taint> wanted = parse_taint(step_.taint);
  if (!wanted) return failed(wanted.error().message);
  for (int attempt = 1; attempt <= kConflictsMax; ++attempt) {
    const Result<Node> before = node();
    if (!before) return failed(before.error().message);
    if (there && wanted->effect == "NoExecute") {
      if (auto free = check_node_protection(*before); !free) return failed(free.error().message);
    }
    json taints = json::array();
    for (const Taint& each : before->taints) {
      if (!is_same_place(each, *wanted)) taints.push_back(json_of(each));
    }
    if (there) taints.push_back(json_of(*wanted));
    const json body = {{"metadata", {{"resourceVersion", before->meta.resource_version}}},
                       {"spec", {{"taints", taints}}}};
    const Result<Response> response = ask({.method = "PATCH",
                                           .path = "/api/v1/nodes/" + step_.node,
                                           .body = body.dump(),
                                           .type = "application/merge-patch+json"});
    if (response && response->status == 409) continue;
    if (response && response->status / 100 != 2) return failed(answer_text(*response));
    return prove([&]() -> Sight {
      const Result<Node> seen = node();
      if (!seen) return {Sight::Kind::kNotYet, seen.error().message};
      const bool any =
          std::ranges::any_of(seen->taints, [&](const Taint& each) { return is_same_place(each, *wanted); });
      const bool done = there ? has(seen->taints, *wanted) : !any;
      return {done ? Sight::Kind::kDone : Sight::Kind::kNotYet,
              fmt::format("{} {} {}", step_.node, any ? "has the taint" : "has no taint", step_.taint)};
    });
  }
  return failed(fmt::format("{} was changed by others {} times meanwhile", step_.node, kConflictsMax));
}

// The node itself, and every pod on it.
Result<void> KubernetesStepRun::check_node_protection(const Node& node) {
  if (step_.allow_validators) return {};
  if (task_.protection == nullptr) return fail(Errc::kFailed, "what is protected is not known");
  if (const auto why = task_.protection->node({node.meta.name, node.meta.labels, {}})) {
    return fail(Errc::kFailed, "{} is not touched: {}; allow_validators would let it", node.meta.name, *why);
  }
  const Result<std::vector<Pod>> pods = pods_of_node();
  if (!pods) return fail(pods.error());
  for (const Pod& each : *pods) {
    if (auto free = check_pod_protection(each); !free) return free;
  }
  return {};
}

Result<void> KubernetesStepRun::check_drainable(const Pod& pod) const {
  if (auto free = check_pod_protection(pod); !free) return free;
  const std::string name = pod.meta.name_space + "/" + pod.meta.name;
  const bool over = pod.phase == "Succeeded" || pod.phase == "Failed";
  if (!step_.force && !over && pod.meta.controller_kind.empty()) {
    return fail(Errc::kFailed, "{}: no controller would make it anew; force lets it go", name);
  }
  if (!step_.delete_emptydir_data && !over && pod.empty_dir) {
    return fail(Errc::kFailed, "{} has an emptyDir volume; delete_emptydir_data lets it go", name);
  }
  return {};
}

Sight KubernetesStepRun::evict_once(const std::vector<Pod>& pods) {
  std::string waits;
  for (const Pod& each : pods) {
    const std::string name = each.meta.name_space + "/" + each.meta.name;
    if (each.meta.deleting) {
      waits += fmt::format("; {} is on its way out", name);
      continue;
    }
    const Sight sight = evict(each);
    if (sight.kind == Sight::Kind::kNever) return sight;
    waits += fmt::format("; {}: {}", name, sight.text);
    if (task_.stop.stop_requested()) break;
  }
  return {Sight::Kind::kNotYet, fmt::format("{} pods are on {}{}", pods.size(), step_.node, waits.substr(0, 2000))};
}

// In rounds, so that one pod whose budget is used up holds up no other; a restart of the agent begins with what is
// left.
StepFinished KubernetesStepRun::drain() {
  const Result<Node> before = node();
  if (!before) return failed(before.error().message);
  if (auto free = check_node_protection(*before); !free) return failed(free.error().message);
  if (StepFinished cordoned = set_schedulable(false); cordoned.outcome != Outcome::kSucceeded) return cordoned;
  return prove([&]() -> Sight {
    Result<std::vector<Pod>> pods = pods_of_node();
    if (!pods) return {Sight::Kind::kNotYet, pods.error().message};
    std::erase_if(*pods, stays_with_node);
    if (pods->empty()) return {Sight::Kind::kDone, step_.node + " is cordoned and empty"};
    for (const Pod& each : *pods) {
      if (auto drainable = check_drainable(each); !drainable) return {Sight::Kind::kNever, drainable.error().message};
    }
    return evict_once(*pods);
  });
}

StepFinished KubernetesStepRun::delete_node() {
  const Result<Node> before = node();
  if (!before) return failed(before.error().message);
  if (auto free = check_node_protection(*before); !free) return failed(free.error().message);
  const std::string path = "/api/v1/nodes/" + step_.node;
  const Result<Response> response = ask({.method = "DELETE",
                                         .path = path,
                                         .body = deletion(before->meta, /*eviction=*/false),
                                         .type = "application/json"});
  if (response && response->status / 100 != 2 && response->status != 404) return failed(answer_text(*response));
  return prove([&]() -> Sight {
    const auto seen = get(path, &core::kubernetes::read_node);
    if (!seen) return {Sight::Kind::kNotYet, seen.error().message};
    if (!*seen) return {Sight::Kind::kDone, step_.node + " is gone"};
    if ((*seen)->meta.uid != before->meta.uid) return {Sight::Kind::kDone, step_.node + " is another one by now"};
    return {Sight::Kind::kNotYet, fmt::format("{} is still there", step_.node)};
  });
}

}  // namespace actions::remedy
