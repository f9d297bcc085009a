// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/time/clock.h"

namespace collector::staking {

// What execution nodes, our own and references, told of their chains, so that each can be compared with all others of
// its chain id. What was told counts for kFreshFor: a head that is that old makes no node look behind that is not, and
// of a finalized block the hash does not change.
//
// Thread safety: confined to the scheduler's thread.
class ExecutionComparison {
 public:
  // Three rounds of the slowest reference.
  static constexpr core::Duration kFreshFor = std::chrono::minutes(3);
  // Heights whose hashes are remembered of a node: those where others are, and its own last ones.
  static constexpr std::size_t kHeightsMax = 8;

  struct Told {
    bool is_reference = false;
    std::uint64_t chain_id = 0;
    std::uint64_t head = 0;                  // block number
    std::optional<std::uint64_t> finalized;  // block number; none: not known
  };
  void note(const std::string& name, const Told& told, core::SteadyTime now);
  // The hash that a node has at a height; empty: it was asked and has none. REQUIRES: note() for this node before.
  void note_hash(const std::string& name, std::uint64_t height, std::string hash, core::SteadyTime now);
  // A node that is on another network, or is not the one that it was.
  void forget(const std::string& name) { nodes_.erase(name); }
  // Forgets all but these.
  void keep(const std::set<std::string>& names);

  // Where another node is with its finalized block, at or below this one's, and this one's hash is known least or
  // longest ago. None: its last finalized block is where all others are, or above.
  std::optional<std::uint64_t> height_to_ask(const std::string& name, core::SteadyTime now) const;

  // Blocks between a node's head and the highest one of the others; 0: nobody is ahead. None: nobody else told one.
  std::optional<std::uint64_t> behind(const std::string& name, core::SteadyTime now) const;
  // At the newest height that is finalized for this node and another one, whether this one has another hash than more
  // than half of those that have one. Without such a majority all of them differ. None: there is no such height.
  std::optional<bool> differs(const std::string& name, core::SteadyTime now) const;
  // True if our own nodes tell their chain, and none of them is on this one.
  bool is_foreign(std::uint64_t chain_id, core::SteadyTime now) const;

 private:
  struct Hash {
    std::string text;  // 0x and 64 lower-case hex digits; empty: the node has none
    core::SteadyTime at;
  };
  struct Node {
    Told told;
    core::SteadyTime at;
    std::map<std::uint64_t, Hash> hashes;  // by height
  };
  static bool is_fresh(core::SteadyTime at, core::SteadyTime now) { return now - at <= kFreshFor; }
  // Calls `take(const Node&)` for each other node of the same chain that told something lately.
  template <class Take>
  void for_others(const std::string& name, const Node& node, core::SteadyTime now, const Take& take) const;

  std::map<std::string, Node> nodes_;
};

}  // namespace collector::staking
