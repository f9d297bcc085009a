// SPDX-License-Identifier: Apache-2.0
// What may stand in a kubernetes_sd_config, and the errors in Prometheus's words.
#include <algorithm>
#include <set>

#include "collector/discovery/kubernetes_discovery.h"
#include "core/net/url.h"

namespace core::config {

using collector::discovery::KubernetesRole;

Result<KubernetesRole> Codec<KubernetesRole>::read(const Node& node) {
  if (!node.is_scalar()) return fail(node.error("expected a role, got {}", node.describe()));
  const std::string& name = node.scalar();
  if (name == "node") return KubernetesRole::kNode;
  if (name == "pod") return KubernetesRole::kPod;
  if (name == "service") return KubernetesRole::kService;
  if (name == "endpointslice") return KubernetesRole::kEndpointSlice;
  if (name == "endpoints") {
    return fail(Errc::kNotSupported, "{}", node.error("role endpoints is not supported; use endpointslice").message);
  }
  if (name == "ingress") {
    return fail(Errc::kNotSupported, "{}", node.error("role ingress is not supported").message);
  }
  return fail(node.error("unknown Kubernetes SD role \"{}\"", name));
}

std::string Codec<KubernetesRole>::print(KubernetesRole role) {
  switch (role) {
    case KubernetesRole::kNode:
      return "node";
    case KubernetesRole::kPod:
      return "pod";
    case KubernetesRole::kService:
      return "service";
    case KubernetesRole::kEndpointSlice:
      return "endpointslice";
  }
  return "";
}

}  // namespace core::config

namespace collector::discovery {
namespace {

using core::Result;
using core::config::Node;
using core::config::Table;

struct Allowed {
  std::string_view text;
  std::set<KubernetesRole> roles;
};

Allowed selectors_of(KubernetesRole role) {
  using enum KubernetesRole;
  switch (role) {
    case kNode:
      return {"node role supports only node selectors", {kNode}};
    case kPod:
      return {"pod role supports only pod, node selectors", {kPod, kNode}};
    case kService:
      return {"service role supports only service selectors", {kService}};
    case kEndpointSlice:
      break;
  }
  return {"endpointslice role supports only pod, service, endpointslice selectors", {kPod, kService, kEndpointSlice}};
}

Result<void> check_selectors(const KubernetesConfig& config, const Node& node) {
  const Allowed allowed = selectors_of(config.role);
  std::set<KubernetesRole> seen;
  for (const KubernetesSelector& selector : config.selectors) {
    if (!seen.insert(selector.role).second) {
      return core::fail(
          node.error("duplicated selector role: {}", core::config::Codec<KubernetesRole>::print(selector.role)));
    }
    if (!allowed.roles.contains(selector.role)) return core::fail(node.error("{}", allowed.text));
  }
  return {};
}

Result<void> check_kubernetes(const KubernetesConfig& config, const Node& node) {
  if (node.find("role").is_null()) {
    return core::fail(node.error("role missing (one of: pod, service, endpoints, endpointslice, node, ingress)"));
  }
  if (config.api_server.empty() && config.http != core::net::HttpClientConfig{}) {
    return core::fail(
        node.error("to use custom HTTP client configuration please provide the 'api_server' URL explicitly"));
  }
  if (!config.api_server.empty()) {
    if (config.namespaces.own_namespace) {
      return core::fail(node.error("cannot use 'api_server' and 'namespaces.own_namespace' simultaneously"));
    }
    if (const auto url = core::net::parse_url(config.api_server); !url) {
      return core::fail(node.find("api_server").error("{}", url.error().message));
    }
  }
  return check_selectors(config, node);
}

}  // namespace

const Table<KubernetesNamespaces>& KubernetesNamespaces::fields() {
  static const auto table =
      Table<KubernetesNamespaces>("kubernetes_namespaces", "The namespaces that are watched; none named: all.")
          .field("own_namespace", &KubernetesNamespaces::own_namespace,
                 {.help = "Whether the namespace the agent runs in is one."})
          .field("names", &KubernetesNamespaces::names, {.help = "Namespaces."});
  return table;
}

const Table<KubernetesSelector>& KubernetesSelector::fields() {
  static const auto table =
      Table<KubernetesSelector>("kubernetes_selector", "What of one kind of objects is asked for.")
          .field("role", &KubernetesSelector::role, {.help = "The kind of objects.", .required = true})
          .field("label", &KubernetesSelector::label, {.help = "A label selector: app=geth,tier!=test."})
          .field("field", &KubernetesSelector::field,
                 {.help = "A field selector: spec.nodeName=node1. $NAME and ${NAME} are taken from the environment.",
                  .example = "spec.nodeName=${NODE_NAME}"});
  return table;
}

const Table<KubernetesAttach>& KubernetesAttach::fields() {
  static const auto table = [] {
    Table<KubernetesAttach> built("kubernetes_attach_metadata", "Labels of other objects that targets get.");
    built.field("node", &KubernetesAttach::node,
                {.help = "Those of the node a pod runs on; for the roles pod and endpointslice."});
    for (const char* const each : {"namespace", "deployment", "job", "cronjob"}) {
      built.refuse(each, "these labels are not supported");
    }
    return built;
  }();
  return table;
}

const Table<KubernetesConfig>& KubernetesConfig::fields() {
  static const auto table = [] {
    Table<KubernetesConfig> built("kubernetes_sd_config", "Targets from objects of a Kubernetes cluster.");
    built.field("role", &KubernetesConfig::role, {.help = "What becomes a target."})
        .field("api_server", &KubernetesConfig::api_server,
               {.help = "URL of the API server; without it the cluster that the agent runs in, with its service "
                        "account."})
        .field("namespaces", &KubernetesConfig::namespaces, {.help = "Which namespaces are watched."})
        .field("selectors", &KubernetesConfig::selectors, {.help = "What the API server is asked to leave out."})
        .field("attach_metadata", &KubernetesConfig::attach_metadata, {.help = "Labels of other objects."})
        .embed(&KubernetesConfig::http, core::net::HttpClientConfig::fields())
        .refuse("kubeconfig_file",
                "kubeconfig files are not supported; use api_server with authorization and tls_config")
        .check(check_kubernetes);
    return built;
  }();
  return table;
}

}  // namespace collector::discovery
