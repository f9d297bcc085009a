// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/network.h"

#include <algorithm>

namespace collector::staking {
namespace {

// The roots are those of each network's published genesis state; chain ids are of EIP-155's registry.
constexpr std::array<KnownNetwork, 6> kKnownNetworks = {{
    {"mainnet", "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95", 1},
    {"sepolia", "0xd8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078", 11'155'111},
    {"holesky", "0x9143aa7c615a7f7115e2b6aac319c03529df8242ae705fba9df39b79c59fa8b1", 17'000},
    {"hoodi", "0x212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f", 560'048},
    {"gnosis", "0xf5dcb5564e829aab27264b9becd5dfaa017085611224cb3036f573368dbb9d47", 100},
    {"chiado", "0x9d642dac73058fbf39c0ae41ab1e34e4d889043cb199851ded7095bc99eb4c1e", 10'200},
}};

constexpr std::size_t kRootDigits = 64;

std::string known_names() {
  std::string names;
  for (const KnownNetwork& each : kKnownNetworks) names += (names.empty() ? "" : ", ") + std::string(each.name);
  return names;
}

// The keys of the map form, for the reference.
struct NetworkMap {
  std::string genesis_validators_root;
  bool from_beacon_node = false;
  static const core::config::Table<NetworkMap>& fields();
};

const core::config::Table<NetworkMap>& NetworkMap::fields() {
  static const auto table =
      core::config::Table<NetworkMap>("network", "A network without a name here: exactly one of the two keys.")
          .field("genesis_validators_root", &NetworkMap::genesis_validators_root,
                 {.help = "0x and 64 hex digits, as /eth/v1/beacon/genesis tells it."})
          .field("from_beacon_node", &NetworkMap::from_beacon_node,
                 {.help = "The first beacon node that answers decides, until a restart: for private networks."});
  return table;
}

}  // namespace

std::span<const KnownNetwork> known_networks() { return kKnownNetworks; }

std::string normal_root(std::string_view text) {
  if (!text.starts_with("0x") || text.size() != kRootDigits + 2) return {};
  std::string root(text);
  for (std::size_t i = 2; i < root.size(); ++i) {
    if (root[i] >= 'A' && root[i] <= 'F') root[i] = static_cast<char>(root[i] - 'A' + 'a');
    const bool is_hex = (root[i] >= '0' && root[i] <= '9') || (root[i] >= 'a' && root[i] <= 'f');
    if (!is_hex) return {};
  }
  return root;
}

std::string NetworkConfig::label() const {
  if (!name.empty()) return name;
  constexpr std::size_t kShown = 10;  // 0x and the four bytes that a fork digest has too
  return genesis_validators_root.empty() ? "private" : genesis_validators_root.substr(0, kShown);
}

Network::Match Network::check(std::string_view genesis_validators_root) {
  const std::string root = normal_root(genesis_validators_root);
  if (root.empty()) return Match::kOther;
  if (!config_.from_beacon_node) return root == config_.genesis_validators_root ? Match::kSame : Match::kOther;
  if (learnt_root_.empty()) learnt_root_ = root;
  return root == learnt_root_ ? Match::kSame : Match::kOther;
}

void Network::learn(const SlotClock& clock, std::optional<std::uint64_t> chain_id) {
  clock_ = clock;
  if (chain_id) learnt_chain_id_ = chain_id;
}

std::optional<std::uint64_t> Network::chain_id() const {
  for (const KnownNetwork& each : kKnownNetworks) {
    if (each.genesis_validators_root == config_.genesis_validators_root) return each.chain_id;
  }
  return learnt_chain_id_;
}

}  // namespace collector::staking

namespace core::config {

using collector::staking::NetworkConfig;

Result<NetworkConfig> Codec<NetworkConfig>::read(const Node& node) {
  NetworkConfig config;
  if (node.is_scalar()) {
    for (const auto& each : collector::staking::known_networks()) {
      if (node.scalar() != each.name) continue;
      config.name = each.name;
      config.genesis_validators_root = each.genesis_validators_root;
      return config;
    }
    return fail(node.error("expected one of {}, or a map with genesis_validators_root or from_beacon_node, got {}",
                           collector::staking::known_names(), node.describe()));
  }
  const auto map = collector::staking::NetworkMap::fields().read(node);
  if (!map) return fail(map.error());
  config.from_beacon_node = map->from_beacon_node;
  if (map->from_beacon_node == !map->genesis_validators_root.empty()) {
    return fail(node.error("expected either genesis_validators_root or from_beacon_node: true"));
  }
  if (map->from_beacon_node) return config;
  config.genesis_validators_root = collector::staking::normal_root(map->genesis_validators_root);
  if (config.genesis_validators_root.empty()) {
    return fail(node.find("genesis_validators_root").error("expected 0x and 64 hex digits"));
  }
  for (const auto& each : collector::staking::known_networks()) {
    if (each.genesis_validators_root == config.genesis_validators_root) config.name = each.name;
  }
  return config;
}

TypeDescription Codec<NetworkConfig>::describe() { return {"network", {}}; }

}  // namespace core::config
