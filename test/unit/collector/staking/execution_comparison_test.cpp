// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/execution_comparison.h"

#include "staking_world.h"

namespace collector::staking {
namespace {

// An execution node that answers every call of a batch from these.
struct FakeExecution {
  std::uint64_t chain_id = 1;
  std::uint64_t head = 1000;
  std::uint64_t finalized = 900;
  int chain = 0xa;              // what its hashes are made of
  std::uint64_t forked_at = 0;  // below it has the hashes of chain 0xa
  std::uint64_t oldest = 0;     // of the blocks that it still has
  std::uint64_t off_by = 0;     // the block that it answers with, from the one that it is asked for
  bool takes_batches = true;
  std::vector<std::string> calls = {};  // of the last batch: method and first parameter

  std::string block(std::uint64_t number) const {
    if (number < oldest || number > head) return "null";
    return fmt::format(R"({{"number":"{:#x}","timestamp":"0x6553f0ec","hash":"0x{:x}{:063x}"}})", number,
                       number < forked_at ? 0xa : chain, number);
  }
  std::string result(const Json& call) {
    const std::string method = call.text("method").value_or("");
    const auto params = call.items("params");
    const std::string first = params.empty() ? "" : params.front().text("").value_or("");
    calls.push_back(first.empty() ? method : method + " " + first);
    if (method == "eth_chainId") return fmt::format("\"{:#x}\"", chain_id);
    if (method == "eth_syncing") return "false";
    if (method != "eth_getBlockByNumber") return "null";
    if (first == "latest") return block(head);
    if (first == "finalized" || first == "safe") return block(finalized);
    return block(parse_quantity(first).value_or(0) + off_by);
  }
  Told answer_to(const core::net::Request& request) {
    const auto batch = Json::parse(request.body);
    EXPECT_TRUE(batch) << request.body;
    if (!takes_batches) {
      if (batch->is_array()) return answer(200, R"({"id":null,"error":{"code":-32600,"message":"no batches"}})");
      return answer(200, fmt::format(R"({{"id":{},"result":{}}})", batch->number("id").value_or(0), result(*batch)));
    }
    calls.clear();
    std::string body;
    for (const Json& call : batch->items()) {
      body += fmt::format(R"({}{{"jsonrpc":"2.0","id":{},"result":{}}})", body.empty() ? "[" : ",",
                          call.number("id").value_or(0), result(call));
    }
    return answer(200, body + "]");
  }
};

// Two of ours, g and h, and a reference, r; who is not in `silent` answers.
class ExecutionComparisonTest : public StakingWorld {
 protected:
  ExecutionComparisonTest() { configure("network: mainnet, "); }

  void configure(const std::string& rest) {
    std::string list;
    for (const auto& [name, node] : world) {
      list += fmt::format(R"({}{{name: {}, url: "http://{}"{}}})", list.empty() ? "" : ", ", name, name,
                          name == "r" ? ", reference: true" : "");
      nodes.answers["POST http://" + name] = [this, name = name](const core::net::Request& request) {
        if (silent.contains(name)) return broken("dial tcp: connect: connection refused");
        return world.at(name).answer_to(request);
      };
    }
    client.configure(read(fmt::format("{{{}execution_nodes: [{}]}}", rest, list)));
  }
  // The node's round, after two of all others: one that they know each other by, and one that asks what follows.
  Seen ask(const std::string& name) {
    for (int i = 0; i < 2; ++i) {
      for (const auto& [other, node] : world) round("/execution/" + other, std::chrono::seconds(1));
    }
    return round("/execution/" + name, std::chrono::seconds(1));
  }
  static std::string behind(const Seen& seen) { return seen["watchkeeper_execution_head_behind_blocks"]; }
  static std::string differs(const Seen& seen) { return seen["watchkeeper_execution_finalized_differs"]; }

