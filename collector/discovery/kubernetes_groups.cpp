// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/kubernetes_groups.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace collector::discovery::kubernetes {
namespace {

constexpr std::string_view kPrefix = "__meta_kubernetes_";
constexpr std::string_view kServiceName = "kubernetes.io/service-name";

void set(LabelMap& labels, std::string_view name, std::string value) {
  labels[std::string(kPrefix) + std::string(name)] = std::move(value);
}

void set_given(LabelMap& labels, std::string_view name, const std::optional<std::string>& value) {
  if (value) set(labels, name, *value);
}

void set_given(LabelMap& labels, std::string_view name, const std::optional<bool>& value) {
  if (value) set(labels, name, *value ? "true" : "false");
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string host_port(const std::string& host, int port) {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

// Name, labels and annotations, as every kind has them.
void set_meta(LabelMap& labels, const std::string& kind, const Meta& meta) {
  set(labels, kind + "_name", meta.name);
  for (const auto& [key, value] : meta.labels) {
    const std::string name = sanitize_label_name(key);
    set(labels, kind + "_label_" + name, value);
    set(labels, kind + "_labelpresent_" + name, "true");
  }
  for (const auto& [key, value] : meta.annotations) {
    const std::string name = sanitize_label_name(key);
    set(labels, kind + "_annotation_" + name, value);
    set(labels, kind + "_annotationpresent_" + name, "true");
  }
}

LabelMap pod_labels(const Object& object) {
  const Pod& pod = std::get<Pod>(object.body);
  LabelMap labels;
  set(labels, "pod_ip", pod.ip);
  set(labels, "pod_ready", pod.ready);
  set(labels, "pod_phase", pod.phase);
  set(labels, "pod_node_name", pod.node_name);
  set(labels, "pod_host_ip", pod.host_ip);
  set(labels, "pod_uid", object.meta.uid);
  set_meta(labels, "pod", object.meta);
  if (!object.meta.controller_kind.empty()) set(labels, "pod_controller_kind", object.meta.controller_kind);
  if (!object.meta.controller_name.empty()) set(labels, "pod_controller_name", object.meta.controller_name);
  return labels;
}

void set_container(LabelMap& labels, const Container& container) {
  set(labels, "pod_container_name", container.name);
  set(labels, "pod_container_image", container.image);
  set(labels, "pod_container_init", container.init ? "true" : "false");
}

void set_container_port(LabelMap& labels, const ContainerPort& port) {
  set(labels, "pod_container_port_name", port.name);
  set(labels, "pod_container_port_number", std::to_string(port.number));
  set(labels, "pod_container_port_protocol", port.protocol);
}

// The address of a node that is best reached from within the cluster; "" if it has none.
std::string node_address(const Node& node) {
  for (const std::string_view wanted :
       {"InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"}) {
    for (const auto& [type, address] : node.addresses) {
      if (type == wanted) return address;
    }
  }
  return "";
}

void add_node(const Object& object, TargetGroup& group) {
  const Node& node = std::get<Node>(object.body);
  const std::string address = node_address(node);
  if (address.empty()) return;
  set(group.labels, "node_provider_id", node.provider_id);
  for (const auto& [type, status] : node.conditions) {
    set(group.labels, "node_condition_" + sanitize_label_name(lower(type)), lower(status));
  }
  set_meta(group.labels, "node", object.meta);
  LabelMap target{{std::string(kAddressLabel), host_port(address, node.kubelet_port)}, {"instance", object.meta.name}};
  for (const auto& [type, each] : node.addresses) {
    target.try_emplace(std::string(kPrefix) + "node_address_" + sanitize_label_name(type), each);
  }
  group.targets.push_back(std::move(target));
}

void add_pod(const Object& object, const Surroundings& around, TargetGroup& group) {
  const Pod& pod = std::get<Pod>(object.body);
  if (pod.ip.empty()) return;  // it only starts, or has been evicted
  group.labels = pod_labels(object);
  set(group.labels, "namespace", object.meta.name_space);
  if (around.attach_node) {
    const Object* node = around.find(KubernetesRole::kNode, pod.node_name);
    if (node == nullptr) return;
    set_meta(group.labels, "node", node->meta);
  }
  for (const Container& container : pod.containers) {
    LabelMap target;
    set_container(target, container);
    set(target, "pod_container_id", container.id);
    if (container.ports.empty()) {
      target[std::string(kAddressLabel)] = pod.ip;
      group.targets.push_back(std::move(target));
      continue;
    }
    for (const ContainerPort& port : container.ports) {
      LabelMap with_port = target;
      set_container_port(with_port, port);
      with_port[std::string(kAddressLabel)] = host_port(pod.ip, port.number);
      group.targets.push_back(std::move(with_port));
    }
  }
}

void add_service(const Object& object, TargetGroup& group) {
  const Service& service = std::get<Service>(object.body);
  set(group.labels, "namespace", object.meta.name_space);
  set_meta(group.labels, "service", object.meta);
  for (const ContainerPort& port : service.ports) {
    LabelMap target{
        {std::string(kAddressLabel), host_port(object.meta.name + "." + object.meta.name_space + ".svc", port.number)}};
    set(target, "service_port_name", port.name);
    set(target, "service_port_number", std::to_string(port.number));
    set(target, "service_port_protocol", port.protocol);
    set(target, "service_type", service.type);
    if (service.type == "ExternalName") {
      set(target, "service_external_name", service.external_name);
    } else {
      set(target, "service_cluster_ip", service.cluster_ip);
    }
    if (service.type == "LoadBalancer") set(target, "service_loadbalancer_ip", service.load_balancer_ip);
    group.targets.push_back(std::move(target));
  }
}

std::string service_key(const Meta& slice) {
  const auto name = slice.labels.find(std::string(kServiceName));
  return name == slice.labels.end() ? "" : slice.name_space + "/" + name->second;
}

std::string pod_key(const Endpoint& endpoint, const Meta& slice) {
  if (!endpoint.target || endpoint.target->kind != "Pod") return "";
  const std::string& name_space = endpoint.target->name_space;
  return (name_space.empty() ? slice.name_space : name_space) + "/" + endpoint.target->name;
}

std::string node_key(const Endpoint& endpoint) {
  if (endpoint.target && endpoint.target->kind == "Node") return endpoint.target->name;
  return endpoint.node_name.value_or("");
}

// The targets of one slice, and of the pods behind it.
class SliceTargets {
 public:
  SliceTargets(const Object& object, const Surroundings& around, TargetGroup& group)
      : object_(object), around_(around), group_(group) {}

  void add_all() {
    const auto& slice = std::get<EndpointSlice>(object_.body);
    for (const Endpoint& endpoint : slice.endpoints) {
      for (const EndpointPort& port : slice.ports) {
        for (const std::string& address : endpoint.addresses) add(address, endpoint, port);
      }
    }
    for (const auto& [key, ports] : covered_) add_other_ports(*around_.find(KubernetesRole::kPod, key), ports);
  }

 private:
  void add(const std::string& address, const Endpoint& endpoint, const EndpointPort& port) {
    LabelMap target{{std::string(kAddressLabel), port.number ? host_port(address, *port.number) : address}};
    set_given(target, "endpointslice_port_name", port.name);
    set_given(target, "endpointslice_port_protocol", port.protocol);
    set_given(target, "endpointslice_port_app_protocol", port.app_protocol);
    if (port.number) set(target, "endpointslice_port", std::to_string(*port.number));
    set_endpoint(target, endpoint);
    if (around_.attach_node) {
      const Object* node = around_.find(KubernetesRole::kNode, node_key(endpoint));
      if (node != nullptr) set_meta(target, "node", node->meta);
    }
    const std::string key = pod_key(endpoint, object_.meta);
    const Object* pod = key.empty() ? nullptr : around_.find(KubernetesRole::kPod, key);
    if (pod != nullptr) {
      auto& covered = covered_[key];
      if (port.number) covered.insert(*port.number);
      LabelMap labels = pod_labels(*pod);
      if (port.number) set_matching_container(labels, *pod, *port.number);
      for (auto& [name, value] : labels) target[name] = value;
    }
    group_.targets.push_back(std::move(target));
  }

  static void set_endpoint(LabelMap& target, const Endpoint& endpoint) {
    set_given(target, "endpointslice_endpoint_conditions_ready", endpoint.ready);
    set_given(target, "endpointslice_endpoint_conditions_serving", endpoint.serving);
    set_given(target, "endpointslice_endpoint_conditions_terminating", endpoint.terminating);
    set_given(target, "endpointslice_endpoint_hostname", endpoint.hostname);
    set_given(target, "endpointslice_endpoint_node_name", endpoint.node_name);
    set_given(target, "endpointslice_endpoint_zone", endpoint.zone);
    if (endpoint.target) {
      set(target, "endpointslice_address_target_kind", endpoint.target->kind);
      set(target, "endpointslice_address_target_name", endpoint.target->name);
    }
    for (const auto& [key, value] : endpoint.topology) {
      const std::string name = sanitize_label_name(key);
      set(target, "endpointslice_endpoint_topology_" + name, value);
      set(target, "endpointslice_endpoint_topology_present_" + name, "true");
    }
  }

  static void set_matching_container(LabelMap& labels, const Object& pod, int number) {
    for (const Container& container : std::get<Pod>(pod.body).containers) {
      for (const ContainerPort& port : container.ports) {
        if (port.number != number) continue;
        set_container(labels, container);
        set_container_port(labels, port);
        break;
      }
    }
  }

  // A pod's ports that no port of the slice leads to are targets too, with the pod's labels only.
  void add_other_ports(const Object& object, const std::set<int>& covered) {
    const Pod& pod = std::get<Pod>(object.body);
    if (pod.ip.empty()) return;
    for (const Container& container : pod.containers) {
      for (const ContainerPort& port : container.ports) {
        if (covered.contains(port.number)) continue;
        LabelMap target = pod_labels(object);
        target[std::string(kAddressLabel)] = host_port(pod.ip, port.number);
        set_container(target, container);
        set_container_port(target, port);
        group_.targets.push_back(std::move(target));
      }
    }
  }

  const Object& object_;
  const Surroundings& around_;
  TargetGroup& group_;
  std::map<std::string, std::set<int>> covered_;  // pods behind the slice, and their ports it leads to
};

void add_slice(const Object& object, const Surroundings& around, TargetGroup& group) {
  const auto& slice = std::get<EndpointSlice>(object.body);
  set(group.labels, "namespace", object.meta.name_space);
  set(group.labels, "endpointslice_address_type", slice.address_type);
  set_meta(group.labels, "endpointslice", object.meta);
  const std::string key = service_key(object.meta);
  if (const Object* service = key.empty() ? nullptr : around.find(KubernetesRole::kService, key)) {
    const auto& families = std::get<Service>(service->body).ip_families;
    // A service with two families has slices of both, which lead to the same pods.
    if (families.size() > 1 && families.front() != slice.address_type) return;
    set_meta(group.labels, "service", service->meta);
  }
  SliceTargets(object, around, group).add_all();
}

}  // namespace

std::string group_source(KubernetesRole role, const std::string& key) {
  switch (role) {
    case KubernetesRole::kNode:
      return "node/" + key;
    case KubernetesRole::kPod:
      return "pod/" + key;
    case KubernetesRole::kService:
      return "svc/" + key;
    case KubernetesRole::kEndpointSlice:
      break;
  }
  return "endpointslice/" + key;
}

TargetGroup build_group(const Object& object, KubernetesRole role, const Surroundings& around) {
  TargetGroup group{.source = group_source(role, object.key()), .targets = {}, .labels = {}};
  switch (role) {
    case KubernetesRole::kNode:
      add_node(object, group);
      break;
    case KubernetesRole::kPod:
      add_pod(object, around, group);
      break;
    case KubernetesRole::kService:
      add_service(object, group);
      break;
    case KubernetesRole::kEndpointSlice:
      add_slice(object, around, group);
      break;
  }
  return group;
}

std::vector<Reference> references(const Object& object, bool attach_node) {
  std::set<Reference> found;
  if (const auto* pod = std::get_if<Pod>(&object.body); pod != nullptr && attach_node) {
    found.insert({KubernetesRole::kNode, pod->node_name});
  }
  if (const auto* slice = std::get_if<EndpointSlice>(&object.body)) {
    found.insert({KubernetesRole::kService, service_key(object.meta)});
    for (const Endpoint& endpoint : slice->endpoints) {
      found.insert({KubernetesRole::kPod, pod_key(endpoint, object.meta)});
      if (attach_node) found.insert({KubernetesRole::kNode, node_key(endpoint)});
    }
  }
  std::erase_if(found, [](const Reference& reference) { return reference.key.empty(); });
  return {found.begin(), found.end()};
}

}  // namespace collector::discovery::kubernetes
