// SPDX-License-Identifier: Apache-2.0
// Steps about a Deployment, StatefulSet or DaemonSet.
#include <nlohmann/json.hpp>

#include "actions/remedy/kubernetes_step_run.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;
using core::kubernetes::answer_text;
using core::net::Response;
using nlohmann::json;

namespace {

// What a restart writes into the pods' template: another value makes all of them anew, the same one changes nothing.
constexpr const char* kAnnotation = "watchkeeper.io/restarted-by";

std::string path_of(const KubernetesStep& step) {
  const std::size_t slash = step.workload.find('/');
  return fmt::format("/apis/apps/v1/namespaces/{}/{}s/{}", step.name_space, step.workload.substr(0, slash),
                     step.workload.substr(slash + 1));
}

std::string counts(const core::kubernetes::Workload& workload) {
  return fmt::format("{} wanted, {} there, {} updated, {} available", workload.wanted, workload.present,
                     workload.updated, workload.available);
}

}  // namespace

Result<void> KubernetesStepRun::check_workload_protection(const Workload& workload) const {
  if (step_.allow_validators) return {};
  if (task_.protection == nullptr) return fail(Errc::kFailed, "what is protected is not known");
  const std::string name = workload.meta.name_space + "/" + workload.meta.name;
  for (const auto* labels : {&workload.meta.labels, &workload.template_labels}) {
    if (const auto why = task_.protection->pod({name, *labels, workload.programs})) {
      return fail(Errc::kFailed, "{} is not touched: {}; allow_validators would let it", name, *why);
    }
  }
  return {};
}

StepFinished KubernetesStepRun::restart_workload() {
  const Result<Workload> before = workload();
  if (!before) return failed(before.error().message);
  if (auto free = check_workload_protection(*before); !free) return failed(free.error().message);
  if (before->strategy == "OnDelete" || before->paused) {
    return failed(fmt::format("{} is {}: its pods would stay as they are", step_.workload,
                              before->paused ? "paused" : "updated OnDelete"));
  }
  const json body = {{"spec", {{"template", {{"metadata", {{"annotations", {{kAnnotation, task_.name}}}}}}}}}};
  const Result<Response> response = ask({.method = "PATCH",
                                         .path = path_of(step_),
                                         .body = body.dump(),
                                         .type = "application/strategic-merge-patch+json"});
  if (response && response->status / 100 != 2) return failed(answer_text(*response));
  return prove([&]() -> Sight {
    const Result<Workload> seen = workload();
    if (!seen) return {Sight::Kind::kNotYet, seen.error().message};
    const auto annotation = seen->template_annotations.find(kAnnotation);
    if (annotation == seen->template_annotations.end() || annotation->second != task_.name) {
      return {Sight::Kind::kNotYet, "the pods' template is as it was"};
    }
    const bool done = seen->observed_generation >= seen->meta.generation && seen->updated >= seen->wanted &&
                      seen->available >= seen->wanted && seen->present == seen->updated;
    return {done ? Sight::Kind::kDone : Sight::Kind::kNotYet, fmt::format("{}: {}", step_.workload, counts(*seen))};
  });
}

StepFinished KubernetesStepRun::scale_workload() {
  const Result<Workload> before = workload();
  if (!before) return failed(before.error().message);
  if (auto free = check_workload_protection(*before); !free) return failed(free.error().message);
  const json body = {{"spec", {{"replicas", *step_.replicas}}}};
  const Result<Response> response = ask({.method = "PATCH",
                                         .path = path_of(step_) + "/scale",
                                         .body = body.dump(),
                                         .type = "application/merge-patch+json"});
  if (response && response->status / 100 != 2) return failed(answer_text(*response));
  return prove([&]() -> Sight {
    const Result<Workload> seen = workload();
    if (!seen) return {Sight::Kind::kNotYet, seen.error().message};
    const auto wanted = static_cast<std::int64_t>(*step_.replicas);
    const bool done = seen->observed_generation >= seen->meta.generation && seen->wanted == wanted &&
                      seen->present == wanted && seen->available == wanted;
    return {done ? Sight::Kind::kDone : Sight::Kind::kNotYet, fmt::format("{}: {}", step_.workload, counts(*seen))};
  });
}

}  // namespace actions::remedy
