// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "collector/discovery/kubernetes_discovery.h"
#include "core/result.h"

// What of Kubernetes's objects becomes labels; the rest of them is not kept.
namespace collector::discovery::kubernetes {

struct Meta {
  std::string name;
  std::string name_space;
  std::string uid;
  std::string resource_version;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::string controller_kind;
  std::string controller_name;
};

struct Node {
  std::string provider_id;
  int kubelet_port = 0;
  std::vector<std::pair<std::string, std::string>> addresses;   // type, address
  std::vector<std::pair<std::string, std::string>> conditions;  // type, status
};

struct ContainerPort {
  std::string name;
  int number = 0;
  std::string protocol;
};

struct Container {
  std::string name;
  std::string image;
  std::string id;
  bool init = false;
  std::vector<ContainerPort> ports;
};

struct Pod {
  std::string ip;
  std::string host_ip;
  std::string node_name;
  std::string phase;
  std::string ready = "unknown";
  std::vector<Container> containers;  // the init containers last
};

struct Service {
  std::string type;
  std::string cluster_ip;
  std::string external_name;
  std::string load_balancer_ip;
  std::vector<std::string> ip_families;
  std::vector<ContainerPort> ports;
};

struct ObjectReference {
  std::string kind;
  std::string name_space;
  std::string name;
};

struct Endpoint {
  std::vector<std::string> addresses;
  std::optional<bool> ready;
  std::optional<bool> serving;
  std::optional<bool> terminating;
  std::optional<std::string> hostname;
  std::optional<std::string> node_name;
  std::optional<std::string> zone;
  std::optional<ObjectReference> target;
  std::map<std::string, std::string> topology;
};

struct EndpointPort {
  std::optional<std::string> name;
  std::optional<std::string> protocol;
  std::optional<std::string> app_protocol;
  std::optional<int> number;
};

struct EndpointSlice {
  std::string address_type;
  std::vector<Endpoint> endpoints;
  std::vector<EndpointPort> ports;
};

struct Object {
  Meta meta;
  std::variant<Node, Pod, Service, EndpointSlice> body;

  // NAMESPACE/NAME, or NAME for what has no namespace.
  std::string key() const { return meta.name_space.empty() ? meta.name : meta.name_space + "/" + meta.name; }
};

struct ObjectList {
  std::vector<Object> objects;
  std::string resource_version;
  std::string continue_token;  // empty: this was the last page
};

enum class EventType { kAdded, kModified, kDeleted, kBookmark, kError };

struct Event {
  EventType type{};
  Object object;        // of a bookmark the resource version only
  int status_code = 0;  // of an error
  std::string status_text;
};

// kInvalid for what is not a list of these objects, or not an event of theirs.
core::Result<ObjectList> parse_list(std::string_view body, KubernetesRole kind);
core::Result<Event> parse_event(std::string_view line, KubernetesRole kind);
// The message of a Status object, as the API server answers errors; "" if it is none.
std::string status_message(std::string_view body);

}  // namespace collector::discovery::kubernetes
