// SPDX-License-Identifier: Apache-2.0
// Duties, seen through beacon nodes that fail, lie behind, disagree or lack something.
#include "collector/staking/beacon_answers.h"
#include "duty_world.h"

namespace collector::staking {
namespace {

class DutyNodesTest : public DutyWorld {};

TEST_F(DutyNodesTest, WithoutANodeThatCanTellDutiesAreUnknown) {
  watch({{1, "g"}});
  run_through(104);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("attestations_total"), "1");
  const std::vector<std::pair<std::string, std::string>> states = {
      {"down", "refused"}, {"syncing", "syncing"}, {"optimistic", "optimistic"}};
  std::uint64_t slot = 104;
  for (const auto& [state, reason] : states) {
    chain.host_state["a"] = state;
    run_through(++slot);
    EXPECT_EQ(plain("unknown"), "1") << state;
    EXPECT_EQ(value("unknown_reason", "reason=\"no_beacon_node\""), "1");
    EXPECT_EQ(value("node_reason", fmt::format("target=\"a\",reason=\"{}\"", reason)), "1") << text;
    EXPECT_EQ(value("node_usable", "target=\"a\""), "0");
    EXPECT_TRUE(loop.snapshot()->unknown);
    chain.host_state["a"] = "";
    run_through(++slot);
    EXPECT_EQ(plain("unknown"), "0") << "after " << state;
  }
  // What was missed meanwhile was nobody's fault, and nothing was forgotten: the blocks tell.
  run_through(128);
  EXPECT_EQ(watched("attestations_total"), "4");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  EXPECT_EQ(watched("unknown_attestations_total"), "0");
}

TEST_F(DutyNodesTest, WhatIsWaitedForInVainIsUnknownAtOnce) {
  watch({{1, "g"}});
  run_through(104);
  chain.host_state["a"] = "mute";
  run_through(105);
  EXPECT_EQ(plain("unknown"), "0");
  chain.host_state["a"] = "down";  // while it is asked: the answer would be waited for through five slots
  run_through(106);
  EXPECT_EQ(plain("unknown"), "1");
  EXPECT_EQ(value("unknown_reason", "reason=\"no_beacon_node\""), "1");
  EXPECT_EQ(value("node_reason", "target=\"a\",reason=\"refused\""), "1");
  chain.host_state["a"] = "";
  run_through(112);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(plain("head_slot"), "112");
}

TEST_F(DutyNodesTest, OfTwoNodesTheOneThatIsGoneIsWaitedForNoLonger) {
  watch({{1, "g"}}, {"a", "b"});
  run_through(104);
  chain.host_state["a"] = "mute";
  run_through(105);
  EXPECT_EQ(plain("head_slot"), "104") << "it is waited for";
  chain.host_state["a"] = "down";
  run_through(106);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(plain("head_slot"), "106");
}

TEST_F(DutyNodesTest, OfANodeThatIsAwayForLongNothingIsMissed) {
  watch({{1, "g"}, {2, "g"}});
  run_through(104);
  chain.host_state["a"] = "down";
  run_through(160);
  EXPECT_EQ(plain("unknown"), "1");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  chain.host_state["a"] = "";
  run_through(200);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  // Epochs that were over before anybody could ask again are unknown; every one is in one of the two counts.
  const int judged = std::stoi(watched("attestations_total"));
  const int unknown = std::stoi(watched("unknown_attestations_total"));
  EXPECT_GT(unknown, 0);
  EXPECT_EQ(judged + unknown, 2 * (std::stoi(plain("judged_epoch")) - 10)) << judged << " " << unknown;
}

TEST_F(DutyNodesTest, AnotherNodeIsAskedWhereOneDoesNotKnow) {
  chain.host_state["a"] = "down";
  watch({{1, "g"}}, {"a", "b"});
  run_through(112);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("attestations_total"), "2");
  // The one that stays behind is not believed about what it cannot have seen.
  chain.host_state["a"] = "stuck";
  chain.stuck_at = 112;
  run_through(121);
  EXPECT_EQ(plain("head_slot"), "121");
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("attestations_total"), "3");
  run_through(122);
  EXPECT_EQ(value("node_reason", "target=\"a\",reason=\"behind\""), "1");
}

