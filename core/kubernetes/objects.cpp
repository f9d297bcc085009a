// SPDX-License-Identifier: Apache-2.0
#include "core/kubernetes/objects.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/time/duration.h"

namespace core::kubernetes {
namespace {

using nlohmann::json;

const json kNothing = json::object();

// What is there under `key`, if it is of that kind.
const json& object_at(const json& parent, const char* key) {
  const auto found = parent.is_object() ? parent.find(key) : parent.end();
  return parent.is_object() && found != parent.end() && found->is_object() ? *found : kNothing;
}

std::vector<json> items_at(const json& parent, const char* key) {
  if (!parent.is_object() || !parent.contains(key) || !parent[key].is_array()) return {};
  return parent[key].get<std::vector<json>>();
}

std::string text_at(const json& parent, const char* key) {
  if (!parent.is_object() || !parent.contains(key) || !parent[key].is_string()) return {};
  return parent[key].get<std::string>();
}

std::int64_t number_at(const json& parent, const char* key, std::int64_t otherwise = 0) {
  if (!parent.is_object() || !parent.contains(key) || !parent[key].is_number_integer()) return otherwise;
  return parent[key].get<std::int64_t>();
}

bool flag_at(const json& parent, const char* key) {
  return parent.is_object() && parent.contains(key) && parent[key].is_boolean() && parent[key].get<bool>();
}

std::map<std::string, std::string> texts_at(const json& parent, const char* key) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : object_at(parent, key).items()) {
    if (value.is_string()) texts[name] = value.get<std::string>();
  }
  return texts;
}

Metadata metadata_of(const json& object) {
  const json& from = object_at(object, "metadata");
  Metadata meta;
  meta.name = text_at(from, "name");
  meta.name_space = text_at(from, "namespace");
  meta.uid = text_at(from, "uid");
  meta.resource_version = text_at(from, "resourceVersion");
  meta.generation = number_at(from, "generation");
  if (const auto created = parse_rfc3339(text_at(from, "creationTimestamp"))) meta.created = *created;
  meta.deleting = !text_at(from, "deletionTimestamp").empty();
  for (const json& each : items_at(from, "finalizers")) {
    if (each.is_string()) meta.finalizers.push_back(each.get<std::string>());
  }
  meta.labels = texts_at(from, "labels");
  for (const json& owner : items_at(from, "ownerReferences")) {
    if (!flag_at(owner, "controller")) continue;
    meta.controller_kind = text_at(owner, "kind");
    meta.controller = text_at(owner, "name");
  }
  return meta;
}

std::vector<std::string> programs_of(const json& pod_spec) {
  std::vector<std::string> programs;
  for (const char* const list : {"initContainers", "containers"}) {
    for (const json& container : items_at(pod_spec, list)) {
      programs.push_back(text_at(container, "name"));
      programs.push_back(text_at(container, "image"));
      for (const char* const words : {"command", "args"}) {
        for (const json& word : items_at(container, words)) {
          if (word.is_string()) programs.push_back(word.get<std::string>());
        }
      }
    }
  }
  return programs;
}

