// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "collector/staking/duty_facts.h"

namespace collector::staking {

// The blocks of one branch, each the child of the one before: what lies between two of them is slots without a block,
// which no answer with status 404 could say as surely.
//
// Thread safety: confined to one thread.
class CanonicalChain {
 public:
  struct Change {
    std::size_t dropped = 0;             // blocks that are on the branch no more
    std::uint64_t first_dropped = 0;     // the slot of the oldest of them
    std::vector<std::uint64_t> orphans;  // their slots
  };

  bool empty() const { return blocks_.empty(); }
  bool has(const Root& root) const { return find(root) != nullptr; }
  const Block* find(const Root& root) const;
  // The block of a slot; none: the slot has none, or lies outside of what is known.
  const Block* at(std::uint64_t slot) const;
  // The last block up to a slot. None if that is older than what is known.
  const Block* last_until(std::uint64_t slot) const;
  const Block& head() const { return blocks_.back(); }
  std::uint64_t oldest_slot() const { return blocks_.front().slot; }
  // Blocks from a slot on, to another, oldest first.
  std::span<const Block* const> between(std::uint64_t from, std::uint64_t to, std::vector<const Block*>& into) const;

  // A branch from the head to a child of a block of this chain, newest first. What stands above that parent goes. If
  // the parent is not there, the branch is all there is from now on.
  Change adopt(std::vector<Block> newest_first);
  // The chain goes back further: blocks that are the parents of the oldest, newest first.
  void prepend(std::vector<Block> newest_first);
  // Forgets blocks before the last one up to `slot`.
  void forget_before(std::uint64_t slot);
  void clear() { blocks_.clear(); }

 private:
  std::deque<Block> blocks_;  // by slot
};

}  // namespace collector::staking
