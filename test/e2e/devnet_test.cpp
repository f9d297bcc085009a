// SPDX-License-Identifier: Apache-2.0
// The agent beside a real proof-of-stake network whose nodes and clients are killed and frozen; not part of the plain
// test run: `./dev test --devnet DIR`. What the agent says in each slot is compared with what was done to the network,
// and its verdicts with the blocks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fmt/format.h>

#include "test/e2e/agent_process.h"
#include "test/e2e/devnet.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::eventually;
using test_support::http_get;

constexpr std::int64_t kEpoch = Devnet::kSlotsPerEpoch;
// When a slot's block and most of its votes should be there.
constexpr double kLate = 0.8;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

using Duty = std::pair<std::uint64_t, std::uint64_t>;  // slot and validator

class DevnetTest : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path scripts = environment("WATCHKEEPER_DEVNET");
    if (scripts.empty()) GTEST_SKIP() << "WATCHKEEPER_DEVNET names no folder with a devnet.sh";
    if (!fs::exists(scripts / "devnet.sh")) GTEST_SKIP() << scripts << " has no devnet.sh";
    const fs::path programs = environment("DEVNET_ROOT");
    if (!fs::exists(programs / "ld" / "node_modules")) {
      GTEST_SKIP() << "DEVNET_ROOT names no folder with the programs that " << scripts << "/setup-lodestar.sh installs";
    }
    for (const char* const node : {"bn0", "bn1", "bn2"}) {
      ASSERT_EQ(http_get(Devnet::port_of(node), "/eth/v1/node/version").status, 0)
          << "port " << Devnet::port_of(node) << " is taken: another such network runs";
    }
    net_ = std::make_unique<Devnet>(scripts, programs, work_ / "net");
    ASSERT_TRUE(net_->start()) << net_->text();
    configure();
    agent_ = std::make_unique<AgentProcess>(work_ / "agent.yml", work_ / "data");
    ASSERT_TRUE(agent_->ready()) << agent_->process().log_text();
  }
  void TearDown() override { net_.reset(); }

  void configure() const {
    std::string keys;
    std::uint64_t index = 0;
    for (const std::string& key : net_->keys()) {
      const bool ours = index++ >= Devnet::kOperatorFirst;
      keys += fmt::format("- {{pubkey: \"{}\", labels: {{group: {}}}{}}}\n", key, ours ? "ours" : "others",
                          ours ? ", validator_client: vcA" : "");
    }
    test_support::write_file(work_ / "keys.yml", keys);
    std::string config =
        "ring: {size: 16MiB}\nstaking:\n  network: {from_beacon_node: true}\n  interval: 1s\n  timeout: 1s\n"
        "  validators: {keys_file: keys.yml}\n  execution_nodes: [{name: el, url: \"http://127.0.0.1:18545\"}]\n"
        "  beacon_nodes:\n";
    for (const char* const node : {"bn0", "bn1", "bn2"}) {
      config += fmt::format("  - {{name: {}, url: \"http://127.0.0.1:{}\"}}\n", node, Devnet::port_of(node));
    }
    config += "  validator_clients:\n";
    for (const auto& [client, port] : {std::pair{"vcA", 15062}, {"vcB", 15072}}) {
      config += fmt::format(
          "  - {{name: {0}, keymanager: {{url: \"http://127.0.0.1:{1}\", token_file: {2}/{0}/data/"
          "validator-db/api-token.txt}}}}\n",
          client, port, net_->run_folder().string());
    }
    test_support::write_file(work_ / "agent.yml", config);
  }

  // -1: there is none now.
  double value(const std::string& query) const {
    const json data = api_get(agent_->port(), "/api/v1/query?query=" + encode(query));
    if (!data.is_object() || data["result"].size() != 1) return -1;
    return std::stod(data["result"][0]["value"][1].get<std::string>());
  }
  double of_node(const std::string& metric, const std::string& node) const {
    return value("watchkeeper_" + metric + "{node=\"" + node + "\",job=~\"staking.*\"}");
  }
  double duties(const std::string& metric, const std::string& group) const {
    return value("watchkeeper_duties_" + metric + "{group=\"" + group + "\"}");
  }
  bool says(const std::string& reason_metric, const std::string& node, const std::string& reason) const {
    return value("watchkeeper_" + reason_metric + "{node=\"" + node + "\",reason=\"" + reason + "\"}") == 1;
  }
  // Until a moment of a slot; meanwhile it is written down who is to propose.
  bool wait_for(std::int64_t slot, double phase) const {
    for (std::int64_t each = net_->slot_now() + 1; each < slot; ++each) {
      if (!net_->wait_for(each, 0.5)) return false;
      if (nodes_run_) net_->note_proposers();
    }
    const bool there = net_->wait_for(slot, phase);
    if (nodes_run_) net_->note_proposers();
    return there;
  }
  // Late in each of these slots.
  template <class Check>
  void in_slots(std::int64_t first, std::int64_t last, Check check) const {
    for (std::int64_t slot = first; slot <= last; ++slot) {
      ASSERT_TRUE(wait_for(slot, kLate));
      SCOPED_TRACE(fmt::format("slot {}", slot));
      check(slot);
    }
  }
  // The node's head is what it says itself, however many slots are empty.
  void expect_up(const std::string& node, std::int64_t slot) const {
    EXPECT_EQ(of_node("beacon_up", node), 1) << node;
    EXPECT_EQ(of_node("beacon_syncing", node), 0) << node;
    double head = -1;
    EXPECT_TRUE(eventually(std::chrono::milliseconds(1500),
                           [&] {
                             head = Devnet::head_of(node);
                             return of_node("beacon_head_slot", node) == head;
                           }))
        << node << ": " << head;
    EXPECT_EQ(of_node("beacon_wall_slot", node), static_cast<double>(slot)) << node;
    EXPECT_EQ(of_node("beacon_head_age_slots", node), static_cast<double>(slot) - head) << node;
  }
  void expect_down(const std::string& node, const std::string& reason) const {
    EXPECT_EQ(of_node("beacon_up", node), 0) << node;
    EXPECT_TRUE(says("beacon_failure_reason", node, reason)) << node << " is not " << reason;
    EXPECT_EQ(of_node("beacon_head_slot", node), -1) << node << ": nothing is said of what is not known";
  }
  void expect_known() const {
    EXPECT_EQ(value("watchkeeper_duties_unknown"), 0) << api_get(agent_->port(),
                                                                 "/api/v1/query?query=watchkeeper_duties_"
                                                                 "unknown_reason")
                                                             .dump();
  }

  // Before genesis there is no slot, and no verdict.
  void before_genesis();
  void while_all_is_well(std::int64_t first, std::int64_t last);
  void a_killed_client_and_a_frozen_node(std::int64_t first);
  void all_nodes_frozen(std::int64_t first);
  void the_same_keys_in_two_clients(std::int64_t first);
  void a_killed_node(std::int64_t first);
  void verdicts_are_those_of_the_blocks();
  void missed_proposals_are_empty_slots();
  std::set<Duty> events(const std::set<std::string>& kinds) const;

  const fs::path work_ = test_support::fresh_folder("devnet");
  std::unique_ptr<Devnet> net_;
  std::unique_ptr<AgentProcess> agent_;
  bool nodes_run_ = true;
};

