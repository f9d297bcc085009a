// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/pod_kill.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "actions/remedy/kubernetes_step_run.h"
#include "core/net/send_and_wait.h"
#include "core/net/url.h"

namespace actions::drill {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::kubernetes::answer_text;
using core::kubernetes::Pod;
using core::net::Response;
using remedy::Sight;

// A component that has more pods is described by a narrower selector.
constexpr std::size_t kPodsMax = 100;
// What makes a pod anew when it is gone. A Job may be done, and who knows of others.
constexpr std::string_view kControllers[] = {"StatefulSet", "ReplicaSet", "DaemonSet", "ReplicationController"};

// The API server of the fault's cluster.
class Cluster {
 public:
  Cluster(const remedy::Surroundings& around, const PodFault& fault, std::stop_token stop)
      : around_(around), fault_(fault), stop_(std::move(stop)), server_(remedy::api_server_of(fault.cluster, around)) {}

  // By name; those that are going too. None is no error.
  Result<std::vector<Pod>> pods() const;
  Result<std::optional<Pod>> pod(const std::string& name) const;
  Result<Response> remove(const PodBefore& pod) const;

 private:
  Result<Response> send(std::string method, const std::string& path, std::string body = {}) const;
  std::string folder() const { return "/api/v1/namespaces/" + fault_.name_space + "/pods"; }

  const remedy::Surroundings& around_;
  const PodFault& fault_;
  const std::stop_token stop_;
  const Result<core::kubernetes::ApiServer> server_;
};

Result<Response> Cluster::send(std::string method, const std::string& path, std::string body) const {
  if (!server_) return fail(server_.error());
  auto request = server_->request(std::move(method), path);
  if (!request) return fail(request.error());
  if (!body.empty()) request->headers.emplace_back("Content-Type", "application/json");
  request->body = std::move(body);
  return core::net::send_and_wait(around_.http, std::move(*request), stop_);
}

Result<std::optional<Pod>> Cluster::pod(const std::string& name) const {
  const std::string path = folder() + "/" + name;
  const auto response = send("GET", path);
  if (!response) return fail(response.error().with_context("GET {}", path));
  if (response->status == 404) return std::optional<Pod>();
  if (response->status != 200) return fail(Errc::kUnavailable, "GET {}: {}", path, answer_text(*response));
  auto pod = core::kubernetes::read_pod(response->body);
  if (!pod) return fail(pod.error().with_context("GET {}", path));
  return std::optional<Pod>(std::move(*pod));
}

Result<std::vector<Pod>> Cluster::pods() const {
  if (!fault_.name.empty()) {
    return pod(fault_.name).map([](std::optional<Pod> pod) {
      return pod ? std::vector<Pod>{std::move(*pod)} : std::vector<Pod>();
    });
  }
  const std::string path =
      folder() + "?" +
      core::net::build_query({{"labelSelector", fault_.selector}, {"limit", std::to_string(kPodsMax)}});
  const auto response = send("GET", path);
  if (!response) return fail(response.error().with_context("GET {}", path));
  if (response->status != 200) return fail(Errc::kUnavailable, "GET {}: {}", path, answer_text(*response));
  auto page = core::kubernetes::read_pod_page(response->body);
  if (!page) return fail(page.error().with_context("GET {}", path));
  if (!page->next.empty() || page->pods.size() > kPodsMax) {
    return fail(Errc::kLimitExceeded, "more than {} pods of {} have {}", kPodsMax, fault_.name_space, fault_.selector);
  }
  std::ranges::sort(page->pods, {}, [](const Pod& pod) { return pod.meta.name; });
  return std::move(page->pods);
}

Result<Response> Cluster::remove(const PodBefore& pod) const {
  nlohmann::json options = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}, {"preconditions", {{"uid", pod.uid}}}};
  if (fault_.grace_period) {
    options["gracePeriodSeconds"] = std::chrono::ceil<std::chrono::seconds>(*fault_.grace_period).count();
  }
  return send("DELETE", folder() + "/" + pod.name, options.dump());
}

std::string full_name(const Pod& pod) { return pod.meta.name_space + "/" + pod.meta.name; }

bool serves(const Pod& pod) { return pod.ready && !pod.meta.deleting; }

// Why the pod must not be killed whatever it is for.
void object_to_losing(const Pod& pod, const PodFault& fault, std::vector<std::string>& objections) {
  const std::string& kind = pod.meta.controller_kind;
  if (pod.mirror) {
    objections.push_back(full_name(pod) + " is a static pod: only its node can end it");
  } else if (kind.empty()) {
    objections.push_back("nothing makes " + full_name(pod) + " anew: it has no controller");
  } else if (std::ranges::find(kControllers, kind) == std::end(kControllers)) {
    objections.push_back(fmt::format("{} is a {}'s: who knows whether it is made anew", full_name(pod), kind));
  } else if (!fault.name.empty() && kind != "StatefulSet") {
    objections.push_back(
        fmt::format("a {} makes {} anew under another name: select it by labels", kind, full_name(pod)));
  }
  if (pod.empty_dir && !fault.delete_emptydir_data) {
    objections.push_back(full_name(pod) + " has emptyDir volumes, which go with it: delete_emptydir_data would let it");
  }
}