  std::map<std::string, FakeExecution> world = {{"g", {}}, {"h", {}}, {"r", {}}};
  std::set<std::string> silent;
};

TEST_F(ExecutionComparisonTest, NodesThatAgreeAreNotBehindAndDoNotDiffer) {
  const Seen seen = ask("g");
  EXPECT_EQ(behind(seen), "0");
  EXPECT_EQ(differs(seen), "0");
  expect_documented(seen);
}

TEST_F(ExecutionComparisonTest, TheHighestHeadOfAnybodyElseIsTheMeasure) {
  world.at("h").head = 1002;
  world.at("r").head = 1007;
  EXPECT_EQ(behind(ask("g")), "7");
  EXPECT_EQ(behind(ask("h")), "5");
}

TEST_F(ExecutionComparisonTest, AheadOfALaggingReferenceIsNotBehind) {
  silent = {"h"};
  world.at("r").head = 950;
  EXPECT_EQ(behind(ask("g")), "0");
}

TEST_F(ExecutionComparisonTest, NobodyElseIsUnknown) {
  silent = {"h", "r"};
  const Seen seen = ask("g");
  EXPECT_EQ(seen["watchkeeper_execution_up"], "1");
  EXPECT_EQ(behind(seen), "none");
  EXPECT_EQ(differs(seen), "none");
}

TEST_F(ExecutionComparisonTest, WhatWasToldCountsForThreeMinutes) {
  ask("g");
  silent = {"h", "r"};
  world.at("g").head = 998;
  clock.advance(std::chrono::seconds(170));
  EXPECT_EQ(behind(round("/execution/g")), "2");
  EXPECT_EQ(differs(round("/execution/g")), "0");
  clock.advance(std::chrono::seconds(20));
  EXPECT_EQ(behind(round("/execution/g")), "none");
  EXPECT_EQ(differs(round("/execution/g")), "none");
}

TEST_F(ExecutionComparisonTest, WhoIsDownHasNoStandingAndForgetsNothing) {
  ask("g");
  silent = {"g"};
  EXPECT_EQ(behind(round("/execution/g")), "none");
  silent = {"r"};
  world.at("h").head = 990;
  // What g said last still counts.
  EXPECT_EQ(behind(round("/execution/h")), "10");
}

TEST_F(ExecutionComparisonTest, AReferenceIsAskedNoMoreThanComparingTakes) {
  const Seen seen = ask("r");
  EXPECT_EQ(world.at("r").calls,
            (std::vector<std::string>{"eth_getBlockByNumber latest", "eth_getBlockByNumber finalized", "eth_chainId"}));
  EXPECT_EQ(seen["watchkeeper_reference_up"], "1");
  EXPECT_EQ(seen["watchkeeper_reference_chain_id"], "1");
  EXPECT_EQ(seen["watchkeeper_reference_head_number"], "1000");
  EXPECT_EQ(seen["watchkeeper_reference_finalized_number"], "900");
  EXPECT_EQ(seen["watchkeeper_reference_head_behind_blocks"], "0");
  EXPECT_EQ(seen["watchkeeper_reference_finalized_differs"], "0");
  expect_documented(seen);
  silent = {"r"};
  const Seen down = ask("r");
  EXPECT_EQ(down["watchkeeper_reference_up"], "0");
  // Nothing that our own nodes are counted by.
  for (const Seen& each : {seen, down}) {
    for (const auto& [series, value] : each.samples()) {
      EXPECT_TRUE(series.starts_with("watchkeeper_reference_")) << series;
    }
  }
}

TEST_F(ExecutionComparisonTest, AReferenceOnAnotherChainIsToldAndNotCompared) {
  world.at("r") = {.chain_id = 17000, .head = 5000, .chain = 0xb};
  const Seen seen = ask("r");
  EXPECT_EQ(seen["watchkeeper_reference_up"], "none");
  EXPECT_EQ(seen[R"(watchkeeper_reference_failure_reason{reason="wrong_network"})"], "1");
  EXPECT_EQ(seen["watchkeeper_reference_chain_id"], "17000");
  EXPECT_EQ(seen["watchkeeper_reference_head_behind_blocks"], "none");
  EXPECT_EQ(behind(ask("g")), "0");
  EXPECT_EQ(differs(ask("g")), "0");
}

TEST_F(ExecutionComparisonTest, WithoutANetworkAReferenceHasToBeOnAChainOfOurs) {
  configure("");
  world.at("r") = {.chain_id = 17000, .head = 5000, .chain = 0xb};
  EXPECT_EQ(ask("r")[R"(watchkeeper_reference_failure_reason{reason="wrong_network"})"], "1");
  EXPECT_EQ(behind(ask("g")), "0");
  world.at("r").chain_id = 1;
  EXPECT_EQ(ask("r")["watchkeeper_reference_up"], "1");
  EXPECT_EQ(behind(ask("g")), "4000");
  // One of ours on a chain of its own has nobody to be compared with.
  world.at("h").chain_id = 5;
  EXPECT_EQ(behind(ask("h")), "none");
  EXPECT_EQ(differs(ask("h")), "none");
}

TEST_F(ExecutionComparisonTest, OfThreeTheOneThatDiffersIsToldAndNoOther) {
  world.at("g").chain = 0xb;
  EXPECT_EQ(differs(ask("g")), "1");
  EXPECT_EQ(differs(ask("h")), "0");
  EXPECT_EQ(ask("r")["watchkeeper_reference_finalized_differs"], "0");
  world.at("g").chain = 0xa;
  EXPECT_EQ(differs(ask("g")), "0");
}

TEST_F(ExecutionComparisonTest, OfTwoThatDifferNobodyCanTellWhichIsRight) {
  silent = {"h"};
  world.at("g").chain = 0xb;
  EXPECT_EQ(differs(ask("g")), "1");
  EXPECT_EQ(ask("r")["watchkeeper_reference_finalized_differs"], "1");
}

TEST_F(ExecutionComparisonTest, AReferenceThatIsOutvotedMakesNoneOfOursDiffer) {
  world.at("r").chain = 0xb;
  EXPECT_EQ(differs(ask("g")), "0");
  EXPECT_EQ(ask("r")["watchkeeper_reference_finalized_differs"], "1");
}

TEST_F(ExecutionComparisonTest, WhereTheFinalizedHeightsDifferTheLowerOneIsAsked) {
  silent = {"h"};
  world.at("r").finalized = 868;
  EXPECT_EQ(differs(ask("g")), "0");
  EXPECT_EQ(world.at("g").calls.back(), "eth_getBlockByNumber 0x364");
  // Above the height that both have finalized, blocks are no matter of comparison.
  world.at("g").chain = 0xb;
  world.at("g").forked_at = 880;
  EXPECT_EQ(differs(ask("g")), "0");
  world.at("g").forked_at = 860;
  EXPECT_EQ(differs(ask("g")), "1");
}

TEST_F(ExecutionComparisonTest, EveryHeightHasItsTurn) {
  world.at("h").finalized = 880;
  world.at("r").finalized = 868;
  std::set<std::string> asked;
  ask("g");
  for (int i = 0; i < 4; ++i) {
    round("/execution/g");
    asked.insert(world.at("g").calls.back());
  }
  EXPECT_EQ(asked, (std::set<std::string>{"eth_getBlockByNumber 0x364", "eth_getBlockByNumber 0x370"}));
}

TEST_F(ExecutionComparisonTest, ABlockThatANodeNoLongerHasIsUnknown) {
  silent = {"h"};
  world.at("r").finalized = 868;
  world.at("g").chain = 0xb;
  world.at("g").oldest = 870;
  EXPECT_EQ(differs(ask("g")), "none");
  EXPECT_EQ(behind(ask("g")), "0");
}

TEST_F(ExecutionComparisonTest, AnotherBlockThanTheOneAskedForIsNoAnswer) {
  silent = {"h"};
  world.at("r").finalized = 868;
  world.at("g").off_by = 1;
  EXPECT_EQ(differs(ask("g")), "none");
}

TEST_F(ExecutionComparisonTest, WhoTakesNoBatchesIsComparedToo) {
  silent = {"h"};
  world.at("r").finalized = 868;
  for (const char* const name : {"g", "r"}) world.at(name).takes_batches = false;
  ask("g");  // finds out
  EXPECT_EQ(differs(ask("g")), "0");
  EXPECT_EQ(ask("r")["watchkeeper_reference_up"], "1");
  EXPECT_EQ(ask("r")["watchkeeper_reference_finalized_differs"], "0");
  world.at("g").chain = 0xb;
  EXPECT_EQ(differs(ask("g")), "1");
}

TEST_F(ExecutionComparisonTest, WhoLeavesTheConfigurationIsForgotten) {
  world.at("r").head = 1007;
  EXPECT_EQ(behind(ask("g")), "7");
  world.erase("r");
  configure("network: mainnet, ");
  EXPECT_EQ(behind(round("/execution/g")), "0");
}

TEST_F(ExecutionComparisonTest, WhatIsRememberedOfANodeIsBounded) {
  ExecutionComparison comparison;
  const core::SteadyTime start = clock.steady_now();
  comparison.note("a", {.chain_id = 1, .head = 100, .finalized = 90}, start);
  comparison.note("b", {.chain_id = 1, .head = 100, .finalized = 90}, start);
  comparison.note_hash("b", 1, "0x1", start);
  comparison.note_hash("a", 1, "0x2", start);
  EXPECT_EQ(comparison.differs("a", start), true);
  for (std::uint64_t height = 2; height < 2 + ExecutionComparison::kHeightsMax; ++height) {
    comparison.note_hash("a", height, "0x2", start + std::chrono::seconds(1));
  }
  EXPECT_EQ(comparison.differs("a", start), std::nullopt);
}

}  // namespace
}  // namespace collector::staking
