// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collector/discovery/kubernetes_objects.h"
#include "collector/discovery/target_group.h"

// Objects made into target groups, with the labels of Prometheus's discovery/kubernetes.
namespace collector::discovery::kubernetes {

// Finds other objects that a group takes labels of; null if it is not known.
struct Surroundings {
  std::function<const Object*(KubernetesRole kind, const std::string& key)> find;
  bool attach_node = false;
};

// The group of an object, without targets if it has none now.
TargetGroup build_group(const Object& object, KubernetesRole role, const Surroundings& around);
// node/NAME, pod/NS/NAME, svc/NS/NAME, endpointslice/NS/NAME.
std::string group_source(KubernetesRole role, const std::string& key);

// What else the object's group hangs on.
struct Reference {
  KubernetesRole kind{};
  std::string key;
  auto operator<=>(const Reference&) const = default;
};
std::vector<Reference> references(const Object& object, bool attach_node);

}  // namespace collector::discovery::kubernetes
