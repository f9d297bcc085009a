// SPDX-License-Identifier: Apache-2.0
// Steps about a pod.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "actions/remedy/kubernetes_step_run.h"
#include "core/net/retry_after.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;
using core::kubernetes::answer_text;
using core::kubernetes::Metadata;
using core::net::Response;
using nlohmann::json;

namespace {

// The longest that a server's Retry-After holds up further evictions.
constexpr core::Duration kEvictionPauseMax = std::chrono::minutes(1);

}  // namespace

Result<void> KubernetesStepRun::check_pod_protection(const Pod& pod) const {
  if (step_.allow_validators) return {};
  if (task_.protection == nullptr) return fail(Errc::kFailed, "what is protected is not known");
  const std::string name = pod.meta.name_space + "/" + pod.meta.name;
  const auto why = task_.protection->pod({name, pod.meta.labels, pod.programs});
  if (!why) return {};
  return fail(Errc::kFailed, "{} is not touched: {}; allow_validators would let it", name, *why);
}

// For this one and no other of its name.
std::string KubernetesStepRun::deletion(const Metadata& meta, bool eviction) const {
  json options = {{"preconditions", {{"uid", meta.uid}}}};
  if (step_.grace_period) {
    options["gracePeriodSeconds"] = std::chrono::ceil<std::chrono::seconds>(*step_.grace_period).count();
  }
  if (!eviction) {
    options.update({{"apiVersion", "v1"}, {"kind", "DeleteOptions"}});
    return options.dump();
  }
  const json body = {{"apiVersion", "policy/v1"},
                     {"kind", "Eviction"},
                     {"metadata", {{"name", meta.name}, {"namespace", meta.name_space}}},
                     {"deleteOptions", options}};
  return body.dump();
}

Sight KubernetesStepRun::evict(const Pod& pod) {
  if (around_.clock.steady_now() < evictions_from_) return {Sight::Kind::kNotYet, "told to come later"};
  const std::string path = "/api/v1/namespaces/" + pod.meta.name_space + "/pods/" + pod.meta.name + "/eviction";
  // Not through ask(): 429 is a disruption budget's no, which other pods need not wait for.
  const Result<Response> response =
      send({.method = "POST", .path = path, .body = deletion(pod.meta, /*eviction=*/true), .type = "application/json"});
  if (!response) return {Sight::Kind::kNotYet, response.error().message};
  switch (response->status) {
    case 200:
    case 201:
      return {Sight::Kind::kDone, "asked to go"};
    case 404:
    case 409:  // its uid is another one: this one is gone
      return {Sight::Kind::kDone, "gone already"};
    case 429: {
      const auto after = core::net::retry_after(response->headers, around_.clock.wall_now());
      if (after) evictions_from_ = around_.clock.steady_now() + std::min<core::Duration>(*after, kEvictionPauseMax);
      return {Sight::Kind::kNotYet, answer_text(*response)};
    }
    case 502:
    case 503:
    case 504:
      return {Sight::Kind::kNotYet, answer_text(*response)};
    default:
      // 500 is several budgets for one pod, which does not pass by itself.
      return {Sight::Kind::kNever, answer_text(*response)};
  }
}

Sight KubernetesStepRun::delete_pod(const Pod& pod) {
  const Result<Response> response = ask({.method = "DELETE",
                                         .path = "/api/v1/namespaces/" + pod.meta.name_space + "/pods/" + pod.meta.name,
                                         .body = deletion(pod.meta, /*eviction=*/false),
                                         .type = "application/json"});
  if (!response) return {Sight::Kind::kNotYet, response.error().message};
  const bool taken = response->status / 100 == 2 || response->status == 404 || response->status == 409;
  return {taken ? Sight::Kind::kDone : Sight::Kind::kNever, answer_text(*response)};
}

Sight KubernetesStepRun::see_gone(const Pod& before) {
  const std::string name = before.meta.name_space + "/" + before.meta.name;
  const Result<std::optional<Pod>> seen = pod(before.meta.name_space, before.meta.name);
  if (!seen) return {Sight::Kind::kNotYet, seen.error().message};
  if (!*seen) return {Sight::Kind::kDone, name + " is gone"};
  if ((*seen)->meta.uid != before.meta.uid) return {Sight::Kind::kDone, name + " is another one by now"};
  std::string held;
  for (const std::string& each : (*seen)->meta.finalizers) held += (held.empty() ? ", held by " : " and ") + each;
  return {Sight::Kind::kNotYet,
          fmt::format("{} is still {}{}", name, (*seen)->meta.deleting ? "ending" : "there", held)};
}

StepFinished KubernetesStepRun::remove_pod() {
  const Result<std::optional<Pod>> found = pod(step_.name_space, step_.pod);
  if (!found) return failed(found.error().message);
  const std::string name = step_.name_space + "/" + step_.pod;
  if (!*found) return task_.attempt > 1 ? succeeded(name + " is gone") : failed("there is no pod " + name);
  const Pod& before = **found;
  if (auto free = check_pod_protection(before); !free) return failed(free.error().message);
  if (before.mirror) return failed(name + " is a static pod: only its node can end it");
  bool asked = before.meta.deleting;
  return prove([&]() -> Sight {
    const Sight gone = see_gone(before);
    if (gone.kind == Sight::Kind::kDone || asked) return gone;
    Sight sight = step_.action == KubernetesAction::kEvict ? evict(before) : delete_pod(before);
    // That it was asked for is not that it is gone.
    if (sight.kind != Sight::Kind::kDone) return sight;
    asked = true;
    return see_gone(before);
  });
}

}  // namespace actions::remedy
