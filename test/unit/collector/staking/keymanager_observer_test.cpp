// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/keymanager_observer.h"

#include "staking_world.h"

namespace collector::staking {
namespace {

class KeymanagerObserverTest : public StakingWorld {
 protected:
  KeymanagerObserverTest() {
    config = read(R"({validator_clients: [
        {name: a, keymanager: {url: "http://a:5062", token_file: /t}}, {name: b, keymanager: {url: "http://b:5062"}}]})");
    client.configure(config);
    for (const std::string host : {"a", "b"}) {
      nodes.on(local(host), R"({"data":[]})");
      nodes.on("GET http://" + host + ":5062/eth/v1/remotekeys", answer(404));
    }
  }
  static std::string local(const std::string& host) { return "GET http://" + host + ":5062/eth/v1/keystores"; }
  static std::string listed(const std::vector<int>& numbers) {
    std::string text;
    for (const int number : numbers) {
      text += fmt::format(R"({}{{"derivation_path":"m/1","validating_pubkey":"{}","readonly":true}})",
                          text.empty() ? "" : ",", public_key(number));
    }
    return R"({"data":[)" + text + "]}";
  }
  Seen ask(const std::string& name = "a") { return round("/keymanager/" + name); }

  StakingConfig config;
};

TEST_F(KeymanagerObserverTest, CountsLocalAndRemoteKeys) {
  nodes.on(local("a"), listed({1, 2, 3}));
  nodes.on("GET http://a:5062/eth/v1/remotekeys",
           R"({"data":[{"pubkey":")" + public_key(3) + R"(","url":"http://w"}]})");
  ask("b");
  nodes.requests.clear();
  const std::map<std::string, std::string> expected = {
      {"watchkeeper_keymanager_up", "1"},          {"watchkeeper_keymanager_unknown", "0"},
      {"watchkeeper_keymanager_keys_known", "1"},  {"watchkeeper_keymanager_local_keys", "3"},
      {"watchkeeper_keymanager_remote_keys", "1"}, {"watchkeeper_keymanager_keys", "3"},
      {"watchkeeper_keymanager_duplicates", "0"},
  };
  const Seen seen = ask();
  EXPECT_EQ(seen.samples(), expected);
  expect_documented(seen);
  EXPECT_EQ(nodes.requests.front().credentials.token_file, "/t");
  EXPECT_TRUE(std::ranges::all_of(nodes.requests, [](const auto& request) { return request.method == "GET"; }));
}

TEST_F(KeymanagerObserverTest, OneKeyAtTwoClientsIsADuplicate) {
  nodes.on(local("a"), listed({1, 2, 3}));
  nodes.on(local("b"), listed({3, 4}));
  EXPECT_EQ(ask("a")["watchkeeper_keymanager_duplicates"], "none");  // b was not asked yet
  EXPECT_EQ(ask("b")["watchkeeper_keymanager_duplicates"], "1");
  EXPECT_EQ(ask("a")["watchkeeper_keymanager_duplicates"], "1");
  // What b lists is not known any more.
  nodes.on(local("b"), answer(500));
  EXPECT_EQ(ask("b")["watchkeeper_keymanager_duplicates"], "none");
  EXPECT_EQ(ask("a")["watchkeeper_keymanager_duplicates"], "none");
  // A reload changes nothing, and who is gone is not waited for.
  nodes.on(local("b"), listed({3, 4}));
  ask("b");
  client.configure(config);
  EXPECT_EQ(ask("a")["watchkeeper_keymanager_duplicates"], "1");
  config.validator_clients.pop_back();
  client.configure(config);
  EXPECT_EQ(ask("a")["watchkeeper_keymanager_duplicates"], "0");
}

TEST_F(KeymanagerObserverTest, MissingAndExtraAreMeasuredAgainstTheFile) {
  config.keys =
      *WatchedKeys::parse(public_key(1) + ": home\n" + public_key(2) + ": {group: home, validator_client: a}\n" +
                              public_key(3) + ": {validator_client: b}\n",
                          "keys.yml");
  client.configure(config);
  nodes.on(local("a"), listed({1, 3, 9}));
  Seen seen = ask("a");
  EXPECT_EQ(seen["watchkeeper_keymanager_missing"], "1");  // 2; 1 may be at either
  EXPECT_EQ(seen["watchkeeper_keymanager_extra"], "2");    // 3 belongs to b, 9 to nobody
  config.validator_clients.pop_back();
  client.configure(config);
  nodes.on(local("a"), listed({2}));
  EXPECT_EQ(ask("a")["watchkeeper_keymanager_missing"], "1");  // the only client is to have 1
}

TEST_F(KeymanagerObserverTest, FailuresAreNoKeys) {
  struct Case {
    Told told;
    const char* up;
    const char* reason;
  };
  const std::string good = listed({1});
  const std::vector<Case> cases = {
      {answer(401), "1", "unauthorized"},
      {answer(403), "1", "unauthorized"},
      {answer(500), "none", "server_error"},
      {late(std::chrono::hours(1)), "none", "timeout"},
      {broken("dial tcp a: connect: connection refused"), "0", "refused"},
      {broken("unable to read authorization credentials file: open /t: Permission denied"), "none", "local_file"},
      {answer(404), "none", "not_offered"},
      {answer(200, "<html>"), "none", "not_json"},
      {answer(200, good.substr(0, good.size() - 2)), "none", "not_json"},
      {answer(200, good + "x"), "none", "not_json"},
      {answer(200, "[]"), "none", "bad_answer"},
      {answer(200, "{}"), "none", "bad_answer"},
      {answer(200, R"({"data":null})"), "none", "bad_answer"},
      {answer(200, R"({"data":{}})"), "none", "bad_answer"},
      {answer(200, R"({"data":["0x12"]})"), "none", "bad_answer"},
      {answer(200, R"({"data":[{}]})"), "none", "bad_answer"},
      {answer(200, R"({"data":[{"validating_pubkey":1}]})"), "none", "bad_answer"},
      {answer(200, R"({"data":[{"validating_pubkey":"0x12"}]})"), "none", "bad_answer"},
      {answer(200, R"({"data":[{"a":{"validating_pubkey":")" + public_key(1) + "\"}}]}"), "none", "bad_answer"},
      {answer(200, R"({"data":)" + std::string(10'000, '[')), "none", "bad_answer"},
  };
  for (const Case& each : cases) {
    nodes.on(local("a"), each.told);
    const Seen seen = ask();
    expect_documented(seen);
    const std::string what = each.told.error + each.told.body.substr(0, 60) + std::to_string(each.told.status);
    EXPECT_EQ(seen["watchkeeper_keymanager_up"], each.up) << what;
    EXPECT_EQ(seen["watchkeeper_keymanager_keys_known"], "0") << what;
    EXPECT_EQ(seen[fmt::format("watchkeeper_keymanager_keys_unknown_reason{{reason=\"{}\"}}", each.reason)], "1")
        << what;
    EXPECT_EQ(seen["watchkeeper_keymanager_keys"], "none") << what;
    EXPECT_EQ(seen["watchkeeper_keymanager_duplicates"], "none") << what;
  }
  // The keys are not known either where half of them is not.
  nodes.on(local("a"), listed({1}));
  nodes.on("GET http://a:5062/eth/v1/remotekeys", answer(500));
  EXPECT_EQ(ask()["watchkeeper_keymanager_keys"], "none");
  EXPECT_EQ(ask()["watchkeeper_keymanager_up"], "1");
}

TEST_F(KeymanagerObserverTest, ALongListIsReadWhole) {
  std::vector<int> many(20'000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<int>(i);
  nodes.on(local("a"), listed(many));
  EXPECT_EQ(ask()["watchkeeper_keymanager_keys"], "20000");
}

}  // namespace
}  // namespace collector::staking