TEST_F(DutyNodesTest, WhomOneNodeDoesNotKnowAnotherMay) {
  chain.host_state["a"] = "forgetful";
  watch({{chain.proposer(114), "g"}, {1, "h"}}, {"a", "b"});
  run_through(104);
  EXPECT_EQ(watched("upcoming_proposals"), "1");
  EXPECT_EQ(watched("upcoming_proposals", "h"), "0");
  EXPECT_EQ(watched("validators", "g\",status=\"active_ongoing"), "1");
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(plain("failed_requests_total"), "0") << "an empty list is an answer";
  run_through(120);
  EXPECT_EQ(watched("proposals_total"), "1");
}

TEST_F(DutyNodesTest, ANodeThatForgetsValidatorsEndsNoDuty) {
  watch({{chain.proposer(130), "g"}});
  run_through(108);
  chain.host_state["a"] = "forgetful";
  run_through(124);  // two epochs of empty lists; 130 is of the next one
  EXPECT_EQ(watched("upcoming_proposals"), "1");
  EXPECT_EQ(watched("validators", "g\",status=\"active_ongoing"), "1");
}

TEST_F(DutyNodesTest, WhereNobodyIsKnownNoDutyIsNotNone) {
  chain.host_state["a"] = "forgetful";
  const std::uint64_t member = chain.sync_member(4);
  std::size_t proposals = 0;
  for (std::uint64_t slot = 107; slot < 120; ++slot) proposals += chain.proposer(slot) == member ? 1 : 0;
  watch({{member, "g"}});
  run_through(102);
  EXPECT_EQ(watched("upcoming_proposals"), "none");
  EXPECT_EQ(watched("sync_committee_members", "g\",period=\"current"), "none");
  chain.host_state["a"] = "";
  run_through(103);
  EXPECT_EQ(watched("upcoming_proposals"), "none") << "records are asked for once an epoch";
  run_through(106);
  EXPECT_EQ(watched("upcoming_proposals"), std::to_string(proposals));
  EXPECT_EQ(watched("sync_committee_members", "g\",period=\"current"), "1");
}

TEST_F(DutyNodesTest, ANodeOfAnotherNetworkIsNotBelieved) {
  chain.host_state["b"] = "other_network";
  watch({{1, "g"}}, {"a", "b"});
  run_through(104);
  EXPECT_EQ(value("node_reason", "target=\"b\",reason=\"wrong_network\""), "1");
  chain.host_state["a"] = "down";
  run_through(106);
  EXPECT_EQ(plain("unknown"), "1") << "the other one is nobody's witness";
}

TEST_F(DutyNodesTest, AReorganisationChangesWhoMissedBeforeItIsSettled) {
  // Slot 109 has a block first, and then never had: one slot later, before anything is judged.
  watch({{chain.proposer(109), "g"}, {chain.proposer(110), "h"}});
  run_through(109);
  chain.empty_slots.insert(109);
  run_through(111);
  EXPECT_EQ(watched("proposals_total"), "1");
  EXPECT_EQ(watched("orphaned_proposals_total"), "1");
  EXPECT_EQ(watched("missed_proposals_total"), "0");
  ASSERT_EQ(events("orphaned_proposal").size(), 1U);
  EXPECT_EQ(events("orphaned_proposal").front().reason, "the block is not on the chain");
  EXPECT_EQ(watched("missed_proposals_total", "h"), "0");
  EXPECT_EQ(plain("reorgs_after_verdict_total"), "0");
  // Three slots deep: what was judged stays, and that is said.
  chain.fork_of[110] = chain.fork_of[111] = chain.fork_of[112] = 0;
  run_through(112);
  chain.fork_of[110] = chain.fork_of[111] = chain.fork_of[112] = 1;
  run_through(113);
  EXPECT_EQ(plain("reorgs_after_verdict_total"), "1");
  run_through(120);
  EXPECT_EQ(network("missed_attestations_total"), "0");
  EXPECT_EQ(network("wrong_head_attestations_total"), "0") << "the votes are those of the new branch";
  EXPECT_EQ(plain("unknown"), "0");
}

