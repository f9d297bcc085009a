// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/dns_discovery.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace core::config {

namespace {
using net::DnsType;
constexpr std::pair<DnsType, std::string_view> kTypes[] = {
    {DnsType::kSrv, "SRV"}, {DnsType::kA, "A"}, {DnsType::kAaaa, "AAAA"}, {DnsType::kMx, "MX"}, {DnsType::kNs, "NS"}};
}  // namespace

Result<DnsType> Codec<DnsType>::read(const Node& node) {
  if (!node.is_scalar()) return fail(node.error("expected SRV, A, AAAA, MX or NS, got {}", node.describe()));
  std::string name = node.scalar();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const auto& [type, known] : kTypes) {
    if (known == name) return type;
  }
  return fail(node.error("invalid DNS-SD records type {}", node.scalar()));
}

std::string Codec<DnsType>::print(DnsType type) {
  for (const auto& [known, name] : kTypes) {
    if (known == type) return std::string(name);
  }
  return "";
}

}  // namespace core::config

namespace collector::discovery {
namespace {

using core::Result;
using core::config::Node;
using core::net::DnsRecord;
using core::net::DnsType;

std::string without_dot(std::string_view name) {
  return std::string(name.substr(0, name.size() - name.ends_with('.')));
}

LabelMap target_of(const DnsRecord& record, std::uint16_t port, const std::string& name) {
  LabelMap labels{{"__meta_dns_name", name}};
  std::string host = without_dot(record.value);
  switch (record.type) {
    case DnsType::kSrv:
      port = record.port;
      labels["__meta_dns_srv_record_target"] = record.value;
      labels["__meta_dns_srv_record_port"] = std::to_string(record.port);
      break;
    case DnsType::kMx:
      labels["__meta_dns_mx_record_target"] = record.value;
      break;
    case DnsType::kNs:
      labels["__meta_dns_ns_record_target"] = record.value;
      break;
    case DnsType::kAaaa:
      host = "[" + host + "]";
      break;
    default:
      break;
  }
  labels[std::string(kAddressLabel)] = fmt::format("{}:{}", host, port);
  return labels;
}

class DnsDiscovery final : public Discovery {
 public:
  DnsDiscovery(const DnsConfig& config, const Context& context, Sink& sink)
      : config_(config),
        context_(context),
        sink_(sink),
        timer_(context, config.refresh_interval, [this] { refresh(); }) {}

 private:
  void refresh() {
    // Look-ups that are still under way are bounded by their servers' deadlines, and say themselves how they end.
    if (under_way_ > 0) return;
    under_way_ = config_.names.size();
    for (const std::string& name : config_.names) {
      context_.dns.look_up(name, config_.type,
                           [this, name, alive = std::weak_ptr(alive_)](Result<std::vector<DnsRecord>> records) {
                             if (alive.expired()) return;
                             --under_way_;
                             take(name, records);
                           });
    }
  }

  void take(const std::string& name, const Result<std::vector<DnsRecord>>& records) {
    if (!records) return sink_.failed(records.error());
    TargetGroup group{.source = name, .targets = {}, .labels = {}};
    for (const DnsRecord& record : *records) {
      if (record.type == config_.type) group.targets.push_back(target_of(record, config_.port.value_or(0), name));
    }
    // A name that is refused is told again, whole, by the next refresh.
    static_cast<void>(sink_.update({std::move(group)}));
  }

  const DnsConfig config_;
  const Context& context_;
  Sink& sink_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::size_t under_way_ = 0;
  RefreshTimer timer_;
};

}  // namespace

const core::config::Table<DnsConfig>& DnsConfig::fields() {
  static const auto table =
      core::config::Table<DnsConfig>("dns_sd_config", "Targets from records of the DNS.")
          .field("names", &DnsConfig::names,
                 {.help = "Names to look up; the search list of /etc/resolv.conf applies to them."})
          .field("type", &DnsConfig::type, {.help = "The type of the records."})
          .field("port", &DnsConfig::port, {.help = "The port of the targets; SRV records have their own."})
          .field("refresh_interval", &DnsConfig::refresh_interval, {.help = "How often the names are looked up."})
          .check([](const DnsConfig& config, const Node& node) -> Result<void> {
            if (config.names.empty()) {
              return core::fail(node.error("DNS-SD config must contain at least one SRV record name"));
            }
            if (config.type != DnsType::kSrv && config.port.value_or(0) == 0) {
              return core::fail(node.error("a port is required in DNS-SD configs for all record types except SRV"));
            }
            if (config.refresh_interval.count() <= 0) {
              return core::fail(node.error("refresh_interval: expected more than 0"));
            }
            return {};
          });
  return table;
}

std::unique_ptr<Discovery> make_dns_discovery(const DnsConfig& config, const Context& context, Sink& sink) {
  return std::make_unique<DnsDiscovery>(config, context, sink);
}

}  // namespace collector::discovery