void DevnetTest::before_genesis() {
  if (net_->slot_now() >= 0) return;  // a slow start
  ASSERT_TRUE(eventually(seconds(10), [this] { return of_node("beacon_up", "bn2") == 1; }))
      << agent_->process().log_text();
  if (net_->slot_now() >= 0) return;
  EXPECT_EQ(value("watchkeeper_duties_judged_epoch"), -1);
  EXPECT_EQ(std::max(0.0, duties("missed_attestations_total", "ours")), 0);
}

void DevnetTest::while_all_is_well(std::int64_t first, std::int64_t last) {
  in_slots(first, last, [this](std::int64_t slot) {
    for (const char* const node : {"bn0", "bn1", "bn2"}) {
      expect_up(node, slot);
      EXPECT_EQ(of_node("events_connected", node), 1) << node;
      EXPECT_EQ(of_node("events_head_slot", node), Devnet::head_of(node)) << node;
      EXPECT_EQ(of_node("beacon_peers", node), 2) << node;
    }
    // Epoch 0 is over, and nobody told its committees: an answer of which one cannot see that slots and indices are
    // exchanged in it is not taken.
    if (slot < 2 * kEpoch) {
      expect_known();
    } else if (slot > 2 * kEpoch + 1) {
      EXPECT_EQ(value("watchkeeper_duties_unknown_reason{reason=\"no_committees\"}"), 1);
    }
    EXPECT_EQ(of_node("keymanager_keys", "vcA"), 4);
    EXPECT_EQ(of_node("keymanager_missing", "vcA"), 0);
    EXPECT_EQ(of_node("keymanager_unknown", "vcB"), 1) << "it never ran: its token is not there";
    EXPECT_EQ(of_node("keymanager_duplicates", "vcA"), -1) << "not all were heard";
    // Its chain is not the one that the beacon nodes deposit to.
    EXPECT_EQ(of_node("execution_network_mismatch", "el"), 1);
    EXPECT_EQ(value("watchkeeper_beacon_roots_differ"), 0);
    EXPECT_EQ(duties("missed_attestations_total", "ours"), 0);
    EXPECT_EQ(duties("validators", "ours\",status=\"active_ongoing"), 4);
    EXPECT_EQ(duties("validators", "others\",status=\"active_ongoing"), 12);
  });
}

