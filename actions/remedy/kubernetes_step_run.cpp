// SPDX-License-Identifier: Apache-2.0
// The calls of kubernetes steps, and what a crash leaves of them.
#include "actions/remedy/kubernetes_step_run.h"

#include <algorithm>
#include <utility>

#include "core/net/retry_after.h"
#include "core/net/send_and_wait.h"
#include "core/net/url.h"
#include "core/time/duration.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;
using core::kubernetes::answer_text;
using core::kubernetes::ApiServer;
using core::kubernetes::Metadata;
using core::net::Response;

namespace {

constexpr core::Duration kPauseMax = std::chrono::seconds(30);
// Pages of pods of one node; a node has at most a few hundred.
constexpr int kPodPagesMax = 20;
// Creation times have whole seconds and come from another clock.
constexpr core::Duration kClocksDiffer = std::chrono::seconds(30);

// Says "later", without having done anything: the API's own limits, or a server behind it that is not there.
bool says_later(const Response& response) {
  return response.status == 429 || response.status == 502 || response.status == 503 || response.status == 504;
}

}  // namespace

Result<ApiServer> api_server_of(const KubernetesCluster& cluster, const Surroundings& around) {
  if (cluster.api_server.empty()) return core::kubernetes::in_cluster(around.environment);
  ApiServer server;
  server.url = cluster.api_server;
  while (server.url.ends_with('/')) server.url.pop_back();
  if (!cluster.token_file.empty()) {
    core::net::AuthorizationConfig token;
    token.credentials_file = cluster.token_file;
    server.http.authorization = std::move(token);
  }
  server.http.tls_config.ca_file = cluster.ca_file;
  server.http.tls_config.server_name = cluster.server_name;
  return server;
}

KubernetesStepRun::KubernetesStepRun(const Surroundings& around, const KubernetesStep& step, Task task)
    : around_(around),
      step_(step),
      task_(std::move(task)),
      deadline_(around.clock.steady_now() + step.timeout),
      server_(api_server_of(step.cluster, around)) {}

Result<Response> KubernetesStepRun::send(const Call& call) {
  if (!server_) return fail(server_.error());
  auto request = server_->request(call.method, call.path);
  if (!request) return fail(request.error());
  request->body = call.body;
  if (!call.type.empty()) request->headers.emplace_back("Content-Type", call.type);
  Result<Response> response = core::net::send_and_wait(around_.http, std::move(*request), task_.stop);
  const std::string result = response ? answer_text(*response) : response.error().message;
  trace_ = tail(trace_ + call.method + " " + call.path + ": " + result + "\n");
  return response;
}

Result<Response> KubernetesStepRun::ask(const Call& call) {
  for (core::Duration pause = around_.poll;; pause = std::min(pause * 2, kPauseMax)) {
    Result<Response> response = send(call);
    const bool again = !response || says_later(*response);
    if (!again || task_.stop.stop_requested()) return response;
    core::Duration wanted = pause;
    if (response) {
      const auto after = core::net::retry_after(response->headers, around_.clock.wall_now());
      if (after) wanted = std::max(wanted, std::min<core::Duration>(*after, kPauseMax));
    }
    if (around_.clock.steady_now() + wanted >= deadline_) return response;
    if (!wait_for(wanted, task_.stop)) return fail(Errc::kCancelled, "the agent ended");
  }
}

template <class T>
Result<std::optional<T>> KubernetesStepRun::get(const std::string& path, Result<T> (*read)(std::string_view)) {
  const Result<Response> response = ask({.path = path});
  if (!response) return fail(response.error());
  if (response->status == 404) return std::optional<T>();
  if (response->status != 200) return fail(Errc::kFailed, "GET {}: {}", path, answer_text(*response));
  Result<T> object = read(response->body);
  if (!object) return fail(object.error().with_context("GET {}", path));
  return std::optional<T>(std::move(*object));
}

Result<std::optional<KubernetesStepRun::Pod>> KubernetesStepRun::pod(const std::string& name_space,
                                                                     const std::string& name) {
  return get("/api/v1/namespaces/" + name_space + "/pods/" + name, &core::kubernetes::read_pod);
}

Result<KubernetesStepRun::Node> KubernetesStepRun::node() {
  Result<std::optional<Node>> found = get("/api/v1/nodes/" + step_.node, &core::kubernetes::read_node);
  if (!found) return fail(found.error());
  if (!*found) return fail(Errc::kNotFound, "there is no node {}", step_.node);
  return std::move(**found);
}

