// SPDX-License-Identifier: Apache-2.0
// Beacon nodes that contradict each other.
#include "collector/staking/head_loop.h"

#include "duty_world.h"

namespace collector::staking {
namespace {

// A chain that most nodes have, and another one for liars: the same until a slot, and of other blocks and votes from
// there on.
class HeadLoopTest : public DutyWorld {
 protected:
  HeadLoopTest() {
    nodes.otherwise = [this](const core::net::Request& request) {
      for (const std::string& host : liars) {
        if (request.url.starts_with("http://" + host + "/")) return other.answer_to(request);
      }
      return chain.answer_to(request);
    };
  }
  void fork_from(std::uint64_t slot) {
    for (std::uint64_t i = 0; i < 100; ++i) other.fork_of[slot + i] = 1;
  }
  std::string reason(const std::string& host) const {
    for (const char* const each : {"outvoted", "split_view", "syncing"}) {
      if (value("node_reason", fmt::format("target=\"{}\",reason=\"{}\"", host, each)) == "1") return each;
    }
    return value("node_usable", "target=\"" + host + "\"") == "1" ? "" : "other";
  }

  MadeChain other{clock};
  std::set<std::string> liars;
};

TEST_F(HeadLoopTest, NodesThatAgreeConfirmEachOther) {
  watch({{1, "g"}}, {"a", "b"});
  run_through(104);
  EXPECT_EQ(roots("differ"), "0");
  EXPECT_EQ(roots("compared_nodes"), "2");
  EXPECT_EQ(roots("compared_slot"), "103") << "of eight slots an epoch the newest is the tip";
  EXPECT_EQ(standing("a"), "agrees");
  EXPECT_EQ(standing("b"), "agrees");
  EXPECT_EQ(roots("disagreements_total"), "0");
  EXPECT_EQ(watched("attestations_total"), "1");
  EXPECT_EQ(plain("unknown"), "0");
  expect_documented(Seen(heads_text));
  // A slot costs two headers of each node, not a walk.
  const int before = chain.asked["GET /eth/v1/beacon/headers"];
  run_through(108);
  EXPECT_EQ(chain.asked["GET /eth/v1/beacon/headers"] - before, 4 * 2);
}

TEST_F(HeadLoopTest, ALiarWithTheNewestHeadIsNotBelievedAgainstTwo) {
  // In the liar's chain the watched validator proposes nothing and never votes.
  const std::uint64_t proposer = chain.proposer(110);
  other.empty_slots.insert(110);
  for (std::uint64_t slot = 96; slot < 160; ++slot) other.votes[{slot, proposer}] = {.cast = false};
  fork_from(105);
  liars = {"c"};
  watch({{proposer, "g"}}, {"a", "b", "c"});
  run_through(104);
  EXPECT_EQ(standing("c"), "agrees");
  // The honest ones lie a slot behind from here on: their heads are older than the liar's.
  for (std::uint64_t slot = 105; slot <= 128; ++slot) {
    chain.host_state["a"] = chain.host_state["b"] = "stuck";
    chain.stuck_at = slot - 1;
    run_through(slot);
    if (slot < 107) continue;
    EXPECT_EQ(standing("c"), "outvoted") << slot;
    EXPECT_EQ(standing("a"), "agrees") << slot;
    EXPECT_EQ(reason("c"), "outvoted") << slot;
    EXPECT_EQ(roots("differ"), "1") << slot;
    EXPECT_EQ(plain("unknown"), "0") << slot;
    EXPECT_EQ(plain("head_slot"), std::to_string(slot - 1));
  }
  EXPECT_EQ(watched("missed_proposals_total"), "0");
  EXPECT_EQ(watched("orphaned_proposals_total"), "0");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  EXPECT_EQ(network("missed_attestations_total"), "0");
  EXPECT_EQ(network("wrong_head_attestations_total"), "0");
  EXPECT_NE(watched("attestations_total"), "0");
  EXPECT_EQ(roots("disagreements_total"), "1");
  const auto told = events("roots_differ");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].reason.starts_with("slot 105: a, b have 0x")) << told[0].reason;
  // It comes to its senses.
  liars.clear();
  run_through(131);
  EXPECT_EQ(standing("c"), "agrees");
  EXPECT_EQ(roots("differ"), "0");
  EXPECT_EQ(reason("c"), "");
}

