// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/beacon_observer.h"

#include "staking_world.h"

namespace collector::staking {
namespace {

constexpr std::string_view kRoot = "0x1111111111111111111111111111111111111111111111111111111111111111";
constexpr std::string_view kOther = "0x2222222222222222222222222222222222222222222222222222222222222222";

// A chain of 12-second slots and 32-slot epochs, in its slot 1000 when the clock starts.
class BeaconObserverTest : public StakingWorld {
 protected:
  BeaconObserverTest() {
    client.configure(read(R"({network: {from_beacon_node: true}, beacon_nodes: [{name: a, url: "http://a:5052/"}]})"));
    healthy("a");
  }

  std::int64_t genesis() const { return 1'700'000'000 - 12'000; }
  std::string genesis_text(std::string_view root) const {
    return fmt::format(R"({{"data":{{"genesis_time":"{}","genesis_validators_root":"{}"}}}})", genesis(), root);
  }
  static std::string syncing_text(std::string_view head, std::string_view rest = R"(,"is_syncing":false)") {
    return fmt::format(R"({{"data":{{"head_slot":{},"sync_distance":"0"{}}}}})", head, rest);
  }
  void healthy(const std::string& host) {
    const std::string base = "GET http://" + host + ":5052/eth/v1/";
    nodes.on(base + "node/syncing",
             syncing_text("\"999\"", R"(,"is_syncing":false,"is_optimistic":false,"el_offline":false)"));
    nodes.on(base + "beacon/genesis", genesis_text(kRoot));
    nodes.on(base + "node/health", answer(200));
    nodes.on(base + "node/peer_count", R"({"data":{"connected":"28","connecting":"0"}})");
    nodes.on(base + "beacon/states/head/finality_checkpoints",
             R"({"data":{"current_justified":{"epoch":"30","root":"0x00"},"finalized":{"epoch":"29","root":")" +
                 std::string(kOther) + R"("}}})");
    nodes.on(base + "beacon/states/head/fork",
             R"({"data":{"previous_version":"0x01000000","current_version":"0x02000000","epoch":"20"}})");
    nodes.on(base + "config/fork_schedule", schedule("20", "40"));
    nodes.on(base + "node/version", R"({"data":{"version":"Some/v1 \"x\""}})");
    nodes.on(base + "config/spec",
             R"({"data":{"SECONDS_PER_SLOT":"12","SLOTS_PER_EPOCH":"32","DEPOSIT_CHAIN_ID":"5"}})");
  }
  // Two forks at genesis, as test networks have them, and one that is not planned.
  static std::string schedule(std::string_view second, std::string_view third) {
    std::string forks;
    for (const auto& [epoch, version] :
         {std::pair<std::string_view, int>{"0", 0}, {"0", 1}, {second, 2}, {third, 3}, {"18446744073709551615", 4}}) {
      forks += fmt::format(R"({}{{"current_version":"0x0{}000000","epoch":"{}"}})", forks.empty() ? "" : ",", version,
                           epoch);
    }
    return "{\"data\":[" + forks + "]}";
  }
  Seen ask(const std::string& host = "a") { return round("/beacon/" + host); }
  static std::string reason(const Seen& seen) {
    for (const auto& [series, value] : seen.samples()) {
      if (series.starts_with("watchkeeper_beacon_failure_reason")) return series.substr(42, series.size() - 44);
    }
    return "none";
  }
  const std::string kSyncing = "GET http://a:5052/eth/v1/node/syncing";
};

TEST_F(BeaconObserverTest, TellsWhatAHealthyNodeSays) {
  const Seen seen = ask();
  const std::map<std::string, std::string> expected = {
      {"watchkeeper_beacon_up", "1"},
      {"watchkeeper_beacon_unknown", "0"},
      {"watchkeeper_beacon_network_mismatch", "0"},
      {"watchkeeper_beacon_health_code", "200"},
      {"watchkeeper_beacon_clock_known", "1"},
      {"watchkeeper_beacon_clock_suspect", "0"},
      {"watchkeeper_beacon_head_slot", "999"},
      {"watchkeeper_beacon_sync_distance", "0"},
      {"watchkeeper_beacon_syncing", "0"},
      {"watchkeeper_beacon_optimistic", "0"},
      {"watchkeeper_beacon_el_offline", "0"},
      {"watchkeeper_beacon_wall_slot", "1000"},
      {"watchkeeper_beacon_head_age_slots", "1"},
      {"watchkeeper_beacon_finalized_epoch", "29"},
      {"watchkeeper_beacon_justified_epoch", "30"},
      {"watchkeeper_beacon_finality_distance_epochs", "2"},
      {"watchkeeper_beacon_finalized_root", std::to_string(0x222222222222)},
      {"watchkeeper_beacon_fork_version", std::to_string(0x02000000)},
      {"watchkeeper_beacon_fork_scheduled", "1"},
      {"watchkeeper_beacon_fork_schedule_known", "1"},
      {"watchkeeper_beacon_next_fork_epoch", "40"},
      {"watchkeeper_beacon_peers", "28"},
      {R"(watchkeeper_beacon_info{version="Some/v1 \"x\""})", "1"},
  };
  EXPECT_EQ(seen.samples(), expected);
  expect_documented(seen);
}

