// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/discovery/discovery.h"
#include "core/config/table.h"
#include "core/net/dns_client.h"

namespace collector::discovery {

// <dns_sd_config>: targets from records of the DNS.
struct DnsConfig {
  std::vector<std::string> names;
  core::net::DnsType type = core::net::DnsType::kSrv;
  std::optional<std::uint16_t> port;  // SRV records have their own
  std::chrono::milliseconds refresh_interval = std::chrono::seconds(30);

  bool operator==(const DnsConfig&) const = default;
  static const core::config::Table<DnsConfig>& fields();
};

// Looks every name up once an interval. A name that cannot be looked up keeps its targets; one that does not exist has
// none.
std::unique_ptr<Discovery> make_dns_discovery(const DnsConfig& config, const Context& context, Sink& sink);

}  // namespace collector::discovery

namespace core::config {

template <>
struct Codec<core::net::DnsType> {
  static Result<core::net::DnsType> read(const Node& node);
  static std::string print(core::net::DnsType type);
  static TypeDescription describe() { return {"enum", {"SRV", "A", "AAAA", "MX", "NS"}}; }
};

}  // namespace core::config