// The client's keys miss while it is gone; the frozen node is down, and in nobody's way.
void DevnetTest::a_killed_client_and_a_frozen_node(std::int64_t first) {
  ASSERT_TRUE(wait_for(first, 0));
  ASSERT_TRUE(net_->signal("vcA", "KILL")) << net_->text();
  EXPECT_TRUE(eventually(seconds(4), [this] { return of_node("keymanager_up", "vcA") == 0; }));
  EXPECT_TRUE(says("keymanager_failure_reason", "vcA", "refused"));
  ASSERT_TRUE(net_->signal("bn2", "STOP")) << net_->text();
  EXPECT_TRUE(eventually(seconds(4), [this] { return of_node("beacon_up", "bn2") == 0; }));
  in_slots(first + 2, first + kEpoch - 1, [this](std::int64_t slot) {
    expect_up("bn0", slot);
    expect_up("bn1", slot);
    expect_down("bn2", "timeout");
    EXPECT_EQ(of_node("keymanager_up", "vcA"), 0);
    expect_known();
  });
  ASSERT_TRUE(net_->signal("bn2", "CONT")) << net_->text();
  EXPECT_TRUE(eventually(seconds(6), [this] { return of_node("beacon_up", "bn2") == 1; }));
  EXPECT_TRUE(net_->peer());
  in_slots(first + kEpoch + 1, first + 2 * kEpoch - 1, [this](std::int64_t slot) {
    expect_up("bn0", slot);
    EXPECT_EQ(of_node("beacon_up", "bn2"), 1);
    EXPECT_EQ(of_node("keymanager_up", "vcA"), 0);
    expect_known();
  });
  EXPECT_TRUE(eventually(seconds(20), [this] { return of_node("events_connected", "bn2") == 1; }));
  EXPECT_GE(of_node("events_gaps_total", "bn2"), 1);
  ASSERT_TRUE(net_->start("vcA")) << net_->text();
  EXPECT_TRUE(eventually(seconds(20), [this] { return of_node("keymanager_up", "vcA") == 1; }));
}

