// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/execution_observer.h"

#include "staking_world.h"

namespace collector::staking {
namespace {

// Replies to a batch, or to single calls, by the ids of the nine calls.
class ExecutionObserverTest : public StakingWorld {
 protected:
  ExecutionObserverTest() {
    client.configure(read(R"({network: mainnet, execution_nodes: [{name: g, url: "http://g:8545"}]})"));
    replies = {{1, R"("result":false)"},
               {2, R"("result":{"number":"0x64","timestamp":")" + fmt::format("{:#x}", 1'700'000'000 - 20) + "\"}"},
               {3, R"("result":{"number":"0x50","timestamp":"0x1"})"},
               {4, R"("result":{"number":"0x40","timestamp":"0x1"})"},
               {5, R"("result":"0x1")"},
               {6, R"("result":"0x19")"},
               {7, R"("result":{"pending":"0x3","queued":"0x0"})"},
               {8, R"("result":"Geth/v1.16")"},
               {9, R"("result":"1")"}};
    answer_batches();
  }

  void answer_batches() {
    nodes.answers["POST http://g:8545"] = [this](const core::net::Request& request) {
      EXPECT_TRUE(request.body.starts_with("[")) << request.body;
      std::string body;
      // The other way round: answers come in any order.
      for (auto reply = replies.rbegin(); reply != replies.rend(); ++reply) {
        body +=
            fmt::format(R"({}{{"jsonrpc":"2.0","id":{},{}}})", body.empty() ? "[" : ",", reply->first, reply->second);
      }
      return answer(200, body + "]");
    };
  }
  Seen ask() { return round("/execution/g"); }
  void expect_unknown(const char* reason) {
    const Seen seen = ask();
    EXPECT_EQ(seen["watchkeeper_execution_up"], "none") << reason;
    EXPECT_EQ(seen["watchkeeper_execution_unknown"], "1") << reason;
    EXPECT_EQ(seen[fmt::format("watchkeeper_execution_failure_reason{{reason=\"{}\"}}", reason)], "1") << reason;
    EXPECT_EQ(seen["watchkeeper_execution_head_number"], "none") << reason;
  }

  std::map<int, std::string> replies;
};

TEST_F(ExecutionObserverTest, TellsWhatAHealthyNodeSays) {
  const std::map<std::string, std::string> expected = {
      {"watchkeeper_execution_up", "1"},
      {"watchkeeper_execution_unknown", "0"},
      {"watchkeeper_execution_network_mismatch", "0"},
      {"watchkeeper_execution_chain_id", "1"},
      {"watchkeeper_execution_network_id", "1"},
      {"watchkeeper_execution_syncing", "0"},
      {"watchkeeper_execution_head_number", "100"},
      {"watchkeeper_execution_clock_suspect", "0"},
      {"watchkeeper_execution_head_age_seconds", "20.02"},
      {"watchkeeper_execution_safe_number", "80"},
      {"watchkeeper_execution_finalized_number", "64"},
      {"watchkeeper_execution_peers", "25"},
      {"watchkeeper_execution_txpool_pending", "3"},
      {"watchkeeper_execution_txpool_queued", "0"},
      {R"(watchkeeper_execution_info{version="Geth/v1.16"})", "1"},
  };
  const Seen seen = ask();
  EXPECT_EQ(seen.samples(), expected);
  expect_documented(seen);
  EXPECT_EQ(nodes.requests.size(), 1U);
}

TEST_F(ExecutionObserverTest, WhatIsSwitchedOffIsUnknownNotDown) {
  replies[3] = R"("result":null)";
  replies[4] = R"("error":{"code":-39001,"message":"Unknown block"})";
  replies[6] = R"("error":{"code":-32601,"message":"the method does not exist"})";
  replies[7] = R"("error":{"code":-32004,"message":"not supported"})";
  replies.erase(8);
  const Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_execution_up"], "1");
  for (const std::string name : {"safe_number", "finalized_number", "peers", "txpool_pending"}) {
    EXPECT_EQ(seen["watchkeeper_execution_" + name], "none") << name;
  }
}

TEST_F(ExecutionObserverTest, SyncingIsAnObjectOfAnyFields) {
  replies[1] = R"("result":{"currentBlock":"0x0","highestBlock":"0x0","new":{"deep":[1]}})";
  Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_execution_syncing"], "1");
  EXPECT_EQ(seen["watchkeeper_execution_highest_number"], "0");
  replies[1] = R"("result":true)";
  expect_unknown("bad_answer");
}

TEST_F(ExecutionObserverTest, FailuresAreNeverUp) {
  replies[2] = R"("result":null)";
  expect_unknown("bad_answer");
  replies[2] = R"("error":{"code":-32000,"message":"no"})";
  expect_unknown("rpc_error");
  replies[2] = R"("result":{"number":100,"timestamp":"0x1"})";
  expect_unknown("bad_answer");
  replies[2] = R"("result":{"number":"0x64","timestamp":"0xffffffffffffffffff"})";
  expect_unknown("bad_answer");
  replies.erase(2);
  expect_unknown("bad_answer");
  const std::string url = "POST http://g:8545";
  nodes.on(url, R"([{"id":1,"result":false},{"id":1,"result":false}])");
  expect_unknown("bad_answer");
  nodes.on(url, R"([{"id":99,"result":false}])");
  expect_unknown("bad_answer");
  nodes.on(url, "[]");
  expect_unknown("bad_answer");
  nodes.on(url, R"([{"id":1,"result":fal)");
  expect_unknown("not_json");
  nodes.on(url, answer(403, "invalid host specified"));
  expect_unknown("unauthorized");
  nodes.on(url, answer(200, std::string(9 << 20, ' ')));
  expect_unknown("body_too_large");
  nodes.on(url, broken("dial tcp g: connect: connection refused"));
  EXPECT_EQ(ask()["watchkeeper_execution_up"], "0");
}

TEST_F(ExecutionObserverTest, AnotherChainIsRefused) {
  replies[5] = R"("result":"0x4268")";
  const Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_execution_network_mismatch"], "1");
  EXPECT_EQ(seen["watchkeeper_execution_chain_id"], "17000");
  expect_unknown("wrong_network");
  replies[5] = R"("error":{"code":-32601})";
  expect_unknown("network_unverified");
}

TEST_F(ExecutionObserverTest, ANodeThatTakesNoBatchesIsAskedOneByOne) {
  nodes.answers["POST http://g:8545"] = [this](const core::net::Request& request) {
    if (request.body.starts_with("[")) {
      return answer(200, R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch disabled"}})");
    }
    const auto json = Json::parse(request.body);
    const auto id = static_cast<int>(json->number("id").value_or(0));
    return answer(200, fmt::format(R"({{"jsonrpc":"2.0","id":{},{}}})", id, replies.at(id)));
  };
  expect_unknown("rpc_error");
  const Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_execution_up"], "1");
  EXPECT_EQ(seen["watchkeeper_execution_head_number"], "100");
  EXPECT_EQ(seen["watchkeeper_execution_peers"], "25");
}

TEST_F(ExecutionObserverTest, ABlockFromTheFutureHasNoAge) {
  clock.step_wall(std::chrono::hours(-1));
  const Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_execution_clock_suspect"], "1");
  EXPECT_EQ(seen["watchkeeper_execution_head_age_seconds"], "none");
}

TEST_F(ExecutionObserverTest, TheEnginePortMustRefuseWhoHasNoToken) {
  client.configure(read(R"({network: mainnet,
      execution_nodes: [{name: g, url: "http://g:8545", engine_url: "http://g:8551"}]})"));
  const std::string engine = "POST http://g:8551";
  nodes.on(engine, answer(401, "missing token"));
  EXPECT_EQ(ask()["watchkeeper_execution_engine_up"], "1");
  EXPECT_EQ(ask()["watchkeeper_execution_engine_open"], "0");
  nodes.on(engine, R"({"jsonrpc":"2.0","id":1,"result":false})");
  EXPECT_EQ(ask()["watchkeeper_execution_engine_open"], "1");
  nodes.on(engine, "<html>");
  EXPECT_EQ(ask()["watchkeeper_execution_engine_up"], "none");
  nodes.on(engine, broken("dial tcp g: connect: connection refused"));
  EXPECT_EQ(ask()["watchkeeper_execution_engine_up"], "0");
  EXPECT_EQ(ask()["watchkeeper_execution_up"], "1");
}

}  // namespace
}  // namespace collector::staking
