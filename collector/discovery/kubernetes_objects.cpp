// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/kubernetes_objects.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

namespace collector::discovery::kubernetes {
namespace {

using core::Errc;
using core::Result;
using Json = nlohmann::json;

const Json& child(const Json& json, const char* key) {
  static const Json kNothing;
  if (!json.is_object()) return kNothing;
  const auto found = json.find(key);
  return found == json.end() ? kNothing : *found;
}

std::string text(const Json& json, const char* key) {
  const Json& value = child(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::optional<std::string> optional_text(const Json& json, const char* key) {
  const Json& value = child(json, key);
  return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

std::optional<bool> optional_bool(const Json& json, const char* key) {
  const Json& value = child(json, key);
  return value.is_boolean() ? std::optional(value.get<bool>()) : std::nullopt;
}

std::optional<int> optional_number(const Json& json, const char* key) {
  const Json& value = child(json, key);
  return value.is_number_integer() ? std::optional(value.get<int>()) : std::nullopt;
}

int number(const Json& json, const char* key) { return optional_number(json, key).value_or(0); }

std::map<std::string, std::string> texts(const Json& json, const char* key) {
  std::map<std::string, std::string> result;
  const Json& values = child(json, key);
  if (!values.is_object()) return result;
  for (const auto& [name, value] : values.items()) {
    if (value.is_string()) result[name] = value.get<std::string>();
  }
  return result;
}

// The elements of a list; none for anything else.
const std::vector<Json>& items(const Json& json, const char* key) {
  static const std::vector<Json> kNone;
  const Json& list = child(json, key);
  return list.is_array() ? list.get_ref<const std::vector<Json>&>() : kNone;
}

Meta read_meta(const Json& json) {
  const Json& from = child(json, "metadata");
  Meta meta;
  meta.name = text(from, "name");
  meta.name_space = text(from, "namespace");
  meta.uid = text(from, "uid");
  meta.resource_version = text(from, "resourceVersion");
  meta.labels = texts(from, "labels");
  meta.annotations = texts(from, "annotations");
  for (const Json& owner : items(from, "ownerReferences")) {
    if (!optional_bool(owner, "controller").value_or(false)) continue;
    meta.controller_kind = text(owner, "kind");
    meta.controller_name = text(owner, "name");
  }
  return meta;
}

Node read_node(const Json& json) {
  Node node;
  const Json& status = child(json, "status");
  node.provider_id = text(child(json, "spec"), "providerID");
  node.kubelet_port = number(child(child(status, "daemonEndpoints"), "kubeletEndpoint"), "Port");
  for (const Json& each : items(status, "addresses")) {
    node.addresses.emplace_back(text(each, "type"), text(each, "address"));
  }
  for (const Json& each : items(status, "conditions")) {
    node.conditions.emplace_back(text(each, "type"), text(each, "status"));
  }
  return node;
}

std::vector<ContainerPort> read_ports(const Json& json, const char* number_key) {
  std::vector<ContainerPort> ports;
  for (const Json& port : items(json, "ports")) {
    const auto protocol = optional_text(port, "protocol");
    ports.push_back({text(port, "name"), number(port, number_key), protocol.value_or("TCP")});
  }
  return ports;
}

void read_containers(const Json& json, const char* key, const char* status_key, Pod& pod) {
  for (const Json& each : items(child(json, "spec"), key)) {
    Container container{.name = text(each, "name"),
                        .image = text(each, "image"),
                        .id = {},
                        .init = std::string_view(key) == "initContainers",
                        .ports = read_ports(each, "containerPort")};
    for (const Json& status : items(child(json, "status"), status_key)) {
      if (text(status, "name") == container.name) container.id = text(status, "containerID");
    }
    pod.containers.push_back(std::move(container));
  }
}

Pod read_pod(const Json& json) {
  Pod pod;
  const Json& status = child(json, "status");
  pod.ip = text(status, "podIP");
  pod.host_ip = text(status, "hostIP");
  pod.phase = text(status, "phase");
  pod.node_name = text(child(json, "spec"), "nodeName");
  for (const Json& condition : items(status, "conditions")) {
    if (text(condition, "type") != "Ready") continue;
    pod.ready = text(condition, "status");
    for (char& c : pod.ready) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  read_containers(json, "containers", "containerStatuses", pod);
  read_containers(json, "initContainers", "initContainerStatuses", pod);
  return pod;
}

Service read_service(const Json& json) {
  Service service;
  const Json& spec = child(json, "spec");
  service.type = text(spec, "type");
  service.cluster_ip = text(spec, "clusterIP");
  service.external_name = text(spec, "externalName");
  for (const Json& entry : items(child(child(json, "status"), "loadBalancer"), "ingress")) {
    const std::string ip = text(entry, "ip");
    if (ip.empty()) continue;
    service.load_balancer_ip += (service.load_balancer_ip.empty() ? "" : ",") + ip;
  }
  if (service.load_balancer_ip.empty()) service.load_balancer_ip = text(spec, "loadBalancerIP");
  for (const Json& family : items(spec, "ipFamilies")) {
    if (family.is_string()) service.ip_families.push_back(family.get<std::string>());
  }
  service.ports = read_ports(spec, "port");
  return service;
}

Endpoint read_endpoint(const Json& json) {
  Endpoint endpoint;
  for (const Json& address : items(json, "addresses")) {
    if (address.is_string()) endpoint.addresses.push_back(address.get<std::string>());
  }
  const Json& conditions = child(json, "conditions");
  endpoint.ready = optional_bool(conditions, "ready");
  endpoint.serving = optional_bool(conditions, "serving");
  endpoint.terminating = optional_bool(conditions, "terminating");
  endpoint.hostname = optional_text(json, "hostname");
  endpoint.node_name = optional_text(json, "nodeName");
  endpoint.zone = optional_text(json, "zone");
  if (const Json& target = child(json, "targetRef"); target.is_object()) {
    endpoint.target = {text(target, "kind"), text(target, "namespace"), text(target, "name")};
  }
  endpoint.topology = texts(json, "deprecatedTopology");
  return endpoint;
}

EndpointSlice read_slice(const Json& json) {
  EndpointSlice slice;
  slice.address_type = text(json, "addressType");
  for (const Json& each : items(json, "endpoints")) slice.endpoints.push_back(read_endpoint(each));
  for (const Json& port : items(json, "ports")) {
    slice.ports.push_back({.name = optional_text(port, "name"),
                           .protocol = optional_text(port, "protocol"),
                           .app_protocol = optional_text(port, "appProtocol"),
                           .number = optional_number(port, "port")});
  }
  return slice;
}

Object read_object(const Json& json, KubernetesRole kind) {
  Object object{.meta = read_meta(json), .body = {}};
  switch (kind) {
    case KubernetesRole::kNode:
      object.body = read_node(json);
      break;
    case KubernetesRole::kPod:
      object.body = read_pod(json);
      break;
    case KubernetesRole::kService:
      object.body = read_service(json);
      break;
    case KubernetesRole::kEndpointSlice:
      object.body = read_slice(json);
      break;
  }
  return object;
}

}  // namespace

Result<ObjectList> parse_list(std::string_view body, KubernetesRole kind) {
  const Json json = Json::parse(body, nullptr, false);
  const Json& list = child(json, "items");
  const Json& meta = child(json, "metadata");
  if (!meta.is_object() || !(list.is_array() || list.is_null())) {
    return core::fail(Errc::kInvalid, "expected a list of Kubernetes objects");
  }
  ObjectList result;
  result.resource_version = text(meta, "resourceVersion");
  result.continue_token = text(meta, "continue");
  for (const Json& each : items(json, "items")) {
    result.objects.push_back(read_object(each, kind));
    if (result.objects.back().meta.name.empty()) {
      return core::fail(Errc::kInvalid, "expected a name in every Kubernetes object");
    }
  }
  return result;
}

Result<Event> parse_event(std::string_view line, KubernetesRole kind) {
  const Json json = Json::parse(line, nullptr, false);
  constexpr std::pair<std::string_view, EventType> kTypes[] = {{"ADDED", EventType::kAdded},
                                                               {"MODIFIED", EventType::kModified},
                                                               {"DELETED", EventType::kDeleted},
                                                               {"BOOKMARK", EventType::kBookmark},
                                                               {"ERROR", EventType::kError}};
  const std::string type = text(json, "type");
  const auto* const known =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& each) { return each.first == type; });
  const Json& object = child(json, "object");
  if (known == std::end(kTypes) || !object.is_object()) {
    return core::fail(Errc::kInvalid, "expected an event of a watch");
  }
  Event event{.type = known->second, .object = {}, .status_code = 0, .status_text = {}};
  if (event.type == EventType::kError) {
    event.status_code = number(object, "code");
    event.status_text = text(object, "message");
    return event;
  }
  event.object = read_object(object, kind);
  if (event.object.meta.resource_version.empty()) {
    return core::fail(Errc::kInvalid, "expected a resource version in an event");
  }
  if (event.type != EventType::kBookmark && event.object.meta.name.empty()) {
    return core::fail(Errc::kInvalid, "expected a name in an event's object");
  }
  return event;
}

std::string status_message(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  return text(json, "kind") == "Status" ? text(json, "message") : std::string();
}

}  // namespace collector::discovery::kubernetes
