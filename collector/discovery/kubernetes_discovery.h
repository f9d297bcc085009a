// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/discovery/discovery.h"
#include "core/config/table.h"
#include "core/kubernetes/api_server.h"
#include "core/net/http_client_config.h"

namespace collector::discovery {

enum class KubernetesRole { kNode, kPod, kService, kEndpointSlice };

struct KubernetesNamespaces {
  bool own_namespace = false;
  std::vector<std::string> names;

  bool operator==(const KubernetesNamespaces&) const = default;
  static const core::config::Table<KubernetesNamespaces>& fields();
};

// What the API server is asked to leave out.
struct KubernetesSelector {
  KubernetesRole role = KubernetesRole::kPod;
  std::string label;
  std::string field;

  bool operator==(const KubernetesSelector&) const = default;
  static const core::config::Table<KubernetesSelector>& fields();
};

struct KubernetesAttach {
  bool node = false;

  bool operator==(const KubernetesAttach&) const = default;
  static const core::config::Table<KubernetesAttach>& fields();
};

// <kubernetes_sd_config>: targets from objects of a cluster.
struct KubernetesConfig {
  KubernetesRole role = KubernetesRole::kPod;
  std::string api_server;  // empty: the cluster that the agent runs in
  KubernetesNamespaces namespaces;
  std::vector<KubernetesSelector> selectors;
  KubernetesAttach attach_metadata;
  core::net::HttpClientConfig http;

  bool operator==(const KubernetesConfig&) const = default;
  static const core::config::Table<KubernetesConfig>& fields();
};

// Lists and then watches the objects. Nothing is told before every list is complete; while the API server is away, what
// was known stays.
std::unique_ptr<Discovery> make_kubernetes_discovery(
    const KubernetesConfig& config, const Context& context, Sink& sink,
    const std::string& service_account = core::kubernetes::kServiceAccountFolder);

}  // namespace collector::discovery

namespace core::config {

template <>
struct Codec<collector::discovery::KubernetesRole> {
  static Result<collector::discovery::KubernetesRole> read(const Node& node);
  static std::string print(collector::discovery::KubernetesRole role);
  static TypeDescription describe() { return {"enum", {"node", "pod", "service", "endpointslice"}}; }
};

}  // namespace core::config