TEST_F(BeaconObserverTest, TheForkIsComparedWithTheScheduleOfTheNode) {
  const std::string fork = "GET http://a:5052/eth/v1/beacon/states/head/fork";
  const std::string forks = "GET http://a:5052/eth/v1/config/fork_schedule";
  nodes.on(fork, R"({"data":{"current_version":"0x01000000","epoch":"0"}})");
  EXPECT_EQ(ask()["watchkeeper_beacon_fork_scheduled"], "0");
  const auto anew = [this] {  // a failure, after which the schedule is read again
    nodes.on(kSyncing, answer(500));
    ask();
    nodes.on(kSyncing, syncing_text("\"999\""));
    return ask();
  };
  nodes.on(forks, schedule("20", "31"));  // of the running epoch
  EXPECT_EQ(anew()["watchkeeper_beacon_next_fork_epoch"], "none") << "no other one is planned";
  for (const char* const bad : {"{}", R"({"data":[]})", R"({"data":[{"epoch":"0"}]})", "<html>",
                                R"({"data":[{"epoch":"1","current_version":"0x00000000"}]})",
                                R"({"data":[{"epoch":"0","current_version":"0x0000"}]})"}) {
    nodes.on(forks, bad);
    const Seen seen = anew();
    EXPECT_EQ(seen["watchkeeper_beacon_fork_schedule_known"], "none") << bad;
    EXPECT_EQ(seen["watchkeeper_beacon_fork_scheduled"], "none") << bad;
    EXPECT_EQ(seen["watchkeeper_beacon_up"], "1") << bad;
  }
  nodes.on(fork, R"({"data":{"current_version":"two"}})");
  EXPECT_EQ(ask()["watchkeeper_beacon_fork_version"], "none");
}

TEST_F(BeaconObserverTest, TheSpecificationIsReadOnceAndAgainAfterAFailure) {
  const auto asked = [&] {
    return std::ranges::count(nodes.requests, std::string("http://a:5052/eth/v1/config/spec"),
                              &core::net::Request::url);
  };
  ask();
  ask();
  EXPECT_EQ(asked(), 1);
  nodes.on(kSyncing, broken("dial tcp a: connect: connection refused"));
  EXPECT_EQ(ask()["watchkeeper_beacon_up"], "0");
  healthy("a");
  EXPECT_EQ(ask()["watchkeeper_beacon_head_age_slots"], "2");
  EXPECT_EQ(asked(), 2);
}

