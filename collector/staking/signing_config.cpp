// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/signing_config.h"

#include <algorithm>

#include "collector/staking/node_checks.h"
#include "core/net/url.h"

namespace collector::staking {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

bool is_name(std::string_view text) {
  constexpr std::size_t kNameMax = 128;
  return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

}  // namespace

Result<void> check_name(const std::string& name, const Node& node) {
  if (is_name(name)) return {};
  return fail(node.find("name").error("expected letters, digits, '.', '_' and '-', got \"{}\"", name));
}

Result<void> check_url(const std::string& text, const char* key, const Node& node) {
  if (text.empty()) return {};
  const auto url = core::net::parse_url(text);
  if (!url) return fail(node.find(key).error("{}", url.error().message));
  if (!url->query.empty()) return fail(node.find(key).error("expected a URL without a query"));
  if (!url->userinfo.empty()) return fail(node.find(key).error("expected a URL without a user; use http_config"));
  return {};
}

const Table<SignerConfig>& SignerConfig::fields() {
  static const auto table =
      Table<SignerConfig>("signer", "A remote signer, by Web3Signer's API; it is only ever read, never asked to sign.")
          .field("name", &SignerConfig::name, {.help = kNameHelp, .required = true})
          .field("url", &SignerConfig::url, {.help = "Its API.", .required = true})
          .field("metrics", &SignerConfig::metrics, {.help = kMetricsHelp})
          .field("zone", &SignerConfig::zone, {.help = kZoneHelp})
          .field("holds_all_keys", &SignerConfig::holds_all_keys,
                 {.help = "Whether it is to hold every key of keys_file; what it lacks is counted then."})
          .field("http_config", &SignerConfig::http_config, {.help = kHttpHelp})
          .check(check_node<SignerConfig>());
  return table;
}

const Table<MevBoostConfig>& MevBoostConfig::fields() {
  static const auto table =
      Table<MevBoostConfig>("mev_boost", "A MEV-Boost, by the builder API; only its status is asked.")
          .field("name", &MevBoostConfig::name, {.help = kNameHelp, .required = true})
          .field("url", &MevBoostConfig::url, {.help = "Its API.", .required = true})
          .field("metrics", &MevBoostConfig::metrics, {.help = kMetricsHelp})
          .field("zone", &MevBoostConfig::zone, {.help = kZoneHelp})
          .field("relay_check", &MevBoostConfig::relay_check,
                 {.help = "Whether it runs with -relay-check: then its status says that a relay is well."})
          .field("http_config", &MevBoostConfig::http_config, {.help = kHttpHelp})
          .check(check_node<MevBoostConfig>());
  return table;
}

const Table<RelayConfig>& RelayConfig::fields() {
  static const auto table =
      Table<RelayConfig>("relay", "A relay, asked for its status as MEV-Boost asks it.")
          .field("name", &RelayConfig::name, {.help = kNameHelp, .required = true})
          .field(
              "url", &RelayConfig::url,
              {.help = "The relay; its public key may stand before the host, as MEV-Boost takes it, and is not sent.",
               .required = true})
          .check([](const RelayConfig& relay, const Node& node) -> Result<void> {
            if (auto ok = check_name(relay.name, node); !ok) return ok;
            auto url = core::net::parse_url(relay.url);
            const bool keyed = url && url->userinfo.starts_with("0x") &&
                               url->userinfo.find_first_not_of("0123456789abcdefABCDEFx") == std::string::npos;
            if (keyed) url->userinfo.clear();
            return check_url(keyed ? url->to_string() : relay.url, "url", node);
          });
  return table;
}

}  // namespace collector::staking
