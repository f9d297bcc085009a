// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/signer_observer.h"

#include "staking_world.h"

namespace collector::staking {
namespace {

std::string health(const char* state, const char* database, const char* keys = "UP") {
  return fmt::format(R"({{"status":"{0}","checks":[{{"id":"default-check","status":"UP"}},)"
                     R"({{"id":"keys-check/keystores-bulk-loading","status":"{2}","data":{{"keys-loaded":2}}}},)"
                     R"({{"id":"slashing-protection-db-health-check","status":"{1}"}}],"outcome":"{0}"}})",
                     state, database, keys);
}

class SignerObserverTest : public StakingWorld {
 protected:
  SignerObserverTest() {
    configure(false);
    nodes.on("GET http://s:9000/upcheck", "OK");
    nodes.on("GET http://s:9000/healthcheck", health("UP", "UP"));
    nodes.on("GET http://s:9000/api/v1/eth2/highWatermark", "{}");
    nodes.on("GET http://s:9000/api/v1/eth2/publicKeys", "[\"" + public_key(1) + "\", \"" + public_key(2) + "\"]");
  }
  void configure(bool holds_all, const std::string& keys_file = "") {
    auto config =
        read(fmt::format("{{signers: [{{name: s, url: \"http://s:9000\", holds_all_keys: {}}}]}}", holds_all));
    if (!keys_file.empty()) config.keys = *WatchedKeys::parse(keys_file, "keys.yml");
    client.configure(config);
  }
  Seen ask() { return round("/signer/s"); }
};

TEST_F(SignerObserverTest, TellsOfEveryPart) {
  const std::map<std::string, std::string> expected = {
      {"watchkeeper_signer_up", "1"},
      {"watchkeeper_signer_unknown", "0"},
      {"watchkeeper_signer_healthy", "1"},
      {"watchkeeper_signer_check_up{check=\"default-check\"}", "1"},
      {"watchkeeper_signer_check_up{check=\"keys-check/keystores-bulk-loading\"}", "1"},
      {"watchkeeper_signer_check_up{check=\"slashing-protection-db-health-check\"}", "1"},
      {"watchkeeper_signer_slashing_protection_enabled", "1"},
      {"watchkeeper_signer_high_watermark_set", "0"},
      {"watchkeeper_signer_keys_known", "1"},
      {"watchkeeper_signer_keys", "2"},
  };
  const Seen seen = ask();
  EXPECT_EQ(seen.samples(), expected);
  expect_documented(seen);
  for (const auto& request : nodes.requests) {
    EXPECT_EQ(request.method, "GET") << request.url;
    EXPECT_FALSE(request.follow_redirects);
  }
}

TEST_F(SignerObserverTest, APartThatIsDownLeavesTheSignerUp) {
  nodes.on("GET http://s:9000/healthcheck", answer(503, health("DOWN", "DOWN")));
  const Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_signer_up"], "1");
  EXPECT_EQ(seen["watchkeeper_signer_healthy"], "0");
  EXPECT_EQ(seen["watchkeeper_signer_check_up{check=\"slashing-protection-db-health-check\"}"], "0");
  EXPECT_EQ(seen["watchkeeper_signer_slashing_protection_enabled"], "1");
  nodes.on("GET http://s:9000/healthcheck",
           R"({"status":"UP","checks":[{"id":"default-check","status":"UP"}],"outcome":"UP"})");
  EXPECT_EQ(ask()["watchkeeper_signer_slashing_protection_enabled"], "0");
}

TEST_F(SignerObserverTest, WhatItDoesNotTellIsAbsent) {
  const std::vector<Told> answers = {answer(404),
                                     answer(503, "busy"),
                                     answer(503, health("UP", "UP")),
                                     answer(200, health("DOWN", "UP")),
                                     answer(200, R"({"status":"UP","checks":[{"id":1}]})"),
                                     answer(200, R"({"checks":[]})"),
                                     answer(302),
                                     late(std::chrono::hours(1))};
  for (const Told& told : answers) {
    nodes.on("GET http://s:9000/healthcheck", told);
    const Seen seen = ask();
    EXPECT_EQ(seen["watchkeeper_signer_up"], "1") << told.body;
    EXPECT_EQ(seen["watchkeeper_signer_healthy"], "none") << told.body;
    EXPECT_EQ(seen["watchkeeper_signer_slashing_protection_enabled"], "none") << told.body;
  }
}

TEST_F(SignerObserverTest, UpIsWhatUpcheckSays) {
  struct Case {
    Told told;
    const char* up;
    const char* reason;
  };
  const std::vector<Case> cases = {
      {answer(200, "OK\n"), "1", ""},
      {answer(200, "<html>"), "none", "bad_answer"},
      {answer(500), "0", "server_error"},
      {answer(403), "none", "unauthorized"},
      {answer(404), "none", "not_offered"},
      {broken("dial tcp s: connect: connection refused"), "0", "refused"},
      {late(std::chrono::hours(1)), "0", "timeout"},
  };
  for (const Case& each : cases) {
    nodes.on("GET http://s:9000/upcheck", each.told);
    const Seen seen = ask();
    EXPECT_EQ(seen["watchkeeper_signer_up"], each.up) << each.reason;
    if (std::string_view(each.reason).empty()) continue;
    EXPECT_EQ(seen[fmt::format("watchkeeper_signer_failure_reason{{reason=\"{}\"}}", each.reason)], "1");
    EXPECT_EQ(seen["watchkeeper_signer_keys"], "none") << each.reason;
  }
}

TEST_F(SignerObserverTest, TheWatermarkIsAFence) {
  nodes.on("GET http://s:9000/api/v1/eth2/highWatermark", R"({"epoch":"30","slot":"960"})");
  Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_signer_high_watermark_set"], "1");
  EXPECT_EQ(seen["watchkeeper_signer_high_watermark_epoch"], "30");
  EXPECT_EQ(seen["watchkeeper_signer_high_watermark_slot"], "960");
  expect_documented(seen);
  for (const char* const body : {R"({"epoch":"x","slot":null})", "[]", "nothing"}) {
    nodes.on("GET http://s:9000/api/v1/eth2/highWatermark", body);
    EXPECT_EQ(ask()["watchkeeper_signer_high_watermark_set"], "none") << body;
  }
}

TEST_F(SignerObserverTest, KeysAreMeasuredAgainstTheFile) {
  const std::string file = public_key(1) + ": home\n" + public_key(3) + ": home\n" + public_key(4) + ": away\n";
  configure(false, file);
  Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_signer_extra"], "1");
  EXPECT_EQ(seen["watchkeeper_signer_missing"], "none");
  configure(true, file);
  seen = ask();
  EXPECT_EQ(seen["watchkeeper_signer_missing"], "2");
  expect_documented(seen);
  for (const std::string& body :
       {std::string("[\"0x12\"]"), "[\"" + public_key(1) + "\"", "[\"" + public_key(1) + "\",]",
        "[\"" + public_key(1) + "\"] x", std::string("{}"), std::string(), std::string("[1]")}) {
    nodes.on("GET http://s:9000/api/v1/eth2/publicKeys", body);
    EXPECT_EQ(ask()["watchkeeper_signer_keys_known"], "0") << body;
    EXPECT_EQ(ask()["watchkeeper_signer_missing"], "none") << body;
  }
  nodes.on("GET http://s:9000/api/v1/eth2/publicKeys", " [ ] ");
  EXPECT_EQ(ask()["watchkeeper_signer_keys"], "0");
}

class BuilderObserverTest : public StakingWorld {
 protected:
  BuilderObserverTest() {
    client.configure(read(R"({
        mev_boosts: [{name: a, url: "http://m:18550", relay_check: true}, {name: b, url: "http://n:18550"}],
        relays: [{name: r, url: "https://0xac6e77@relay.test"}]})"));
    nodes.on(kBoost, answer(200));
    nodes.on("GET http://n:18550/eth/v1/builder/status", answer(200));
    nodes.on(kRelay, answer(200));
  }
  static constexpr const char* kBoost = "GET http://m:18550/eth/v1/builder/status";
  static constexpr const char* kRelay = "GET https://relay.test/eth/v1/builder/status";
};

TEST_F(BuilderObserverTest, SaysWhetherARelayIsWellWhereThatIsAsked) {
  Seen seen = round("/mev_boost/a");
  const std::map<std::string, std::string> expected = {{"watchkeeper_mevboost_up", "1"},
                                                       {"watchkeeper_mevboost_unknown", "0"},
                                                       {"watchkeeper_mevboost_relay_available", "1"},
                                                       {"watchkeeper_mevboost_status_seconds", "0.02"}};
  EXPECT_EQ(seen.samples(), expected);
  expect_documented(seen);
  EXPECT_EQ(round("/mev_boost/b")["watchkeeper_mevboost_relay_available"], "none") << "it asks none";
  nodes.on(kBoost, answer(503, R"({"code":503,"message":"all relays are unavailable"})"));
  seen = round("/mev_boost/a");
  EXPECT_EQ(seen["watchkeeper_mevboost_up"], "1");
  EXPECT_EQ(seen["watchkeeper_mevboost_relay_available"], "0");
  nodes.on(kBoost, answer(503, "bad gateway"));
  seen = round("/mev_boost/a");
  EXPECT_EQ(seen["watchkeeper_mevboost_up"], "0");
  EXPECT_EQ(seen["watchkeeper_mevboost_failure_reason{reason=\"server_error\"}"], "1");
  EXPECT_EQ(seen["watchkeeper_mevboost_relay_available"], "none");
  nodes.on(kBoost, answer(404));
  EXPECT_EQ(round("/mev_boost/a")["watchkeeper_mevboost_unknown"], "1");
}

TEST_F(BuilderObserverTest, ARelayIsAskedWithoutItsKey) {
  Seen seen = round("/relay/r");
  EXPECT_EQ(seen["watchkeeper_relay_up"], "1");
  expect_documented(seen);
  EXPECT_EQ(nodes.requests.back().url.find("ac6e77"), std::string::npos);
  nodes.on(kRelay, answer(503, R"({"code":503,"message":"down"})"));
  EXPECT_EQ(round("/relay/r")["watchkeeper_relay_up"], "0");
}

TEST_F(BuilderObserverTest, WrongAddressesAreRefused) {
  EXPECT_NE(problem("{relays: [{name: r, url: 'https://user:pw@relay.test'}]}").find("without a user"),
            std::string::npos);
  EXPECT_NE(problem("{signers: [{name: s, url: 'http://s?x=1'}]}").find("without a query"), std::string::npos);
  EXPECT_NE(problem("{signers: [{name: s, url: 'http://s'}, {name: s, url: 'http://t'}]}").find("two nodes \"s\""),
            std::string::npos);
  EXPECT_NE(problem("{mev_boosts: [{name: 'a b', url: 'http://s'}]}").find("expected letters"), std::string::npos);
}

}  // namespace
}  // namespace collector::staking
