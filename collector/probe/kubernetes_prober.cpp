// SPDX-License-Identifier: Apache-2.0
// The containers of a cluster's pods that run, and the digests of their images, as the API server has them
// (v1 PodList, status.containerStatuses[].imageID).
#include <cstdlib>

#include "collector/probe/address_choice.h"
#include "collector/probe/container_images.h"
#include "collector/probe/plain_request.h"
#include "collector/probe/side_thread.h"
#include "core/kubernetes/api_server.h"
#include "core/kubernetes/objects.h"
#include "core/net/url.h"

namespace collector::probe {
namespace {

using core::kubernetes::ApiServer;
using core::kubernetes::Pod;
using core::kubernetes::PodPage;

constexpr std::string_view kInCluster = "in-cluster";
constexpr int kPagePods = 100;
constexpr int kPagesMax = 100;
constexpr std::size_t kPageBytesMax = 8 << 20;
constexpr std::size_t kContainersMax = 500;  // that are pinned

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Server {
  core::net::Url url;
  core::net::HttpClientConfig http;
};

Outcome<Server> server_of(const Attempt& attempt) {
  ApiServer server{attempt.target, attempt.module.kubernetes.client};
  if (attempt.target == kInCluster) {
    auto found = core::kubernetes::in_cluster(environment);
    if (!found) return failed(Reason::kBadTarget, found.error().message);
    server = std::move(*found);
  }
  auto url = core::net::parse_url(server.url);
  if (!url || url->path != "/" || !url->query.empty()) {
    return failed(Reason::kBadTarget,
                  fmt::format("expected the URL of an API server, or {}, got \"{}\"", kInCluster, attempt.target));
  }
  return Server{std::move(*url), std::move(server.http)};
}

// The server's address; how long the look-up of its name took is no metric of this prober.
core::Task<Outcome<std::string>> dial_address(Attempt& attempt, std::string host) {
  Attempt own{attempt.services, attempt.module, {}, {}, attempt.started, attempt.deadline, false, {}};
  core::Duration took{};
  const IpChoice any;
  auto address = co_await choose_address(own, std::move(host), any, took);
  if (!address) co_return failed(address.error());
  co_return address->to_string();
}

std::string query_of(const KubernetesModule& module, const std::string& next) {
  std::vector<std::pair<std::string, std::string>> parameters = {{"limit", std::to_string(kPagePods)}};
  if (!module.label_selector.empty()) parameters.emplace_back("labelSelector", module.label_selector);
  if (!next.empty()) parameters.emplace_back("continue", next);
  return core::net::build_query(std::move(parameters));
}

core::Task<Outcome<PodPage>> fetch(Attempt& attempt, const Server& server, std::string dial, std::string next) {
  const KubernetesModule& module = attempt.module.kubernetes;
  core::net::Request request;
  if (auto applied = server.http.apply(request); !applied)
    co_return failed(Reason::kLocalFile, applied.error().message);
  core::net::Url url = server.url;
  url.path = module.name_space.empty() ? "/api/v1/pods" : "/api/v1/namespaces/" + module.name_space + "/pods";
  url.query = query_of(module, next);
  request.url = url.to_string();
  request.headers.emplace_back("Accept", "application/json");
  auto answer = co_await ask_once(attempt, std::move(request), std::move(dial), "", kPageBytesMax);
  if (!answer) co_return failed(answer.error());
  Evidence& evidence = attempt.report.evidence;
  evidence.status = answer->status;
  evidence.tls = answer->tls;
  if (answer->status != 200) {
    const bool forbidden = answer->status == 401 || answer->status == 403;
    evidence.reply_start = printable(core::kubernetes::status_message(answer->body));
    co_return failed(forbidden ? Reason::kForbidden : Reason::kHttpStatus,
                     fmt::format("{}: status {} {}", url.path, answer->status, evidence.reply_start));
  }
  // Some ten milliseconds for a page: not on the loop.
  using Page = core::Result<PodPage>;
  std::function<Page()> work = [body = std::move(answer->body)] { return core::kubernetes::read_pod_page(body); };
  auto reading = attempt.services.judges.run<Page>(attempt.deadline, std::move(work));
  auto page = co_await reading;
  if (!page) co_return failed(Reason::kOverloaded, "the list of pods could not be read in time");
  if (!*page) co_return failed(Reason::kProtocol, fmt::format("{}: {}", url.path, page->error().message));
  co_return std::move(**page);
}

// Those of a pod that run and are pinned.
void add_pinned(const ImagePins& pinned, const Pod& pod, std::vector<RunningContainer>& containers) {
  for (const core::kubernetes::ContainerStatus& status : pod.containers) {
    const bool wanted = pinned.contains(status.name) || pinned.contains(pod.meta.name_space + "/" + status.name);
    if (!status.running || !wanted) continue;
    RunningContainer container{status.name, pod.meta.name_space, pod.meta.name, status.image, {}};
    container.digests.add(status.image_id);
    container.digests.all_known = !status.image_id.empty();
    containers.push_back(std::move(container));
  }
}

core::Task<Outcome<std::vector<RunningContainer>>> ask(Attempt& attempt) {
  auto server = server_of(attempt);
  if (!server) co_return failed(server.error());
  auto dial = co_await dial_address(attempt, server->url.host);
  if (!dial) co_return failed(dial.error());
  attempt.report.evidence.address = *dial;
  std::vector<RunningContainer> containers;
  std::string next;
  for (int pages = 0; pages < kPagesMax; ++pages) {
    auto page = co_await fetch(attempt, *server, *dial, next);
    if (!page) co_return failed(page.error());
    for (const Pod& pod : page->pods) add_pinned(attempt.module.kubernetes.pinned, pod, containers);
    if (containers.size() > kContainersMax) {
      co_return failed(Reason::kBodyTooLarge, fmt::format("more than {} pinned containers", kContainersMax));
    }
    if (page->next.empty()) co_return containers;
    next = std::move(page->next);
  }
  co_return failed(Reason::kBodyTooLarge, fmt::format("more than {} pages of pods", kPagesMax));
}

}  // namespace

core::Task<bool> probe_kubernetes(Attempt& attempt) {
  const auto containers = co_await ask(attempt);
  judge_images(attempt.report, attempt.module.kubernetes.pinned, containers);
  co_return true;
}

}  // namespace collector::probe