TEST_F(DutyNodesTest, WhatANodeDoesNotOfferIsAskedInAnotherWay) {
  chain.not_offered = {"GET /eth/v1/beacon/blinded_blocks", "POST /eth/v1/beacon/states/head/validators"};
  chain.votes[{*chain.duty(1, 13), 1}] = {.cast = false};
  watch({{1, "g"}, {2, "g"}});
  run_through(120);
  EXPECT_EQ(watched("attestations_total"), "6");
  EXPECT_EQ(watched("missed_attestations_total"), "1");
  EXPECT_EQ(network("sync_messages_total"), std::to_string(21 * 16));
}

TEST_F(DutyNodesTest, HeadersAndVotesWillDo) {
  chain.not_offered = {"GET /eth/v1/beacon/blinded_blocks", "GET /eth/v2/beacon/blocks/"};
  chain.votes[{*chain.duty(1, 12), 1}] = {.cast = false};
  watch({{1, "g"}});
  run_through(104);
  EXPECT_EQ(plain("unknown"), "1") << "no way to the votes";
  chain.not_offered.clear();
  chain.whole_blocks = false;
  run_through(112);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("attestations_total"), "2");
  EXPECT_EQ(watched("missed_attestations_total"), "1");
  EXPECT_EQ(network("proposals_total"), "13");
}

TEST_F(DutyNodesTest, CommitteesThatNameSlotAndIndexForEachOtherAreReadForWhatTheyMean) {
  chain.swaps_committees = true;
  chain.not_offered = {"POST /eth/v1/beacon/rewards"};
  chain.votes[{*chain.duty(1, 13), 1}] = {.cast = false};
  watch({{1, "g"}, {2, "g"}});
  run_through(121);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("attestations_total"), "6");
  EXPECT_EQ(watched("missed_attestations_total"), "1");
  EXPECT_EQ(network("attestations_total"), std::to_string(3 * 64));
  EXPECT_EQ(network("missed_attestations_total"), "1");
}

TEST_F(DutyNodesTest, WithoutCommitteesTheRewardsDecide) {
  chain.not_offered = {"GET /eth/v1/beacon/states/"};
  chain.votes[{*chain.duty(1, 13), 1}] = {.cast = false};
  watch({{1, "g"}, {2, "g"}});
  run_through(112);
  EXPECT_EQ(plain("unknown"), "1");
  EXPECT_EQ(value("unknown_reason", "reason=\"no_committees\""), "1");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  run_through(127);  // rewards of epoch 13 are asked in the second half of epoch 15
  EXPECT_EQ(watched("missed_attestations_total"), "1");
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(network("attestations_total"), "0") << "nobody told of the others";
}

TEST_F(DutyNodesTest, WithoutAnyWitnessNothingIsMissed) {
  chain.not_offered = {"GET /eth/v1/beacon/states/", "POST /eth/v1/beacon/rewards"};
  chain.votes[{*chain.duty(1, 13), 1}] = {.cast = false};
  watch({{1, "g"}, {2, "g"}});
  run_through(160);
  EXPECT_EQ(plain("unknown"), "1");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  EXPECT_EQ(watched("attestations_total"), "0");
  EXPECT_NE(watched("unknown_attestations_total"), "0");
}