TEST_F(HeadLoopTest, OfTwoThatContradictEachOtherNobodyCanTell) {
  other.votes[{*chain.duty(1, 13), 1}] = {.cast = false};
  fork_from(107);
  liars = {"b"};
  watch({{1, "g"}}, {"a", "b"});
  run_through(106);
  EXPECT_EQ(plain("unknown"), "0");
  run_through(126);
  EXPECT_EQ(plain("unknown"), "1");
  EXPECT_EQ(value("unknown_reason", "reason=\"split_view\""), "1");
  EXPECT_EQ(standing("a"), "tied");
  EXPECT_EQ(standing("b"), "tied");
  EXPECT_EQ(reason("a"), "split_view");
  EXPECT_EQ(roots("differ"), "1");
  EXPECT_EQ(watched("attestations_total"), "1") << "epoch 11, of before";
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  EXPECT_EQ(loop.snapshot()->cause, "split_view");
  // A third one decides; what was not judged meanwhile is judged now.
  liars.clear();
  run_through(136);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  EXPECT_EQ(watched("attestations_total"), "5");
}

TEST_F(HeadLoopTest, WhoHasNoVoiceIsNotCounted) {
  fork_from(90);
  liars = {"c"};
  chain.host_state["b"] = "syncing";
  watch({{1, "g"}}, {"a", "b", "c"});
  run_through(102);
  EXPECT_EQ(standing("a"), "tied");
  EXPECT_EQ(standing("b"), "none");
  EXPECT_EQ(reason("b"), "syncing");
  EXPECT_EQ(roots("compared_nodes"), "2");
  chain.host_state["b"] = "";
  run_through(104);
  EXPECT_EQ(standing("a"), "agrees");
  EXPECT_EQ(standing("c"), "outvoted");
}

TEST_F(HeadLoopTest, FinalizedCheckpointsThatDifferAreADisagreement) {
  // The same blocks at the top, as far as was looked; another one in finalized epoch 10.
  watch({{1, "g"}}, {"a", "b", "c"});
  liars = {"c"};
  other.fork_of[80] = 1;
  run_through(102);
  EXPECT_EQ(standing("c"), "outvoted");
  EXPECT_EQ(standing("a"), "agrees");
  ASSERT_EQ(events("roots_differ").size(), 1U);
  EXPECT_TRUE(events("roots_differ")[0].reason.starts_with("finalized epoch 10: a, b have ")) << heads_text;
}

TEST_F(HeadLoopTest, ANodeThatDoesNotTellHeadersByRootIsComparedOnceItsChainGrew) {
  nodes.otherwise = [this](const core::net::Request& request) {
    const bool by_root = request.url.starts_with("http://b/eth/v1/beacon/headers/0x");
    const bool finality = request.url.ends_with("/finality_checkpoints");
    return by_root || finality ? answer(404) : chain.answer_to(request);
  };
  watch({{1, "g"}}, {"a", "b"});
  run_through(100);
  EXPECT_EQ(roots("differ"), "none");
  EXPECT_EQ(standing("b"), "alone");
  EXPECT_EQ(plain("unknown"), "0");
  run_through(103);
  EXPECT_EQ(standing("b"), "agrees");
}

TEST_F(HeadLoopTest, ANodeAloneIsComparedWithNobodyAndAskedNoMoreThanBefore) {
  watch({{1, "g"}});
  run_through(104);
  EXPECT_EQ(standing("a"), "alone");
  EXPECT_EQ(roots("differ"), "none");
  const int before = chain.asked["GET /eth/v1/beacon/headers"];
  run_through(108);
  EXPECT_EQ(chain.asked["GET /eth/v1/beacon/headers"] - before, 4);
  EXPECT_EQ(plain("unknown"), "0");
}

}  // namespace
}  // namespace collector::staking
