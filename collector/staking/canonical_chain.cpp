// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/canonical_chain.h"

#include <algorithm>
#include <iterator>

namespace collector::staking {

const Block* CanonicalChain::find(const Root& root) const {
  // From the head on: what is asked for is mostly its parent.
  const auto found =
      std::find_if(blocks_.rbegin(), blocks_.rend(), [&](const Block& each) { return each.root == root; });
  return found == blocks_.rend() ? nullptr : &*found;
}

const Block* CanonicalChain::last_until(std::uint64_t slot) const {
  const auto after = std::ranges::upper_bound(blocks_, slot, {}, &Block::slot);
  return after == blocks_.begin() ? nullptr : &*std::prev(after);
}

const Block* CanonicalChain::at(std::uint64_t slot) const {
  const Block* const block = last_until(slot);
  return block != nullptr && block->slot == slot ? block : nullptr;
}

std::span<const Block* const> CanonicalChain::between(std::uint64_t from, std::uint64_t to,
                                                      std::vector<const Block*>& into) const {
  into.clear();
  for (auto at = std::ranges::lower_bound(blocks_, from, {}, &Block::slot); at != blocks_.end() && at->slot <= to;
       ++at) {
    into.push_back(&*at);
  }
  return into;
}

CanonicalChain::Change CanonicalChain::adopt(std::vector<Block> newest_first) {
  Change change;
  if (newest_first.empty()) return change;
  const Block* const parent = find(newest_first.back().parent);
  if (parent == nullptr) {
    blocks_.clear();
  } else {
    const std::uint64_t stays = parent->slot;
    while (blocks_.back().slot > stays) {
      change.first_dropped = blocks_.back().slot;
      change.orphans.push_back(blocks_.back().slot);
      blocks_.pop_back();
    }
    change.dropped = change.orphans.size();
  }
  std::move(newest_first.rbegin(), newest_first.rend(), std::back_inserter(blocks_));
  return change;
}

void CanonicalChain::prepend(std::vector<Block> newest_first) {
  for (Block& block : newest_first) blocks_.push_front(std::move(block));
}

void CanonicalChain::forget_before(std::uint64_t slot) {
  while (blocks_.size() > 1 && blocks_[1].slot <= slot) blocks_.pop_front();
}

}  // namespace collector::staking