TEST_F(DutyNodesTest, ARestartInTheMiddleOfAnEpochGoesOnFromTheBlocks) {
  chain.votes[{*chain.duty(1, 13), 1}] = {.cast = false};
  watch({{1, "g"}});
  run_through(114);
  std::string other;
  DutyLoop again(nodes, clock, clock, [&other](std::string series) { other = std::move(series); });
  HeadLoop its_heads(nodes, clock, clock,
                     {.round = [&again](const HeadRound& round) { again.take(round); }, .publish = {}});
  StakingConfig config;
  config.network.from_beacon_node = true;
  config.beacon_nodes.emplace_back();
  config.beacon_nodes.back().name = "a";
  config.beacon_nodes.back().url = "http://a";
  config.keys = keys_of({{1, "g"}});
  const auto shared = std::make_shared<Network>(config.network);
  again.configure(config, shared);
  its_heads.configure(config.beacon_nodes, shared);
  run_through(120);
  // It began in epoch 14, and judged 13, of which it saw no slot.
  const std::string labels = R"({scope="watched",group="g"})";
  EXPECT_EQ(Seen(other)["watchkeeper_duties_attestations_total" + labels], "1");
  EXPECT_EQ(Seen(other)["watchkeeper_duties_missed_attestations_total" + labels], "1");
  // With another list of keys the books begin anew.
  config.keys = keys_of({{2, "h"}});
  again.configure(config, shared);
  run_through(121);
  EXPECT_EQ(Seen(other)["watchkeeper_duties_attestations_total" + labels], "none");
  again.stop();
  other.clear();
  run_through(125);
  EXPECT_EQ(other, "");
}

TEST_F(DutyNodesTest, AClockThatIsWrongJudgesNothing) {
  watch({{1, "g"}});
  run_through(105);
  clock.step_wall(-std::chrono::minutes(10));
  const std::uint64_t slot = chain.now_slot();
  chain.host_state["a"] = "stuck";  // the node's head stays where it was, now in the future
  chain.stuck_at = 106;
  run_through(slot + 3);
  EXPECT_EQ(plain("unknown"), "1");
  EXPECT_EQ(value("node_reason", "target=\"a\",reason=\"clock_suspect\""), "1");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
}

TEST_F(DutyNodesTest, AnswersThatAreWrongAreNoAnswers) {
  watch({{1, "g"}});
  run_through(104);
  for (const char* const body : {"", "{", "[]", R"({"data":null})", R"({"data":{}})",
                                 R"({"data":{"message":{"slot":"1"}}})", "<html>", R"({"data":[{"index":1}]})"}) {
    nodes.otherwise = [&](const core::net::Request& request) {
      return request.url.find("blocks") == std::string::npos ? chain.answer_to(request) : answer(200, body);
    };
    run_through(chain.now_slot());
    EXPECT_EQ(plain("unknown"), "1") << body;
  }
  nodes.otherwise = [this](const core::net::Request& request) { return chain.answer_to(request); };
  run_through(128);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("attestations_total"), "4");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
}

TEST_F(DutyNodesTest, CommitteesOfAnotherEpochAreRefused) {
  // As a real node did at an epoch's boundary.
  nodes.otherwise = [this](const core::net::Request& request) {
    core::net::Request other = request;
    const auto at = other.url.find("epoch=13");
    if (at != std::string::npos && chain.now_slot() < 107) other.url.replace(at, 8, "epoch=12");
    return chain.answer_to(other);
  };
  watch({{1, "g"}});
  run_through(106);
  EXPECT_NE(plain("failed_requests_total"), "0");
  run_through(120);
  EXPECT_EQ(watched("attestations_total"), "3");
  EXPECT_EQ(watched("missed_attestations_total"), "0");
  EXPECT_EQ(plain("unknown"), "0");
}