Result<KubernetesStepRun::Workload> KubernetesStepRun::workload() {
  const std::size_t slash = step_.workload.find('/');
  const std::string path = fmt::format("/apis/apps/v1/namespaces/{}/{}s/{}", step_.name_space,
                                       step_.workload.substr(0, slash), step_.workload.substr(slash + 1));
  Result<std::optional<Workload>> found = get(path, &core::kubernetes::read_workload);
  if (!found) return fail(found.error());
  if (!*found) return fail(Errc::kNotFound, "there is no {} in {}", step_.workload, step_.name_space);
  return std::move(**found);
}

Result<std::vector<KubernetesStepRun::Pod>> KubernetesStepRun::pods_of_node() {
  std::vector<Pod> pods;
  std::string next;
  for (int page = 0; page < kPodPagesMax; ++page) {
    std::vector<std::pair<std::string, std::string>> query{{"fieldSelector", "spec.nodeName=" + step_.node},
                                                           {"limit", "500"}};
    if (!next.empty()) query.emplace_back("continue", next);
    const std::string path = "/api/v1/pods?" + core::net::build_query(std::move(query));
    const Result<Response> response = ask({.path = path});
    if (!response) return fail(response.error());
    if (response->status != 200) return fail(Errc::kFailed, "GET {}: {}", path, answer_text(*response));
    auto read = core::kubernetes::read_pod_page(response->body);
    if (!read) return fail(read.error().with_context("GET {}", path));
    for (Pod& each : read->pods) {
      // A selector that was not understood selects everything.
      if (each.node != step_.node) return fail(Errc::kFailed, "GET {}: a pod of another node", path);
      pods.push_back(std::move(each));
    }
    if (read->next.empty()) return pods;
    next = read->next;
  }
  return fail(Errc::kLimitExceeded, "more than {} pages of pods on {}", kPodPagesMax, step_.node);
}

StepFinished KubernetesStepRun::prove(const std::function<Sight()>& look) {
  return look_until(around_, deadline_, 1, task_.stop, look);
}

StepFinished KubernetesStepRun::carry_out() {
  const auto perform = [&] {
    if (auto right = step_.check_words(); !right) return failed(right.error().message);
    switch (step_.action) {
      case KubernetesAction::kCordon:
        return set_schedulable(false);
      case KubernetesAction::kUncordon:
        return set_schedulable(true);
      case KubernetesAction::kTaint:
        return set_taint(true);
      case KubernetesAction::kUntaint:
        return set_taint(false);
      case KubernetesAction::kDrain:
        return drain();
      case KubernetesAction::kDeleteNode:
        return delete_node();
      case KubernetesAction::kEvict:
      case KubernetesAction::kDeletePod:
        return remove_pod();
      case KubernetesAction::kRolloutRestart:
        return restart_workload();
      case KubernetesAction::kScale:
        return scale_workload();
    }
    return failed("unknown action");
  };
  StepFinished finished = perform();
  if (task_.stop.stop_requested()) finished = stopped();
  finished.output = trace_;
  return finished;
}

Verdict KubernetesStepRun::was_removed(const std::optional<Metadata>& there, std::string& why) const {
  if (!there) {
    why = "it is not there";
    return Verdict::kYes;
  }
  if (!there->created || !task_.started) {
    why = "nobody knows since when it is there";
    return Verdict::kUnknown;
  }
  why = fmt::format("{} is there since {}", there->name, core::format_rfc3339(*there->created));
  const core::Duration younger = *there->created - *task_.started;
  if (younger > kClocksDiffer) return Verdict::kYes;
  return younger < -kClocksDiffer ? Verdict::kNo : Verdict::kUnknown;
}

StepSeen KubernetesStepRun::look() {
  StepSeen seen;
  Result<std::optional<Metadata>> there = std::optional<Metadata>();
  if (step_.action == KubernetesAction::kDeleteNode) {
    there = get("/api/v1/nodes/" + step_.node, &core::kubernetes::read_node).map([](const auto& node) {
      return node ? std::optional<Metadata>(node->meta) : std::nullopt;
    });
  } else {
    there = pod(step_.name_space, step_.pod).map([](const auto& pod) {
      return pod ? std::optional<Metadata>(pod->meta) : std::nullopt;
    });
  }
  if (!there) {
    seen.why = there.error().message;
    return seen;
  }
  // One that is on its way out is asked for once more, which changes nothing, and waited for.
  seen.happened = was_removed(*there, seen.why);
  return seen;
}

}  // namespace actions::remedy