// Nobody can tell: what is not known is not missed. The chain itself stands still meanwhile.
void DevnetTest::all_nodes_frozen(std::int64_t first) {
  ASSERT_TRUE(wait_for(first, kLate));
  const double before = duties("missed_attestations_total", "others");
  nodes_run_ = false;
  for (const char* const node : {"bn0", "bn1", "bn2"}) ASSERT_TRUE(net_->signal(node, "STOP")) << net_->text();
  in_slots(first + 2, first + 4, [&](std::int64_t) {
    for (const char* const node : {"bn0", "bn1", "bn2"}) expect_down(node, "timeout");
    EXPECT_EQ(value("watchkeeper_duties_unknown"), 1);
    EXPECT_EQ(value("watchkeeper_duties_unknown_reason{reason=\"no_beacon_node\"}"), 1);
    EXPECT_EQ(duties("missed_attestations_total", "others"), before);
    EXPECT_EQ(of_node("keymanager_up", "vcA"), 1) << "its client is well";
  });
  for (const char* const node : {"bn0", "bn1", "bn2"}) ASSERT_TRUE(net_->signal(node, "CONT")) << net_->text();
  nodes_run_ = true;
  EXPECT_TRUE(net_->peer());
  EXPECT_TRUE(
      eventually(seconds(4 * Devnet::kSlotSeconds), [this] { return value("watchkeeper_duties_unknown") == 0; }));
  EXPECT_TRUE(eventually(seconds(20), [this] { return value("watchkeeper_beacon_roots_differ") == 0; }));
  ASSERT_TRUE(wait_for(first + kEpoch, 0));
}

// The second one finds out that the first is alive, and does not sign.
void DevnetTest::the_same_keys_in_two_clients(std::int64_t first) {
  ASSERT_TRUE(wait_for(first, 0));
  ASSERT_TRUE(net_->run({"start", "vcB", "--doppelgangerProtectionEnabled"})) << net_->text();
  EXPECT_TRUE(eventually(seconds(20), [this] {
    return of_node("keymanager_duplicates", "vcA") == 4 && of_node("keymanager_duplicates", "vcB") == 4;
  })) << of_node("keymanager_duplicates", "vcA");
  EXPECT_EQ(of_node("keymanager_extra", "vcB"), 4);
  EXPECT_EQ(of_node("keymanager_missing", "vcA"), 0);
  ASSERT_TRUE(net_->run({"stop", "vcB"})) << net_->text();
  EXPECT_TRUE(eventually(seconds(6), [this] { return of_node("keymanager_up", "vcB") == 0; }));
  EXPECT_NE(of_node("keymanager_duplicates", "vcA"), 4) << "it is heard no more";
}

// vcA stands on it, and misses; then it is frozen itself. The others tell.
void DevnetTest::a_killed_node(std::int64_t first) {
  ASSERT_TRUE(wait_for(first, 0));
  ASSERT_TRUE(net_->signal("bn1", "KILL")) << net_->text();
  EXPECT_TRUE(eventually(seconds(4), [this] { return of_node("beacon_up", "bn1") == 0; }));
  ASSERT_TRUE(net_->signal("vcA", "STOP")) << net_->text();
  EXPECT_TRUE(eventually(seconds(4), [this] { return of_node("keymanager_unknown", "vcA") == 1; }));
  in_slots(first + 2, first + kEpoch, [this](std::int64_t slot) {
    expect_down("bn1", "refused");
    expect_up("bn0", slot);
    EXPECT_NE(of_node("events_connected", "bn1"), 1);
    EXPECT_TRUE(says("keymanager_failure_reason", "vcA", "timeout"));
    EXPECT_EQ(of_node("keymanager_up", "vcA"), -1) << "an API that is silent does not say that the client is down";
    expect_known();
  });
  ASSERT_TRUE(net_->signal("vcA", "CONT")) << net_->text();
  EXPECT_TRUE(eventually(seconds(6), [this] { return of_node("keymanager_up", "vcA") == 1; }));
}

