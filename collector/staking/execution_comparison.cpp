// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/execution_comparison.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace collector::staking {

void ExecutionComparison::note(const std::string& name, const Told& told, core::SteadyTime now) {
  Node& node = nodes_[name];
  if (node.told.chain_id != told.chain_id) node.hashes.clear();
  node.told = told;
  node.at = now;
}

void ExecutionComparison::note_hash(const std::string& name, std::uint64_t height, std::string hash,
                                    core::SteadyTime now) {
  auto& hashes = nodes_[name].hashes;
  hashes.insert_or_assign(height, Hash{std::move(hash), now});
  if (hashes.size() <= kHeightsMax) return;
  hashes.erase(std::ranges::min_element(hashes, {}, [](const auto& each) { return each.second.at; }));
}

void ExecutionComparison::keep(const std::set<std::string>& names) {
  std::erase_if(nodes_, [&](const auto& each) { return !names.contains(each.first); });
}

template <class Take>
void ExecutionComparison::for_others(const std::string& name, const Node& node, core::SteadyTime now,
                                     const Take& take) const {
  for (const auto& [other_name, other] : nodes_) {
    if (other_name == name || other.told.chain_id != node.told.chain_id || !is_fresh(other.at, now)) continue;
    take(other);
  }
}

std::optional<std::uint64_t> ExecutionComparison::height_to_ask(const std::string& name, core::SteadyTime now) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end() || !found->second.told.finalized) return std::nullopt;
  const Node& node = found->second;
  std::optional<std::uint64_t> height;
  auto asked = core::SteadyTime::max();
  for_others(name, node, now, [&](const Node& other) {
    // Its own last one is told anyway.
    if (!other.told.finalized || *other.told.finalized >= *node.told.finalized) return;
    const auto known = node.hashes.find(*other.told.finalized);
    const core::SteadyTime at = known == node.hashes.end() ? core::SteadyTime::min() : known->second.at;
    if (at > asked || (at == asked && height > other.told.finalized)) return;
    height = other.told.finalized;
    asked = at;
  });
  return height;
}

std::optional<std::uint64_t> ExecutionComparison::behind(const std::string& name, core::SteadyTime now) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return std::nullopt;
  std::optional<std::uint64_t> highest;
  for_others(name, found->second, now,
             [&](const Node& other) { highest = std::max(highest.value_or(0), other.told.head); });
  if (!highest) return std::nullopt;
  const std::uint64_t head = found->second.told.head;
  return *highest > head ? *highest - head : 0;
}

std::optional<bool> ExecutionComparison::differs(const std::string& name, core::SteadyTime now) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return std::nullopt;
  for (const auto& [height, hash] : found->second.hashes | std::views::reverse) {
    if (hash.text.empty() || !is_fresh(hash.at, now)) continue;
    std::size_t voters = 1;
    std::size_t agreeing = 1;
    for_others(name, found->second, now, [&, height = height, &text = hash.text](const Node& other) {
      const auto its = other.hashes.find(height);
      if (its == other.hashes.end() || its->second.text.empty() || !is_fresh(its->second.at, now)) return;
      ++voters;
      if (its->second.text == text) ++agreeing;
    });
    if (voters > 1) return 2 * agreeing <= voters;
  }
  return std::nullopt;
}

bool ExecutionComparison::is_foreign(std::uint64_t chain_id, core::SteadyTime now) const {
  bool any = false;
  for (const auto& [name, node] : nodes_) {
    if (node.told.is_reference || !is_fresh(node.at, now)) continue;
    if (node.told.chain_id == chain_id) return false;
    any = true;
  }
  return any;
}

}  // namespace collector::staking