TEST_F(BeaconObserverTest, FailuresAreDownOrUnknownAndNeverUp) {
  struct Case {
    Told told;
    const char* up;
    const char* reason;
  };
  const std::vector<Case> cases = {
      {broken("dial tcp 1.2.3.4:5052: connect: connection refused"), "0", "refused"},
      {broken("dial tcp 1.2.3.4:5052: connect: no route to host"), "none", "unreachable"},
      {broken("dial tcp: lookup a: no such host"), "none", "no_address"},
      {broken("EOF"), "0", "closed"},
      {broken("tls: failed to verify certificate: x509: certificate is not valid for a"), "none", "tls"},
      {broken("3 transfers at once", core::Errc::kLimitExceeded), "none", "overloaded"},
      {late(std::chrono::hours(1)), "0", "timeout"},
      {answer(500, R"({"code":500})"), "0", "server_error"},
      {answer(503), "0", "server_error"},
      {answer(401), "none", "unauthorized"},
      {answer(403), "none", "unauthorized"},
      {answer(404), "none", "not_offered"},
      {answer(301), "none", "redirected"},
      {answer(204), "none", "http_status"},
      {answer(200, "<html>hello</html>"), "none", "not_json"},
      {answer(200, ""), "none", "not_json"},
      {answer(200, R"({"data":{"head_slot":"999","is_sync)"), "none", "not_json"},
      {answer(200, "\xff\xfe"), "none", "not_json"},
      {answer(200, std::string(100'000, '[')), "none", "not_json"},
      {answer(200, std::string(200, '[') + std::string(200, ']')), "none", "not_json"},
      {answer(200, "[]"), "none", "bad_answer"},
      {answer(200, "null"), "none", "bad_answer"},
      {answer(200, R"({"data":null})"), "none", "bad_answer"},
      {answer(200, R"({"data":[{"head_slot":"1"}]})"), "none", "bad_answer"},
      {answer(200, syncing_text("\"999\"", "")), "none", "bad_answer"},
      {answer(200, syncing_text("\"999\"", R"(,"is_syncing":"false")")), "none", "bad_answer"},
      {answer(200, syncing_text("-1")), "none", "bad_answer"},
      {answer(200, syncing_text("9.5")), "none", "bad_answer"},
      {answer(200, syncing_text("\"99999999999999999999\"")), "none", "bad_answer"},
      {answer(200, syncing_text("\" 999\"")), "none", "bad_answer"},
      {answer(200, syncing_text("\"0x3e7\"")), "none", "bad_answer"},
      {answer(200, syncing_text("true")), "none", "bad_answer"},
      {answer(200, std::string(2 << 20, ' ')), "none", "body_too_large"},
  };
  for (const Case& each : cases) {
    nodes.on(kSyncing, each.told);
    const Seen seen = ask();
    const std::string what = each.told.error + each.told.body.substr(0, 80) + std::to_string(each.told.status);
    EXPECT_EQ(seen["watchkeeper_beacon_up"], each.up) << what;
    EXPECT_EQ(seen["watchkeeper_beacon_unknown"], std::string(each.up) == "none" ? "1" : "0") << what;
    EXPECT_EQ(reason(seen), each.reason) << what;
    EXPECT_EQ(seen["watchkeeper_beacon_head_slot"], "none") << what;
  }
}

TEST_F(BeaconObserverTest, NumbersMayBeNumbersAndOldClientsKnowLess) {
  nodes.on(kSyncing, syncing_text("998"));
  const Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_beacon_up"], "1");
  EXPECT_EQ(seen["watchkeeper_beacon_head_slot"], "998");
  EXPECT_EQ(seen["watchkeeper_beacon_optimistic"], "none");
  EXPECT_EQ(seen["watchkeeper_beacon_el_offline"], "none");
}

TEST_F(BeaconObserverTest, ANodeOfAnotherNetworkIsRefused) {
  client.configure(read(fmt::format(
      R"({{network: {{genesis_validators_root: "{}"}}, beacon_nodes: [{{name: a, url: "http://a:5052"}}]}})", kOther)));
  const Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_beacon_up"], "none");
  EXPECT_EQ(seen["watchkeeper_beacon_unknown"], "1");
  EXPECT_EQ(seen["watchkeeper_beacon_network_mismatch"], "1");
  EXPECT_EQ(reason(seen), "wrong_network");
  EXPECT_EQ(seen["watchkeeper_beacon_head_slot"], "none");
  EXPECT_EQ(seen["watchkeeper_beacon_peers"], "none");
}

TEST_F(BeaconObserverTest, TheFirstNodeDecidesWhereTheConfigurationDoesNot) {
  client.configure(read(R"({network: {from_beacon_node: true},
      beacon_nodes: [{name: a, url: "http://a:5052"}, {name: b, url: "http://b:5052"}]})"));
  healthy("b");
  nodes.on("GET http://b:5052/eth/v1/beacon/genesis", genesis_text(kOther));
  EXPECT_EQ(ask("a")["watchkeeper_beacon_network_mismatch"], "0");
  EXPECT_EQ(ask("b")["watchkeeper_beacon_network_mismatch"], "1");
  EXPECT_EQ(ask("a")["watchkeeper_beacon_network_mismatch"], "0");
}

TEST_F(BeaconObserverTest, WithoutAGenesisTheNetworkIsNotVerified) {
  for (const Told& told : {answer(404), answer(200, "{}"), answer(200, genesis_text("0x12"))}) {
    nodes.on("GET http://a:5052/eth/v1/beacon/genesis", told);
    const Seen seen = ask();
    EXPECT_EQ(seen["watchkeeper_beacon_up"], "none");
    EXPECT_EQ(reason(seen), "network_unverified");
    EXPECT_EQ(seen["watchkeeper_beacon_network_mismatch"], "none");
  }
}

TEST_F(BeaconObserverTest, WithoutAClockNothingIsSaidThatNeedsOne) {
  for (const char* const spec :
       {R"({"data":{"SLOTS_PER_EPOCH":"32"}})", R"({"data":{"SECONDS_PER_SLOT":"12"}})",
        R"({"data":{"SECONDS_PER_SLOT":"0","SLOTS_PER_EPOCH":"32"}})",
        R"({"data":{"SECONDS_PER_SLOT":"12","SLOT_DURATION_MS":"6000","SLOTS_PER_EPOCH":"32"}})",
        R"({"data":{"SECONDS_PER_SLOT":"18446744073709551615","SLOTS_PER_EPOCH":"32"}})", "nonsense"}) {
    nodes.on("GET http://a:5052/eth/v1/config/spec", spec);
    const Seen seen = ask();
    EXPECT_EQ(seen["watchkeeper_beacon_up"], "1") << spec;
    EXPECT_EQ(seen["watchkeeper_beacon_clock_known"], "0") << spec;
    EXPECT_EQ(seen["watchkeeper_beacon_head_age_slots"], "none") << spec;
    EXPECT_EQ(seen["watchkeeper_beacon_finality_distance_epochs"], "none") << spec;
    EXPECT_EQ(seen["watchkeeper_beacon_head_slot"], "999") << spec;
  }
  nodes.on("GET http://a:5052/eth/v1/config/spec", R"({"data":{"SLOT_DURATION_MS":6500,"SLOTS_PER_EPOCH":32}})");
  const auto slot = std::to_string((clock.unix_ms() - genesis() * 1000) / 6500);
  EXPECT_EQ(ask()["watchkeeper_beacon_wall_slot"], slot);
}

TEST_F(BeaconObserverTest, AClockThatIsOffIsToldAndGivesNoAge) {
  ask();
  clock.step_wall(std::chrono::hours(-1));
  const Seen behind = ask();
  EXPECT_EQ(behind["watchkeeper_beacon_clock_suspect"], "1");
  EXPECT_EQ(behind["watchkeeper_beacon_head_age_slots"], "none");
  EXPECT_EQ(behind["watchkeeper_beacon_finality_distance_epochs"], "none");
  clock.step_wall(std::chrono::hours(-100));
  const Seen before_genesis = ask();
  EXPECT_EQ(before_genesis["watchkeeper_beacon_up"], "1");
  EXPECT_EQ(before_genesis["watchkeeper_beacon_wall_slot"], "none");
  EXPECT_EQ(before_genesis["watchkeeper_beacon_head_age_slots"], "none");
  nodes.on(kSyncing, syncing_text("\"18446744073709551615\""));
  EXPECT_EQ(ask()["watchkeeper_beacon_head_age_slots"], "none");
}

TEST_F(BeaconObserverTest, WhatSideQuestionsMissIsAbsent) {
  const std::string base = "GET http://a:5052/eth/v1/";
  nodes.on(base + "node/peer_count", answer(500));
  nodes.on(base + "beacon/states/head/finality_checkpoints", R"({"data":{"finalized":{"epoch":"x"}}})");
  nodes.on(base + "node/version", late(std::chrono::hours(1)));
  nodes.on(base + "node/health", answer(206));
  const Seen seen = ask();
  EXPECT_EQ(seen["watchkeeper_beacon_up"], "1");
  EXPECT_EQ(seen["watchkeeper_beacon_health_code"], "206");
  EXPECT_EQ(seen["watchkeeper_beacon_peers"], "none");
  EXPECT_EQ(seen["watchkeeper_beacon_finalized_epoch"], "none");
}

TEST_F(BeaconObserverTest, ASlotHasItsTimesAndItsEpoch) {
  const SlotClock slots(1'000'000, 3000, 8);
  EXPECT_EQ(slots.slot_at(core::from_unix_ms(999'999)), std::nullopt);
  EXPECT_EQ(slots.slot_at(core::from_unix_ms(1'000'000)), Slot{0});
  EXPECT_EQ(slots.slot_at(core::from_unix_ms(1'251'000)), Slot{83});
  EXPECT_EQ(slots.epoch_of(Slot{83}), Epoch{10});
  EXPECT_EQ(slots.start_ms(Slot{83}), 1'249'000);
}

}  // namespace
}  // namespace collector::staking
