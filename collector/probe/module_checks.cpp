// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/module_checks.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "collector/probe/ascii_case.h"
#include "collector/probe/container_images.h"
#include "collector/probe/dns_message.h"

namespace collector::probe {
namespace {

using core::Result;
using core::config::Node;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Whether an Accept-Encoding header allows a coding: the one that names it decides, highest weight first, `*` names
// all.
bool allows_encoding(std::string_view header, std::string_view coding) {
  struct Offer {
    std::string name;
    double weight = 1;
  };
  std::vector<Offer> offers;
  while (true) {
    const std::size_t comma = header.find(',');
    const std::string_view part = trimmed(header.substr(0, comma));
    const std::size_t semicolon = part.find(';');
    Offer offer{ascii_lower(trimmed(part.substr(0, semicolon)))};
    if (semicolon != std::string_view::npos) {
      const std::string_view weight = trimmed(part.substr(semicolon + 1));
      if (weight.starts_with("q=")) std::from_chars(weight.data() + 2, weight.data() + weight.size(), offer.weight);
    }
    if (!offer.name.empty()) offers.push_back(std::move(offer));
    if (comma == std::string_view::npos) break;
    header.remove_prefix(comma + 1);
  }
  std::ranges::stable_sort(offers, std::ranges::greater(), &Offer::weight);
  for (const Offer& offer : offers) {
    if (offer.name == "*" || offer.name == coding) return offer.weight > 0;
  }
  return false;
}

Result<void> check_compression(const HttpModule& http, const Node& node) {
  if (http.compression.empty()) return {};
  for (const auto& [name, value] : http.headers) {
    if (ascii_lower(name) != "accept-encoding" || allows_encoding(value, http.compression)) continue;
    return core::fail(
        node.error("invalid configuration \"{}: {}\", \"compression: {}\"", name, value, http.compression));
  }
  return {};
}

struct Unit {
  std::string_view name;
  double milliseconds;
};
constexpr std::array<Unit, 7> kUnits = {
    {{"ns", 1e-6}, {"us", 1e-3}, {"\u00b5s", 1e-3}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
constexpr double kLongestMilliseconds = 365.0 * 24 * 3'600'000;

void warn_of_protocol(const std::string& name, const IpChoice& ip, std::vector<std::string>& warnings) {
  const std::string& wanted = ip.preferred_ip_protocol;
  if (wanted.empty() || wanted == "ip4" || wanted == "ip6") return;
  warnings.push_back(
      fmt::format("module {}: preferred_ip_protocol: \"{}\" is neither ip4 nor ip6 and means ip4", name, wanted));
}

const IpChoice* choice_of(const Module& module) {
  switch (module.prober) {
    case ProberKind::kHttp:
      return &module.http.ip;
    case ProberKind::kTcp:
      return &module.tcp.ip;
    case ProberKind::kTls:
      return &module.tls.ip;
    case ProberKind::kDns:
      return &module.dns.ip;
    case ProberKind::kIcmp:
      return &module.icmp.ip;
    case ProberKind::kNtp:
      return &module.ntp.ip;
    case ProberKind::kGrpc:
      return &module.grpc.ip;
    case ProberKind::kUnix:
    case ProberKind::kCertificateFile:
    case ProberKind::kEc2Metadata:
    case ProberKind::kDocker:
    case ProberKind::kCri:
    case ProberKind::kKubernetes:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

std::optional<GoDuration> parse_go_duration(std::string_view text) {
  if (text == "0") return GoDuration{};
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    if (text[0] != '.' && (text[0] < '0' || text[0] > '9')) return std::nullopt;
    double number = 0;
    const auto [end, problem] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (problem != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    std::size_t size = 0;
    while (size < text.size() && text[size] != '.' && (text[size] < '0' || text[size] > '9')) ++size;
    const auto* const unit = std::ranges::find(kUnits, text.substr(0, size), &Unit::name);
    if (unit == kUnits.end()) return std::nullopt;
    total += number * unit->milliseconds;
    if (total > kLongestMilliseconds) return std::nullopt;
    text.remove_prefix(size);
  }
  return GoDuration{std::chrono::milliseconds(negative ? 0 : static_cast<std::int64_t>(total + 0.5))};
}

// A probe says how the target answers from here; of a connection that a proxy made it could not.
Result<void> check_direct(const core::net::HttpClientConfig& client, const Node& node) {
  const bool url = !client.proxy_url.value.empty();
  if (!url && !client.proxy_from_environment) return {};
  return core::fail(core::Errc::kNotSupported, "{}",
                    node.find(url ? "proxy_url" : "proxy_from_environment")
                        .error("\"{}\" is not supported here: probes go to their targets themselves",
                               url ? "proxy_url" : "proxy_from_environment")
                        .message);
}

Result<void> check_http(const HttpModule& http, const Node& node) {
  if (auto direct = check_direct(http.client, node); !direct) return direct;
  if (!http.body.empty() && !http.body_file.empty()) {
    return core::fail(node.error("setting body and body_file both are not allowed"));
  }
  if (http.enable_http3) {
    core::Error error = node.error("enable_http3: true is not supported: HTTP/3 is not built in");
    error.code = core::Errc::kNotSupported;
    return core::fail(std::move(error));
  }
  for (const std::string& version : http.valid_http_versions) {
    if (version != "HTTP/3.0") continue;
    return core::fail(node.error("valid_http_versions: HTTP/3.0 needs enable_http3, which is not supported"));
  }
  for (const auto& [name, value] : http.headers) {
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return core::fail(node.error("headers: the value of \"{}\" holds a line break", name));
    }
  }
  return check_compression(http, node);
}

Result<void> check_dns(const DnsModule& dns, const Node& node) {
  if (!dns.query_name.empty()) {
    if (auto name = dns::encode_name(dns.query_name); !name) {
      return core::fail(node.error("query_name: {}", name.error()));
    }
  }
  if (!dns::type_number(dns.query_type)) return core::fail(node.error("query type '{}' is not valid", dns.query_type));
  if (!dns::class_number(dns.query_class)) {
    return core::fail(node.error("query class '{}' is not valid", dns.query_class));
  }
  return {};
}

Result<void> check_grpc(const GrpcModule& grpc, const Node& node) {
  for (const auto& [name, values] : grpc.metadata) {
    if (!name.starts_with("grpc-") && name.find_first_of(": \r\n") == std::string::npos) continue;
    return core::fail(node.error("metadata: \"{}\" cannot be metadata of a call", name));
  }
  return {};
}

Result<void> check_pins(const ImagePins& pinned, const Node& node) {
  for (const auto& [name, digests] : pinned) {
    for (const std::string& digest : digests) {
      if (is_digest(digest)) continue;
      return core::fail(node.find("pinned").find(name).error("expected sha256: and 64 hex digits, got \"{}\"", digest));
    }
    if (digests.empty()) return core::fail(node.find("pinned").find(name).error("expected at least one digest"));
  }
  return {};
}

Result<void> check_pins_in_pods(const ImagePins& pinned, const Node& node) {
  for (const auto& [name, digests] : pinned) {
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos || (slash != 0 && slash + 1 != name.size() && slash == name.rfind('/'))) continue;
    return core::fail(node.find("pinned").find(name).error("expected CONTAINER or NAMESPACE/CONTAINER"));
  }
  return check_pins(pinned, node);
}

Result<void> check_kubernetes(const KubernetesModule& kubernetes, const Node& node) {
  if (auto direct = check_direct(kubernetes.client, node); !direct) return direct;
  const std::string& space = kubernetes.name_space;
  if (space.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
    return core::fail(node.find("namespace").error("\"{}\" is not the name of a namespace", space));
  }
  return check_pins_in_pods(kubernetes.pinned, node);
}

std::vector<std::string> module_warnings(const Modules& modules) {
  std::vector<std::string> warnings;
  for (const auto& [name, module] : modules) {
    if (const IpChoice* choice = choice_of(module)) warn_of_protocol(name, *choice, warnings);
  }
  return warnings;
}

}  // namespace collector::probe
