// SPDX-License-Identifier: Apache-2.0
// The containers that Docker or Podman runs (Docker Engine API), and the digests of their images.
#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "collector/probe/plain_request.h"

namespace collector::probe {
namespace {

using nlohmann::json;

constexpr std::size_t kBodyBytesMax = 4 << 20;
constexpr std::size_t kContainersMax = 200;
constexpr std::size_t kLabelBytesMax = 256;
// The oldest version of the API that today's servers still speak.
constexpr std::string_view kApi = "http://localhost/v1.24";

struct Container {
  std::string name;
  std::string image;  // as it was asked for: a repository with a tag or a digest
  std::string image_id;
};

std::string label(std::string_view text) { return printable(text, kLabelBytesMax); }

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

core::Task<Outcome<json>> fetch(Attempt& attempt, std::string path) {
  core::net::Request request;
  request.url = std::string(kApi) + path;
  auto answer = co_await ask_once(attempt, std::move(request), "", attempt.target, kBodyBytesMax);
  if (!answer) co_return failed(answer.error());
  attempt.report.evidence.status = answer->status;
  if (answer->status != 200) co_return failed(Reason::kHttpStatus, fmt::format("{}: status {}", path, answer->status));
  json body = json::parse(answer->body, nullptr, false);
  if (body.is_discarded()) co_return failed(Reason::kProtocol, fmt::format("{}: not JSON", path));
  co_return body;
}

Outcome<std::vector<Container>> containers_of(const json& list) {
  if (!list.is_array()) return failed(Reason::kProtocol, "containers: not a list");
  if (list.size() > kContainersMax) {
    return failed(Reason::kBodyTooLarge, fmt::format("more than {} containers", kContainersMax));
  }
  std::vector<Container> containers;
  for (const json& each : list) {
    const auto names = each.is_object() ? each.find("Names") : each.end();
    const bool named =
        each.is_object() && names != each.end() && names->is_array() && !names->empty() && names->front().is_string();
    if (!named || text_at(each, "ImageID").empty()) return failed(Reason::kProtocol, "containers: one without a name");
    std::string name = names->front().get<std::string>();
    if (name.starts_with('/')) name.erase(0, 1);
    containers.push_back({std::move(name), text_at(each, "Image"), text_at(each, "ImageID")});
  }
  return containers;
}

// The digests an image is known by: its own, and those that registries gave it.
std::set<std::string> digests_of(const std::string& image_id, const json& image) {
  std::set<std::string> digests = {image_id};
  if (!image.is_object()) return digests;
  const auto listed = image.find("RepoDigests");
  if (listed == image.end() || !listed->is_array()) return digests;
  for (const json& each : *listed) {
    if (!each.is_string()) continue;
    const std::string text = each.get<std::string>();
    if (const std::size_t at = text.find('@'); at != std::string::npos) digests.insert(text.substr(at + 1));
  }
  return digests;
}

void judge(Attempt& attempt, const std::vector<Container>& containers,
           const std::map<std::string, std::set<std::string>>& digests) {
  Report& report = attempt.report;
  std::set<std::string> running;
  for (const Container& container : containers) {
    running.insert(container.name);
    const std::set<std::string>& known = digests.at(container.image_id);
    // The registry's digest says more than the local one, where there is one.
    const auto shown = std::ranges::find_if(known, [&](const auto& each) { return each != container.image_id; });
    report.set("probe_container_info", 1,
               {{"container", label(container.name)},
                {"digest", label(shown == known.end() ? container.image_id : *shown)},
                {"image", label(container.image)}});
    const auto pinned = attempt.module.docker.pinned.find(container.name);
    if (pinned == attempt.module.docker.pinned.end()) continue;
    const bool right = std::ranges::any_of(pinned->second, [&](const auto& digest) { return known.contains(digest); });
    report.set("probe_container_image_pinned", right ? 1 : 0, {{"container", label(container.name)}});
  }
  for (const auto& [name, allowed] : attempt.module.docker.pinned) {
    report.set("probe_container_running", running.contains(name) ? 1 : 0, {{"container", label(name)}});
  }
}

}  // namespace

core::Task<bool> probe_docker(Attempt& attempt) {
  Report& report = attempt.report;
  report.evidence.address = attempt.target;
  if (!attempt.target.starts_with('/')) {
    report.fail(Reason::kBadTarget, fmt::format("expected the path of a socket, got \"{}\"", attempt.target));
    co_return true;
  }
  auto list = co_await fetch(attempt, "/containers/json");
  auto containers = list ? containers_of(*list) : Outcome<std::vector<Container>>(failed(list.error()));
  if (!containers) {
    report.fail(containers.error());
    co_return true;
  }
  std::map<std::string, std::set<std::string>> digests;
  for (const Container& container : *containers) {
    if (digests.contains(container.image_id)) continue;
    const bool plain =
        container.image_id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789:") == std::string::npos;
    Outcome<json> image = failed(Reason::kProtocol, "containers: an image without an id");
    if (plain) image = co_await fetch(attempt, "/images/" + container.image_id + "/json");
    if (!image) {
      report.fail(image.error());
      co_return true;
    }
    digests.emplace(container.image_id, digests_of(container.image_id, *image));
  }
  judge(attempt, *containers, digests);
  co_return true;
}

}  // namespace collector::probe
