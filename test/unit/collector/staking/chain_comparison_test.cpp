// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/chain_comparison.h"

#include <memory>

#include <gtest/gtest.h>

namespace collector::staking {
namespace {

// A root that says where it stands: the slot, and which branch it is of.
Root root_of(std::uint64_t slot, std::uint8_t branch) {
  Root root{};
  root[0] = branch;
  for (std::size_t i = 0; i < 8; ++i) root[31 - i] = static_cast<std::uint8_t>(slot >> (8 * i));
  return root;
}

// Up to `head`, on another branch than everybody from `fork` on; 0: nowhere.
struct Side {
  std::uint64_t head = 0;
  std::uint64_t fork = 0;
  std::uint8_t branch = 1;
  std::uint64_t oldest = 0;
  std::map<std::uint64_t, std::uint8_t> finalized = {};  // epoch -> branch
};

class ChainComparisonTest : public testing::Test {
 protected:
  std::string compare(const std::vector<Side>& sides, std::uint64_t tip = 2) {
    std::vector<CanonicalChain> chains(sides.size());
    std::vector<std::map<std::uint64_t, Root>> finalized(sides.size());
    std::vector<std::string> names;
    for (std::size_t i = 0; i < sides.size(); ++i) names.push_back(std::string(1, static_cast<char>('a' + i)));
    std::vector<ChainWitness> witnesses;
    for (std::size_t i = 0; i < sides.size(); ++i) {
      const auto branch_at = [&](std::uint64_t slot) -> std::uint8_t {
        return sides[i].fork != 0 && slot >= sides[i].fork ? sides[i].branch : 0;
      };
      std::vector<Block> newest_first;
      const std::uint64_t usual = sides[i].head > 80 ? 80 : 0;
      for (std::uint64_t slot = sides[i].head; slot + 1 > std::max(sides[i].oldest, usual); --slot) {
        Block block;
        block.slot = slot;
        block.root = root_of(slot, branch_at(slot));
        block.parent = root_of(slot - 1, branch_at(slot - 1));
        newest_first.push_back(std::move(block));
      }
      chains[i].adopt(std::move(newest_first));
      for (const auto& [epoch, branch] : sides[i].finalized) finalized[i][epoch] = root_of(epoch, branch);
      witnesses.push_back({names[i], &chains[i], &finalized[i]});
    }
    result = compare_chains(witnesses, tip);
    std::string text;
    for (const Standing standing : result.standings)
      text += (text.empty() ? "" : " ") + std::string(to_string(standing));
    return text;
  }
  ChainComparison result;
};

TEST_F(ChainComparisonTest, MoreThanHalfAreRightHoweverNewAHeadIs) {
  struct Case {
    const char* what;
    std::vector<Side> sides;
    std::string standings;
  };
  const std::vector<Case> cases = {
      {"nobody", {}, ""},
      {"one", {{100}}, "alone"},
      {"two that agree", {{100}, {100}}, "agrees agrees"},
      {"two of which one is behind", {{100}, {95}}, "agrees agrees"},
      {"two that do not agree", {{100}, {100, 90}}, "tied tied"},
      {"one against two", {{100}, {100}, {100, 90}}, "agrees agrees outvoted"},
      {"one against two, with the newest head", {{98}, {98}, {100, 90}}, "agrees agrees outvoted"},
      {"one against two, of which one is behind", {{98}, {95}, {100, 90}}, "agrees agrees outvoted"},
      {"two against two", {{100}, {100}, {100, 90}, {100, 90}}, "tied tied tied tied"},
      {"two against two that differ", {{100}, {100}, {100, 90, 1}, {100, 90, 2}}, "tied tied tied tied"},
      {"three against two", {{100}, {100}, {100}, {100, 90}, {100, 91}}, "agrees agrees agrees outvoted outvoted"},
      {"everybody for himself", {{100}, {100, 90, 1}, {100, 90, 2}}, "tied tied tied"},
      {"a fork in the tip is none yet", {{100}, {100, 99}}, "agrees agrees"},
      {"a fork below the tip is one", {{100}, {100, 98}}, "tied tied"},
      // Who is behind cannot have seen it, and agrees as far as he has seen.
      {"a fork above who is behind", {{100}, {100, 95}, {90}}, "tied tied agrees"},
      {"who began after the fork below", {{100}, {100, 0, 0, 99}}, "alone alone"},
      {"another finalized root", {{100, 0, 1, 0, {{9, 0}}}, {100, 0, 1, 0, {{9, 1}}}}, "tied tied"},
      {"a majority's finalized root",
       {{100, 0, 1, 0, {{9, 0}}}, {100, 0, 1, 0, {{8, 0}, {9, 0}}}, {100, 0, 1, 0, {{9, 1}}}},
       "agrees agrees outvoted"},
      {"finalized epochs that nobody else knows",
       {{100, 0, 1, 0, {{9, 0}}}, {100, 0, 1, 0, {{8, 1}}}},
       "agrees agrees"},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(compare(each.sides), each.standings) << each.what;
    const bool agree =
        each.standings.find("outvoted") == std::string::npos && each.standings.find("tied") == std::string::npos;
    EXPECT_EQ(result.differs(), !agree) << each.what;
  }
}

TEST_F(ChainComparisonTest, SaysWhatWasComparedAndWhoHasWhich) {
  compare({{100}, {98}, {100, 90}});
  EXPECT_EQ(result.compared, 3U);
  EXPECT_EQ(result.slot, 96U) << "the one with the newer head is alone there";
  EXPECT_EQ(result.confirmed_slot, 96U);
  EXPECT_EQ(result.disagreement, "slot 96: a, b have 0x000000000000; c has 0x010000000000");
  compare({{100}, {98}});
  EXPECT_EQ(result.slot, 96U);
  EXPECT_EQ(result.confirmed_slot, 96U);
  EXPECT_EQ(result.disagreement, "");
  compare({{100}, {98, 90}});
  EXPECT_EQ(result.confirmed_slot, std::nullopt) << "neither is believed";
  compare({{100}});
  EXPECT_EQ(result.slot, std::nullopt);
  EXPECT_EQ(result.compared, 0U);
  compare({{1}, {1}});
  EXPECT_EQ(result.slot, std::nullopt) << "there is nothing below the tip of a chain that begins";
}

}  // namespace
}  // namespace collector::staking