Result<std::string> result_of(const remedy::StepFinished& finished) {
  if (finished.outcome == remedy::Outcome::kSucceeded) return finished.result;
  const Errc code = finished.outcome == remedy::Outcome::kStopped ? Errc::kCancelled : Errc::kFailed;
  return fail(code, "{}", finished.result);
}

// The API's own limits, or a server behind it that is not there: not done, and worth another try.
bool says_later(int status) { return status == 429 || status >= 500; }

}  // namespace

PodSurvey survey_pods(const remedy::Surroundings& around, const PodFault& fault, const DrillableConfig& component,
                      const remedy::ProtectionConfig* protection) {
  PodSurvey survey;
  auto pods = Cluster(around, fault, {}).pods();
  if (!pods) {
    survey.objections.push_back(pods.error().message);
    return survey;
  }
  const std::string meant = fault.name.empty() ? fmt::format("pod of {} with {}", fault.name_space, fault.selector)
                                               : fmt::format("pod {}/{}", fault.name_space, fault.name);
  if (pods->empty()) survey.objections.push_back("there is no " + meant);
  // All of them, since the next drill may take another one; and a server that does not understand a selector gives all.
  for (const Pod& pod : *pods) {
    if (!component.lists_pod(full_name(pod))) {
      survey.objections.push_back(full_name(pod) + " is not listed for the component");
    }
    if (protection == nullptr) continue;
    if (const auto why = protection->pod({full_name(pod), pod.meta.labels, pod.programs})) {
      survey.objections.push_back(fmt::format("{} is not touched: {}", full_name(pod), *why));
    }
  }
  const auto first = std::ranges::find_if(*pods, serves);
  if (first == pods->end()) {
    if (!pods->empty()) survey.objections.push_back(fmt::format("no {} is ready: it must be before", meant));
    return survey;
  }
  object_to_losing(*first, fault, survey.objections);
  std::rotate(pods->begin(), first, first + 1);
  for (const Pod& pod : *pods) survey.pods.push_back({pod.meta.name, pod.meta.uid});
  return survey;
}

Result<std::string> kill_pod(const remedy::Surroundings& around, const PodFault& fault,
                             const std::vector<PodBefore>& pods, std::stop_token stop) {
  if (pods.empty()) return fail(Errc::kFailed, "no pod was found before");
  const PodBefore& victim = pods.front();
  const std::string name = fault.name_space + "/" + victim.name;
  const Cluster cluster(around, fault, stop);
  bool asked = false;
  return result_of(look_until(around, around.clock.steady_now() + fault.timeout, 1, stop, [&]() -> Sight {
    if (!asked) {
      const auto response = cluster.remove(victim);
      if (!response) return {Sight::Kind::kNotYet, response.error().message};
      if (says_later(response->status)) return {Sight::Kind::kNotYet, answer_text(*response)};
      // 409: another one has its name by now.
      const bool taken = response->status / 100 == 2 || response->status == 404 || response->status == 409;
      if (!taken) return {Sight::Kind::kNever, answer_text(*response)};
      asked = true;
    }
    const auto seen = cluster.pod(victim.name);
    if (!seen) return {Sight::Kind::kNotYet, seen.error().message};
    if (!*seen || (*seen)->meta.uid != victim.uid) return {Sight::Kind::kDone, name + " is gone"};
    return {Sight::Kind::kNotYet, fmt::format("{} is still {}", name, (*seen)->meta.deleting ? "ending" : "there")};
  }));
}

Result<std::string> await_another_pod(const remedy::Surroundings& around, const PodFault& fault,
                                      const std::vector<PodBefore>& pods, std::stop_token stop) {
  if (pods.empty()) return std::string("no pod was killed");
  const PodBefore& victim = pods.front();
  const Cluster cluster(around, fault, stop);
  return result_of(look_until(around, around.clock.steady_now() + fault.timeout, 1, stop, [&]() -> Sight {
    const auto now = cluster.pods();
    if (!now) return {Sight::Kind::kNotYet, now.error().message};
    for (const Pod& pod : *now) {
      if (pod.meta.uid == victim.uid && !pod.meta.deleting) {
        return {Sight::Kind::kDone, full_name(pod) + " was not killed"};
      }
      const bool new_one = std::ranges::find(pods, pod.meta.uid, &PodBefore::uid) == pods.end();
      if (new_one && serves(pod)) return {Sight::Kind::kDone, full_name(pod) + " is ready in its place"};
    }
    return {Sight::Kind::kNotYet, fmt::format("no pod is ready yet in place of {}/{}", fault.name_space, victim.name)};
  }));
}

}  // namespace actions::drill
