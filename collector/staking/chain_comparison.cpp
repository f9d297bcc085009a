// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/chain_comparison.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace collector::staking {
namespace {

using Sides = std::map<Root, std::vector<std::size_t>>;  // who has which root

class Comparer {
 public:
  explicit Comparer(std::span<const ChainWitness> witnesses) : witnesses_(witnesses) {
    result_.standings.assign(witnesses.size(), Standing::kAlone);
  }

  void compare_finalized() {
    std::set<std::uint64_t> epochs;
    for (const ChainWitness& each : witnesses_) {
      for (const auto& [epoch, root] : *each.finalized) epochs.insert(epoch);
    }
    for (const std::uint64_t epoch : epochs) {
      vote(fmt::format("finalized epoch {}", epoch), [&](const ChainWitness& each) -> std::optional<Root> {
        const auto found = each.finalized->find(epoch);
        return found == each.finalized->end() ? std::nullopt : std::optional(found->second);
      });
    }
  }

  void compare_slots(std::uint64_t tip_slots) {
    std::set<std::uint64_t> heads;
    for (const ChainWitness& each : witnesses_) heads.insert(each.chain->head().slot);
    for (const std::uint64_t head : heads) {
      if (head < tip_slots) continue;
      const std::uint64_t slot = head - tip_slots;
      const bool any = vote(fmt::format("slot {}", slot), [&](const ChainWitness& each) -> std::optional<Root> {
        if (each.chain->head().slot < head) return std::nullopt;
        const Block* const block = each.chain->last_until(slot);
        return block == nullptr ? std::nullopt : std::optional(block->root);
      });
      if (any) result_.slot = slot;
    }
  }

  ChainComparison finish(std::uint64_t tip_slots) {
    std::vector<std::uint64_t> believed;
    for (std::size_t i = 0; i < witnesses_.size(); ++i) {
      if (result_.standings[i] != Standing::kAlone) ++result_.compared;
      if (is_believed(i)) believed.push_back(witnesses_[i].chain->head().slot);
    }
    std::ranges::sort(believed, std::ranges::greater());
    if (believed.size() >= 2 && believed[1] >= tip_slots) result_.confirmed_slot = believed[1] - tip_slots;
    return std::move(result_);
  }

 private:
  bool is_believed(std::size_t i) const {
    return result_.standings[i] == Standing::kAlone || result_.standings[i] == Standing::kAgrees;
  }

  // True if there were two at least who could say.
  template <class RootOf>
  bool vote(const std::string& where, const RootOf& root_of) {
    Sides sides;
    std::size_t voters = 0;
    for (std::size_t i = 0; i < witnesses_.size(); ++i) {
      if (!is_believed(i)) continue;
      const std::optional<Root> root = root_of(witnesses_[i]);
      if (!root) continue;
      sides[*root].push_back(i);
      ++voters;
    }
    if (voters < 2) return false;
    for (const auto& [root, side] : sides) {
      const bool tied = std::ranges::none_of(sides, [&](const auto& each) { return 2 * each.second.size() > voters; });
      const Standing standing = tied                       ? Standing::kTied
                                : 2 * side.size() > voters ? Standing::kAgrees
                                                           : Standing::kOutvoted;
      for (const std::size_t i : side) result_.standings[i] = standing;
    }
    if (sides.size() > 1 && result_.disagreement.empty()) result_.disagreement = describe(where, sides);
    return true;
  }

  std::string describe(const std::string& where, const Sides& sides) const {
    // What tells two roots apart for a person.
    constexpr std::size_t kRootDigits = 12;
    std::string text = where;
    for (const auto& [root, side] : sides) {
      text += text.size() == where.size() ? ": " : "; ";
      for (const std::size_t i : side) text += fmt::format("{}{}", i == side.front() ? "" : ", ", witnesses_[i].name);
      text += fmt::format(" {} {}", side.size() == 1 ? "has" : "have", to_string(root).substr(0, 2 + kRootDigits));
    }
    return text;
  }

  std::span<const ChainWitness> witnesses_;
  ChainComparison result_;
};

}  // namespace

std::string_view to_string(Standing standing) {
  static constexpr std::string_view kNames[] = {"alone", "agrees", "outvoted", "tied"};
  return kNames[static_cast<std::size_t>(standing)];
}

ChainComparison compare_chains(std::span<const ChainWitness> witnesses, std::uint64_t tip_slots) {
  Comparer comparer(witnesses);
  comparer.compare_finalized();
  comparer.compare_slots(tip_slots);
  return comparer.finish(tip_slots);
}

}  // namespace collector::staking