std::vector<ContainerStatus> containers_of(const json& pod_status) {
  std::vector<ContainerStatus> containers;
  for (const char* const list : {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"}) {
    for (const json& each : items_at(pod_status, list)) {
      const json& state = object_at(each, "state");
      containers.push_back({text_at(each, "name"), text_at(each, "image"), text_at(each, "imageID"),
                            state.contains("running") && state["running"].is_object()});
    }
  }
  return containers;
}

bool is_ready(const json& status) {
  for (const json& each : items_at(status, "conditions")) {
    if (text_at(each, "type") == "Ready") return text_at(each, "status") == "True";
  }
  return false;
}

Pod pod_of(const json& object) {
  Pod pod;
  pod.meta = metadata_of(object);
  const json& spec = object_at(object, "spec");
  pod.node = text_at(spec, "nodeName");
  const json& status = object_at(object, "status");
  pod.phase = text_at(status, "phase");
  pod.ready = is_ready(status);
  pod.programs = programs_of(spec);
  pod.mirror = object_at(object_at(object, "metadata"), "annotations").contains("kubernetes.io/config.mirror");
  for (const json& volume : items_at(spec, "volumes")) {
    pod.empty_dir = pod.empty_dir || (volume.is_object() && volume.contains("emptyDir"));
  }
  pod.containers = containers_of(status);
  return pod;
}

Node node_of(const json& object) {
  Node node;
  node.meta = metadata_of(object);
  const json& spec = object_at(object, "spec");
  node.unschedulable = flag_at(spec, "unschedulable");
  for (const json& each : items_at(spec, "taints")) {
    node.taints.push_back({text_at(each, "key"), text_at(each, "value"), text_at(each, "effect")});
  }
  const json& status = object_at(object, "status");
  node.ready = is_ready(status);
  node.operating_system = text_at(object_at(status, "nodeInfo"), "osImage");
  for (const json& each : items_at(status, "addresses")) {
    if (text_at(each, "type") == "InternalIP") node.address = text_at(each, "address");
  }
  return node;
}

Result<json> parse(std::string_view text) {
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return fail(Errc::kInvalid, "expected a JSON object of the Kubernetes API");
  return object;
}

Result<json> parse_named(std::string_view text) {
  Result<json> object = parse(text);
  if (!object) return object;
  const json& meta = object_at(*object, "metadata");
  if (text_at(meta, "name").empty() || text_at(meta, "uid").empty()) {
    return fail(Errc::kInvalid, "expected an object of the Kubernetes API with a name and a uid");
  }
  return object;
}

Result<json> parse_list(std::string_view text, std::string_view of) {
  Result<json> list = parse(text);
  if (!list) return list;
  if (list->contains("items") && (*list)["items"].is_array()) return list;
  return fail(Errc::kInvalid, "expected a list of {} of the Kubernetes API", of);
}

}  // namespace

Result<Pod> read_pod(std::string_view text) {
  return parse_named(text).map([](const json& object) { return pod_of(object); });
}

Result<Node> read_node(std::string_view text) {
  return parse_named(text).map([](const json& object) { return node_of(object); });
}

Result<Workload> read_workload(std::string_view text) {
  const Result<json> object = parse_named(text);
  if (!object) return fail(object.error());
  Workload workload;
  workload.meta = metadata_of(*object);
  const json& spec = object_at(*object, "spec");
  const json& pod = object_at(spec, "template");
  workload.template_labels = texts_at(object_at(pod, "metadata"), "labels");
  workload.template_annotations = texts_at(object_at(pod, "metadata"), "annotations");
  workload.programs = programs_of(object_at(pod, "spec"));
  workload.strategy = text_at(object_at(spec, "strategy"), "type");
  if (workload.strategy.empty()) workload.strategy = text_at(object_at(spec, "updateStrategy"), "type");
  workload.paused = flag_at(spec, "paused");
  const json& status = object_at(*object, "status");
  workload.observed_generation = number_at(status, "observedGeneration");
  if (status.contains("desiredNumberScheduled")) {  // a DaemonSet
    workload.wanted = number_at(status, "desiredNumberScheduled");
    workload.present = number_at(status, "currentNumberScheduled");
    workload.updated = number_at(status, "updatedNumberScheduled");
    workload.available = number_at(status, "numberAvailable");
  } else {
    workload.wanted = number_at(spec, "replicas", 1);
    workload.present = number_at(status, "replicas");
    workload.updated = number_at(status, "updatedReplicas");
    workload.available = number_at(status, "availableReplicas", number_at(status, "readyReplicas"));
  }
  return workload;
}

Result<PodPage> read_pod_page(std::string_view text) {
  const Result<json> list = parse_list(text, "pods");
  if (!list) return fail(list.error());
  PodPage page;
  for (const json& each : (*list)["items"]) page.pods.push_back(pod_of(each));
  page.next = text_at(object_at(*list, "metadata"), "continue");
  return page;
}

Result<NodePage> read_node_page(std::string_view text) {
  const Result<json> list = parse_list(text, "nodes");
  if (!list) return fail(list.error());
  NodePage page;
  for (const json& each : (*list)["items"]) {
    page.nodes.push_back(node_of(each));
    if (page.nodes.back().meta.name.empty()) return fail(Errc::kInvalid, "expected nodes with names in the list");
  }
  page.next = text_at(object_at(*list, "metadata"), "continue");
  return page;
}

bool is_object_name(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return plain(text.front()) && plain(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return plain(c) || c == '-' || c == '.'; });
}

std::string status_message(std::string_view text) {
  const Result<json> status = parse(text);
  return status ? text_at(*status, "message") : std::string();
}

}  // namespace core::kubernetes
