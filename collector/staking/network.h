// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collector/staking/slot_clock.h"
#include "core/config/codec.h"
#include "core/config/table.h"

namespace collector::staking {

// A network by the root of its validators at genesis: nothing else tells two chains apart for certain.
struct KnownNetwork {
  std::string_view name;
  std::string_view genesis_validators_root;
  std::uint64_t chain_id;  // of its execution layer
};

std::span<const KnownNetwork> known_networks();

// `network`: which chain the nodes have to be on.
struct NetworkConfig {
  std::string name;                     // mainnet, or "" for one that is not known by name
  std::string genesis_validators_root;  // 0x and 64 lower-case hex digits; empty: not told
  bool from_beacon_node = false;        // the first that tells decides, until the agent starts anew
  bool configured() const { return from_beacon_node || !genesis_validators_root.empty(); }
  // The label `network` of the nodes' series.
  std::string label() const;
  bool operator==(const NetworkConfig&) const = default;
};

// What is known of the network while the agent runs, shared by all that observe it.
//
// Thread safety: confined to the scheduler's thread.
class Network {
 public:
  explicit Network(NetworkConfig config) : config_(std::move(config)) {}

  enum class Match { kSame, kOther };
  // A beacon node's genesis_validators_root against the configured one; with from_beacon_node the first becomes it.
  Match check(std::string_view genesis_validators_root);
  // What a node of this network says of its clock and of the chain of its execution layer.
  void learn(const SlotClock& clock, std::optional<std::uint64_t> chain_id);

  const std::optional<SlotClock>& clock() const { return clock_; }
  std::optional<std::uint64_t> chain_id() const;
  const NetworkConfig& config() const { return config_; }

 private:
  NetworkConfig config_;
  std::string learnt_root_;
  std::optional<SlotClock> clock_;
  std::optional<std::uint64_t> learnt_chain_id_;
};

// 0x and 64 hex digits, in lower case; empty if `text` is not such a root.
std::string normal_root(std::string_view text);

}  // namespace collector::staking

namespace core::config {

// A name, or one of {genesis_validators_root: 0x..} and {from_beacon_node: true}.
template <>
struct Codec<collector::staking::NetworkConfig> {
  static Result<collector::staking::NetworkConfig> read(const Node& node);
  static std::string print(const collector::staking::NetworkConfig& value) { return value.name; }
  static TypeDescription describe();
};

}  // namespace core::config
