// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/staking/canonical_chain.h"

namespace collector::staking {

// What one beacon node says of the chain. REQUIRES: the chain is not empty, and outlives the comparison.
struct ChainWitness {
  std::string_view name;
  const CanonicalChain* chain = nullptr;                     // its headers, back from its head
  const std::map<std::uint64_t, Root>* finalized = nullptr;  // checkpoints that it had as finalized, by epoch
};

// How a node stands among the others. The names are a contract: rules match on them.
enum class Standing : std::uint8_t {
  kAlone,     // nobody else could be compared with it
  kAgrees,    // with the majority of who could be
  kOutvoted,  // a majority has another root
  kTied,      // others have another root, and neither side is a majority
};
std::string_view to_string(Standing standing);

struct ChainComparison {
  std::vector<Standing> standings;  // as the witnesses
  std::size_t compared = 0;         // witnesses that could be compared with another
  // The newest slot at which roots were compared.
  std::optional<std::uint64_t> slot;
  // The newest slot that two nodes which are believed have both behind them. None with fewer than two of them.
  std::optional<std::uint64_t> confirmed_slot;
  // Who has which root where, of the first disagreement; empty: there is none.
  std::string disagreement;

  bool differs() const { return !disagreement.empty(); }
};

// Compares finalized checkpoints by epoch, then roots by slot: of each node, the last block up to a slot. Once below
// the head of every node, with all whose head is not older; so a node is only asked about what it can have seen. The
// newest `tip_slots` are left out, where honest nodes differ for a moment. More than half of those that are compared
// are right; whoever has another root is believed no more, however new its head is. Without such a majority nobody is.
ChainComparison compare_chains(std::span<const ChainWitness> witnesses, std::uint64_t tip_slots);

}  // namespace collector::staking
