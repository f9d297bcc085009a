// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "collector/discovery/dns_discovery.h"
#include "collector/discovery/ec2_discovery.h"
#include "collector/discovery/file_discovery.h"
#include "collector/discovery/http_discovery.h"
#include "collector/discovery/kubernetes_discovery.h"

namespace collector::discovery {

// The *_sd_configs of a job; the keys stand inline in it (Table::embed).
struct DiscoveryConfigs {
  std::vector<FileConfig> file;
  std::vector<HttpConfig> http;
  std::vector<DnsConfig> dns;
  std::vector<Ec2Config> ec2;
  std::vector<KubernetesConfig> kubernetes;

  bool operator==(const DiscoveryConfigs&) const = default;
  static const core::config::Table<DiscoveryConfigs>& fields();
};

using AnyConfig = std::variant<FileConfig, HttpConfig, DnsConfig, Ec2Config, KubernetesConfig>;

// In the order of DiscoveryConfigs.
std::vector<AnyConfig> all_of(const DiscoveryConfigs& configs);
// file, http, dns, ec2, kubernetes.
std::string_view mechanism_of(const AnyConfig& config);
std::unique_ptr<Discovery> make_discovery(const AnyConfig& config, const Context& context, Sink& sink);

}  // namespace collector::discovery
