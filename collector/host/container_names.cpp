// SPDX-License-Identifier: Apache-2.0
#include "collector/host/container_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "collector/host/kernel_files.h"

namespace collector::host {
namespace {

constexpr std::size_t kIdSize = 64;
constexpr std::size_t kNamesMax = 20'000;  // of files in a folder of logs
constexpr std::size_t kDockerConfigBytesMax = 1 << 20;

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

std::string_view container_id_of(std::string_view component) {
  for (const std::string_view prefix : {"cri-containerd-", "containerd-", "crio-", "docker-", "libpod-"}) {
    if (!component.starts_with(prefix) || !component.ends_with(".scope")) continue;
    const std::string_view id = component.substr(prefix.size(), component.size() - prefix.size() - 6);
    return id.size() == kIdSize && is_hex(id) ? id : std::string_view();
  }
  return component.size() == kIdSize && is_hex(component) ? component : std::string_view();
}

// kubepods-burstable-pod0a1b_2c.slice, or pod0a1b-2c below kubepods.
std::string pod_uid_of(std::string_view component) {
  std::string_view uid;
  if (component.starts_with("kubepods") && component.ends_with(".slice")) {
    const std::size_t at = component.find("-pod");
    if (at == std::string_view::npos) return "";
    uid = component.substr(at + 4, component.size() - at - 4 - 6);
  } else if (component.starts_with("pod")) {
    uid = component.substr(3);
  }
  std::string result(uid);
  std::replace(result.begin(), result.end(), '_', '-');
  const bool plain = result.find_first_not_of("0123456789abcdef-") == std::string::npos;
  return plain && result.size() >= 32 && result.size() <= 36 ? result : "";
}

}  // namespace

CgroupIdentity identify_cgroup(std::string_view path) {
  CgroupIdentity identity;
  bool kubernetes = false;
  while (!path.empty()) {
    if (path[0] == '/') {
      path.remove_prefix(1);
      continue;
    }
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, end);
    path.remove_prefix(end);
    if (!identity.container_id.empty()) return {};  // below a container
    kubernetes = kubernetes || component.starts_with("kubepods");
    if (identity.pod_uid.empty() && kubernetes) identity.pod_uid = pod_uid_of(component);
    identity.container_id = container_id_of(component);
  }
  return identity;
}

void ContainerNames::begin_walk() {
  listed_ = false;
  for (auto& [key, known] : known_) known.seen = false;
}

void ContainerNames::end_walk() {
  std::erase_if(known_, [](const auto& each) { return !each.second.seen; });
  pods_.clear();
  containers_.clear();
}

const ContainerLabels& ContainerNames::labels(const CgroupIdentity& identity) {
  static const ContainerLabels none;
  if (identity.pod_uid.empty() && identity.container_id.empty()) return none;
  const std::string key = identity.pod_uid + "/" + identity.container_id;
  auto found = known_.find(key);
  if (found == known_.end()) {
    found = known_.try_emplace(key).first;
    found->second.labels = find(identity);
  } else if (!identity.pod_uid.empty() && found->second.labels.pod.empty()) {
    // The kubelet writes the names a moment after the runtime has made the cgroup.
    found->second.labels = find(identity);
  }
  found->second.seen = true;
  return found->second.labels;
}

void ContainerNames::list_names() {
  if (listed_) return;
  listed_ = true;
  const auto pods = list_folder(paths_.below_root("/var/log/pods"), kNamesMax);
  for (const std::string& name : pods ? *pods : std::vector<std::string>()) {
    const std::size_t first = name.find('_'), last = name.rfind('_');
    if (first == std::string::npos || first == last) continue;
    ContainerLabels& labels = pods_[name.substr(last + 1)];
    labels.name_space = name.substr(0, first);
    labels.pod = name.substr(first + 1, last - first - 1);
  }
  const auto logs = list_folder(paths_.below_root("/var/log/containers"), kNamesMax);
  for (const std::string& name : logs ? *logs : std::vector<std::string>()) {
    // <pod>_<namespace>_<container>-<id>.log
    if (!name.ends_with(".log") || name.size() < kIdSize + 6) continue;
    const std::string head = name.substr(0, name.size() - 4 - kIdSize);
    const std::size_t first = head.find('_'), last = head.rfind('_');
    if (first == std::string::npos || first == last || !head.ends_with('-')) continue;
    ContainerLabels& labels = containers_[name.substr(head.size(), kIdSize)];
    labels.container = head.substr(last + 1, head.size() - last - 2);
    labels.name_space = head.substr(first + 1, last - first - 1);
    labels.pod = head.substr(0, first);
  }
}

ContainerLabels ContainerNames::find(const CgroupIdentity& identity) {
  ContainerLabels labels;
  if (!identity.pod_uid.empty()) {
    list_names();
    if (const auto pod = pods_.find(identity.pod_uid); pod != pods_.end()) labels = pod->second;
    const auto container = containers_.find(identity.container_id);
    if (container != containers_.end()) labels = container->second;
  } else {
    const auto text =
        read_file(paths_.below_root(fmt::format("/var/lib/docker/containers/{}/config.v2.json", identity.container_id)),
                  kDockerConfigBytesMax);
    const auto config = nlohmann::json::parse(text ? *text : "", nullptr, false);
    const auto text_at = [&](const char* pointer) -> std::string {
      const nlohmann::json::json_pointer place(pointer);
      return config.is_object() && config.contains(place) && config[place].is_string() ? config[place] : "";
    };
    labels.name = text_at("/Name");
    labels.image = text_at("/Config/Image");
    if (labels.name.starts_with('/')) labels.name.erase(0, 1);
  }
  if (labels.name.empty()) labels.name = identity.container_id;
  return labels;
}

}  // namespace collector::host