TEST(AnswerReaderTest, AWholeNetworkOfValidatorsTakesTheMemoryOfTheWatched) {
  const PublicKey wanted = MadeChain::key(777);
  ValidatorsReader reader([&](const PublicKey& key) { return key == wanted; });
  ASSERT_TRUE(reader.feed(R"({"execution_optimistic":false,"data":[)"));
  const std::string head = R"({"index":")";
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const std::string one =
        fmt::format(R"({}{{"index":"{}","balance":"32000000001","status":"active_ongoing","validator":{{"pubkey":"{}",)"
                    R"("withdrawal_credentials":"0x00","effective_balance":"32000000000","slashed":false,)"
                    R"("activation_eligibility_epoch":"0","activation_epoch":"0","exit_epoch":"18446744073709551615",)"
                    R"("withdrawable_epoch":"18446744073709551615"}}}})",
                    i == 0 ? "" : ",", i, to_string(MadeChain::key(i)));
    ASSERT_TRUE(reader.feed(one));
  }
  ASSERT_TRUE(reader.feed("]}"));
  ASSERT_TRUE(reader.finish());
  ASSERT_EQ(reader.records.size(), 1U);
  EXPECT_EQ(reader.records[0].index, 777U);
  EXPECT_EQ(reader.records[0].balance_gwei, 32'000'000'001U);
  EXPECT_EQ(reader.records[0].status(5), ValidatorStatus::kActiveOngoing);
}

TEST(JsonFeedTest, AgreesWithTheOtherReaderWhateverThePieces) {
  struct Echo final : JsonEvents {
    std::string seen;
    bool begin(bool object) override { return seen += object ? "{" : "[", true; }
    bool end() override { return seen += ")", true; }
    bool key(std::string_view name) override { return seen += fmt::format("{}:", name), true; }
    bool scalar(Scalar kind, std::string_view text) override {
      return seen += fmt::format("{}<{}>", static_cast<int>(kind), text), true;
    }
  };
  const std::vector<std::string> texts = {
      R"({"a":[1,-2.5e+3,true,false,null,"x\n\"\\\u00e9\ud83d\ude00y"],"b":{"":[[],{}]}} )",
      "[]",
      "7",
      "\"t\"",
      " null ",
      "[1,2",
      "[1,]",
      "{\"a\"}",
      "{\"a\":}",
      "[01]",
      "[1.]",
      "[+1]",
      "[tru]",
      "[\"\\x\"]",
      "[\"\\ud800\"]",
      "[\"\\udc00\"]",
      "[\"\\ud800x\"]",
      "[\"a\nb\"]",
      "[] []",
      "{]",
      "",
      "]",
      "[1 2]",
      "{\"a\":1,}",
      "nul",
      "[1e]",
      "[-]",
      "\"abc",
      "{\"a\" 1}",
      std::string(65, '[') + std::string(65, ']')};
  for (const std::string& json : texts) {
    const bool valid = nlohmann::json::accept(json) && json.size() != 130;
    std::string first;
    for (std::size_t size = 1; size <= json.size() + 1; ++size) {
      Echo echo;
      JsonFeed feed(echo);
      for (std::size_t at = 0; at < json.size(); at += size) feed.feed(std::string_view(json).substr(at, size));
      EXPECT_EQ(feed.finish().has_value(), valid) << json << " in pieces of " << size;
      if (size == 1) first = echo.seen;
      if (valid) {
        EXPECT_EQ(echo.seen, first) << json;
      }
    }
  }
  Echo echo;
  JsonFeed feed(echo);
  ASSERT_TRUE(feed.feed(R"(["\u00e9\ud83d\ude00",")"));
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(feed.feed(std::string(10'000, 'x')));
  ASSERT_TRUE(feed.feed("\"]"));
  EXPECT_TRUE(feed.finish());
  EXPECT_EQ(echo.seen, "[0<\xc3\xa9\xf0\x9f\x98\x80>5<>)") << "a text beyond all bounds is passed over";
}

}  // namespace
}  // namespace collector::staking
