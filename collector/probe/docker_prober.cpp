// SPDX-License-Identifier: Apache-2.0
// The containers that Docker or Podman runs (Docker Engine API), and the digests of their images.
#include <map>

#include <nlohmann/json.hpp>

#include "collector/probe/container_images.h"
#include "collector/probe/plain_request.h"

namespace collector::probe {
namespace {

using nlohmann::json;

constexpr std::size_t kDockerBytesMax = 4 << 20;
constexpr std::size_t kDockerContainersMax = 200;
// The oldest version of the API that today's servers still speak.
constexpr std::string_view kApi = "http://localhost/v1.24";

struct Container {
  std::string name;
  std::string image;  // as it was asked for: a repository with a tag or a digest
  std::string image_id;
};

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

core::Task<Outcome<json>> fetch(Attempt& attempt, std::string path) {
  core::net::Request request;
  request.url = std::string(kApi) + path;
  auto answer = co_await ask_once(attempt, std::move(request), "", attempt.target, kDockerBytesMax);
  if (!answer) co_return failed(answer.error());
  attempt.report.evidence.status = answer->status;
  if (answer->status != 200) co_return failed(Reason::kHttpStatus, fmt::format("{}: status {}", path, answer->status));
  json body = json::parse(answer->body, nullptr, false);
  if (body.is_discarded()) co_return failed(Reason::kProtocol, fmt::format("{}: not JSON", path));
  co_return body;
}

Outcome<std::vector<Container>> containers_of(const json& list) {
  if (!list.is_array()) return failed(Reason::kProtocol, "containers: not a list");
  if (list.size() > kDockerContainersMax) {
    return failed(Reason::kBodyTooLarge, fmt::format("more than {} containers", kDockerContainersMax));
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

ImageDigests digests_of(const std::string& image_id, const json& image) {
  ImageDigests digests;
  digests.add(image_id);
  const auto listed = image.is_object() ? image.find("RepoDigests") : image.end();
  if (!image.is_object() || listed == image.end() || !listed->is_array()) return digests;
  for (const json& each : *listed) {
    if (each.is_string()) digests.add(each.get<std::string>());
  }
  return digests;
}

core::Task<Outcome<std::vector<RunningContainer>>> ask_docker(Attempt& attempt) {
  if (!attempt.target.starts_with('/')) {
    co_return failed(Reason::kBadTarget, fmt::format("expected the path of a socket, got \"{}\"", attempt.target));
  }
  auto list = co_await fetch(attempt, "/containers/json");
  if (!list) co_return failed(list.error());
  const auto containers = containers_of(*list);
  if (!containers) co_return failed(containers.error());
  std::map<std::string, ImageDigests> digests;
  std::vector<RunningContainer> running;
  for (const Container& container : *containers) {
    auto known = digests.find(container.image_id);
    if (known == digests.end()) {
      const bool plain =
          container.image_id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789:") == std::string::npos;
      if (!plain) co_return failed(Reason::kProtocol, "containers: an image without an id");
      auto image = co_await fetch(attempt, "/images/" + container.image_id + "/json");
      if (!image) co_return failed(image.error());
      known = digests.emplace(container.image_id, digests_of(container.image_id, *image)).first;
    }
    running.push_back({container.name, "", "", container.image, known->second});
  }
  co_return running;
}

}  // namespace

core::Task<bool> probe_docker(Attempt& attempt) {
  attempt.report.evidence.address = attempt.target;
  const auto containers = co_await ask_docker(attempt);
  judge_images(attempt.report, attempt.module.docker.pinned, containers);
  co_return true;
}

}  // namespace collector::probe
