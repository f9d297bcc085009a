// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/discovery_configs.h"

namespace collector::discovery {
namespace {

constexpr std::string_view kNoDiscovery =
    "this discovery is not supported; use one that is, or list the targets in static_configs";

// What else Prometheus discovers by.
constexpr std::string_view kRefused[] = {
    "aws_sd_configs",      "azure_sd_configs",       "consul_sd_configs",    "digitalocean_sd_configs",
    "docker_sd_configs",   "dockerswarm_sd_configs", "eureka_sd_configs",    "gce_sd_configs",
    "hetzner_sd_configs",  "ionos_sd_configs",       "kuma_sd_configs",      "lightsail_sd_configs",
    "linode_sd_configs",   "marathon_sd_configs",    "nerve_sd_configs",     "nomad_sd_configs",
    "oci_sd_configs",      "openstack_sd_configs",   "outscale_sd_configs",  "ovhcloud_sd_configs",
    "puppetdb_sd_configs", "scaleway_sd_configs",    "serverset_sd_configs", "stackit_sd_configs",
    "triton_sd_configs",   "uyuni_sd_configs",       "vultr_sd_configs",     "zookeeper_sd_configs"};

}  // namespace

const core::config::Table<DiscoveryConfigs>& DiscoveryConfigs::fields() {
  static const auto table = [] {
    core::config::Table<DiscoveryConfigs> built("discovery", "Where a job's targets are found.");
    built.field("file_sd_configs", &DiscoveryConfigs::file, {.help = "Targets from JSON and YAML files."})
        .field("http_sd_configs", &DiscoveryConfigs::http, {.help = "Targets from an HTTP endpoint."})
        .field("dns_sd_configs", &DiscoveryConfigs::dns, {.help = "Targets from records of the DNS."})
        .field("ec2_sd_configs", &DiscoveryConfigs::ec2, {.help = "Targets from instances in AWS EC2."})
        .field("kubernetes_sd_configs", &DiscoveryConfigs::kubernetes,
               {.help = "Targets from objects of a Kubernetes cluster."});
    for (const std::string_view each : kRefused) built.refuse(each, kNoDiscovery);
    return built;
  }();
  return table;
}

std::vector<AnyConfig> all_of(const DiscoveryConfigs& configs) {
  std::vector<AnyConfig> all;
  all.insert(all.end(), configs.file.begin(), configs.file.end());
  all.insert(all.end(), configs.http.begin(), configs.http.end());
  all.insert(all.end(), configs.dns.begin(), configs.dns.end());
  all.insert(all.end(), configs.ec2.begin(), configs.ec2.end());
  all.insert(all.end(), configs.kubernetes.begin(), configs.kubernetes.end());
  return all;
}

std::string_view mechanism_of(const AnyConfig& config) {
  constexpr std::string_view kNames[] = {"file", "http", "dns", "ec2", "kubernetes"};
  static_assert(std::size(kNames) == std::variant_size_v<AnyConfig>);
  return kNames[config.index()];
}

std::unique_ptr<Discovery> make_discovery(const AnyConfig& config, const Context& context, Sink& sink) {
  struct Maker {
    const Context& context;
    Sink& sink;
    auto operator()(const FileConfig& file) const { return make_file_discovery(file, context, sink); }
    auto operator()(const HttpConfig& http) const { return make_http_discovery(http, context, sink); }
    auto operator()(const DnsConfig& dns) const { return make_dns_discovery(dns, context, sink); }
    auto operator()(const Ec2Config& ec2) const { return make_ec2_discovery(ec2, context, sink); }
    auto operator()(const KubernetesConfig& kubernetes) const {
      return make_kubernetes_discovery(kubernetes, context, sink);
    }
  };
  return std::visit(Maker{context, sink}, config);
}

}  // namespace collector::discovery