std::set<Duty> DevnetTest::events(const std::set<std::string>& kinds) const {
  const json told = api_get(agent_->port(), "/api/watchkeeper/v1/staking/duties?limit=1000");
  std::set<Duty> found;
  if (!told.is_object()) return found;
  for (const json& event : told["events"]) {
    if (!kinds.contains(event["kind"].get<std::string>())) continue;
    found.emplace(event["slot"].get<std::uint64_t>(), event["validator"].get<std::uint64_t>());
  }
  return found;
}

// Every verdict of every epoch that was judged, by who voted.
void DevnetTest::verdicts_are_those_of_the_blocks() {
  const auto judged = static_cast<std::uint64_t>(value("watchkeeper_duties_judged_epoch"));
  DevnetChain chain(*net_, "bn0");
  std::set<Duty> expected;
  std::map<bool, double> counts;  // of ours
  for (std::uint64_t epoch = 1; epoch <= judged; ++epoch) {
    ASSERT_TRUE(chain.knows_duties(epoch)) << epoch;
    const auto voters = chain.voters(epoch);
    for (std::uint64_t validator = 0; validator < Devnet::kValidators; ++validator) {
      if (voters.contains(validator)) continue;
      expected.emplace(chain.slot_of(epoch, validator), validator);
      ++counts[validator >= Devnet::kOperatorFirst];
    }
  }
  EXPECT_GE(counts[true], 8) << "a client was killed for two epochs";
  EXPECT_EQ(events({"missed_attestation"}), expected);
  for (const auto& [group, size, ours] : {std::tuple{"ours", 4, true}, {"others", 12, false}}) {
    EXPECT_EQ(duties("missed_attestations_total", group), counts[ours]) << group;
    const double all = duties("attestations_total", group) + duties("unknown_attestations_total", group);
    EXPECT_EQ(all, static_cast<double>(size) * static_cast<double>(judged + 1)) << group << ": each once";
    EXPECT_LE(duties("unknown_attestations_total", group), size) << group << ": of the first epoch at most";
  }
  const double network = value("watchkeeper_duties_missed_attestations_total{scope=\"network\"}");
  EXPECT_EQ(network, counts[true] + counts[false]);
}

// Every slot without a block from epoch 1 on, by whose it was.
void DevnetTest::missed_proposals_are_empty_slots() {
  const auto last = static_cast<std::uint64_t>(value("watchkeeper_duties_head_slot")) - 2;
  DevnetChain chain(*net_, "bn0");
  std::set<Duty> expected;
  for (std::uint64_t slot = Devnet::kSlotsPerEpoch; slot <= last; ++slot) {
    if (chain.has_block(slot)) continue;
    const auto proposer = net_->proposers().find(slot);
    ASSERT_NE(proposer, net_->proposers().end()) << slot;
    expected.emplace(slot, proposer->second);
  }
  EXPECT_FALSE(expected.empty());
  std::set<Duty> told;
  for (const Duty& duty : events({"missed_proposal", "orphaned_proposal"})) {
    if (duty.first >= Devnet::kSlotsPerEpoch && duty.first <= last) told.insert(duty);
  }
  EXPECT_EQ(told, expected);
}

TEST_F(DevnetTest, WhatIsSaidOfARealNetworkIsTrueInEverySlot) {
  before_genesis();
  while_all_is_well(10, 3 * kEpoch - 1);
  a_killed_client_and_a_frozen_node(3 * kEpoch);
  all_nodes_frozen(6 * kEpoch + 2);
  the_same_keys_in_two_clients(8 * kEpoch);
  a_killed_node(9 * kEpoch + 4);
  // Until the epoch in which the node was killed is judged.
  ASSERT_TRUE(wait_for(11 * kEpoch + 2, kLate));
  ASSERT_TRUE(eventually(seconds(12), [this] { return value("watchkeeper_duties_judged_epoch") >= 9; }))
      << agent_->process().log_text();
  verdicts_are_those_of_the_blocks();
  missed_proposals_are_empty_slots();
}

}  // namespace
}  // namespace e2e
