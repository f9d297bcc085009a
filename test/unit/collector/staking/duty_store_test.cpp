// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/duty_store.h"

#include <sqlite3.h>

#include <filesystem>

#include "duty_world.h"

namespace collector::staking {
namespace {

DutyBooks::Validator validator(std::uint64_t number, std::uint32_t misses) {
  return {MadeChain::key(number), ValidatorStatus::kActiveOngoing, misses, number == 3};
}

DutyBooks some_books() {
  DutyBooks books;
  books.genesis_ms = 1'700'000'000'123;
  books.slot_ms = 12'000;
  books.slots_per_epoch = 32;
  books.next_slot = 77;
  books.next_epoch = 2;
  books.judged_epoch = 1;
  books.blind_epochs = {0, 1};
  books.rewarded_epochs = {0};
  books.reorgs_after_verdict = 4;
  for (std::size_t i = 0; i < kDutyCounts; ++i) books.network[i] = static_cast<double>(i) + 0.25;
  books.counts[text_of({{"group", "a \"b\""}, {"x", ""}})] = books.network;
  books.counts[text_of({})] = {};
  books.missed_proposal = {MadeChain::key(2), 70};
  books.validators = {validator(1, 0), validator(2, 7), validator(3, 0)};
  return books;
}

class DutyStoreTest : public testing::Test {
 protected:
  DutyStoreTest() { std::filesystem::remove_all(folder_), std::filesystem::create_directories(folder_); }
  DutyStore open() {
    auto store = DutyStore::open(path());
    EXPECT_TRUE(store) << store.error().message;
    return std::move(*store);
  }
  std::string path() const { return folder_ / "duties.db"; }

  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "duty-store";
};

TEST_F(DutyStoreTest, GivesBackWhatItTookAfterEachSave) {
  EXPECT_EQ(*open().load(), std::nullopt);
  DutyBooks books = some_books();
  DutyStore store = open();
  ASSERT_TRUE(store.save(books));
  EXPECT_EQ(*open().load(), books);
  // Validators that are not told stay as they were.
  DutyBooks next = books;
  next.validators.reset();
  next.judged_epoch.reset();
  next.missed_proposal.reset();
  next.network[0] = 1e15;
  next.counts.erase(text_of({}));
  ASSERT_TRUE(store.save(next));
  DutyBooks expected = next;
  expected.validators = books.validators;
  EXPECT_EQ(*open().load(), expected);
  // Some go, some come, some change: by who wrote before, and by who did not.
  expected.validators = {validator(0, 1), validator(2, 8), validator(9, 0)};
  ASSERT_TRUE(store.save(expected));
  EXPECT_EQ(*open().load(), expected);
  expected.validators = {validator(5, 1)};
  ASSERT_TRUE(open().save(expected));
  EXPECT_EQ(*open().load(), expected);
}

TEST_F(DutyStoreTest, WhatAFailedSaveLeftIsPartOfTheNext) {
  DutyStore store = open();
  DutyBooks books = some_books();
  ASSERT_TRUE(store.save(books));
  books.validators->front().misses = 5;
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_FALSE(store.save(books)) << "somebody else writes";
  ASSERT_EQ(sqlite3_close(other), SQLITE_OK);
  DutyBooks next = books;
  next.validators.reset();
  ++next.next_slot;
  ASSERT_TRUE(store.save(next));
  next.validators = books.validators;
  EXPECT_EQ(*open().load(), next);
}

// Duties of an agent that is gone, and comes again.
class DutyRestartTest : public DutyWorld {
 protected:
  DutyRestartTest() {
    config.network.from_beacon_node = true;
    config.beacon_nodes.emplace_back();
    config.beacon_nodes.back().name = "a";
    config.beacon_nodes.back().url = "http://a";
    heads.configure({}, nullptr);
  }
  void start(std::optional<DutyBooks> books) {
    agent = std::make_unique<DutyLoop>(
        nodes, clock, clock, [this](std::string series) { text = std::move(series); },
        DutyLoop::Keeping{std::move(books), [this](DutyBooks now) {
                            if (!now.validators && kept) now.validators = kept->validators;
                            kept = std::move(now);
                            return true;
                          }});
    its_heads = std::make_unique<HeadLoop>(
        nodes, clock, clock,
        HeadLoop::Listener{.round = [this](const HeadRound& round) { agent->take(round); }, .publish = {}});
    network_of = std::make_shared<Network>(config.network);
    agent->configure(config, network_of);
    its_heads->configure(config.beacon_nodes, network_of);
  }
  void kill() {
    its_heads.reset();
    agent.reset();
  }

  StakingConfig config;
  std::optional<DutyBooks> kept;
  std::shared_ptr<Network> network_of;
  std::unique_ptr<DutyLoop> agent;
  std::unique_ptr<HeadLoop> its_heads;
};

TEST_F(DutyRestartTest, EveryDutyIsCountedOnceWhereverItIsKilled) {
  for (std::uint64_t epoch = 12; epoch < 30; ++epoch) chain.votes[{*chain.duty(1, epoch), 1}] = {.cast = false};
  chain.empty_slots.insert(130);
  config.keys = keys_of({{1, "g"}, {2, "g"}, {chain.proposer(130), "p"}});
  start(std::nullopt);
  // A slot and a bit at a time: each phase of an epoch and of a slot is met.
  std::uint64_t slot = 100;
  while (slot < 160) {
    clock.advance(std::chrono::milliseconds(12'000 + 700));
    slot = chain.now_slot();
    if (slot % 3 == 0) {
      kill();
      start(kept);
    }
  }
  run_through(160);
  // The epochs 11 to 18 are closed, each once.
  EXPECT_EQ(watched("attestations_total"), "16");
  EXPECT_EQ(watched("missed_attestations_total"), "7");
  EXPECT_EQ(watched("consecutive_missed_attestations_max"), "7");
  EXPECT_EQ(watched("missing_validators"), "1");
  EXPECT_EQ(watched("unknown_attestations_total"), "0");
  EXPECT_EQ(network("attestations_total"), std::to_string(64 * 8));
  EXPECT_EQ(network("proposals_total"), std::to_string(160 - 99)) << "99 to 159";
  EXPECT_EQ(watched("missed_proposals_total", "p"), "1");
  EXPECT_EQ(watched("missed_proposal_slot", "p"), "130");
  EXPECT_EQ(network("sync_messages_total"), std::to_string((160 - 99 - 1) * 16));
  EXPECT_EQ(plain("unknown"), "0");
}

TEST_F(DutyRestartTest, WhatWentByWhileItWasAwayIsUnknownUnlessRewardsTell) {
  for (std::uint64_t epoch = 11; epoch < 60; ++epoch) chain.votes[{*chain.duty(1, epoch), 1}] = {.cast = false};
  config.keys = keys_of({{1, "g"}});
  start(std::nullopt);
  run_through(128);
  EXPECT_EQ(watched("consecutive_missed_attestations_max"), "4");
  kill();
  while (chain.now_slot() < 8 * 40) clock.advance(std::chrono::milliseconds(12'000));
  start(kept);
  run_through(8 * 44);
  const int judged = std::stoi(watched("attestations_total"));
  const int unknown = std::stoi(watched("unknown_attestations_total"));
  EXPECT_EQ(judged + unknown, std::stoi(plain("judged_epoch")) - 10) << "every epoch is in one of the two";
  EXPECT_GE(unknown, 20);
  EXPECT_EQ(watched("consecutive_missed_attestations_max"), std::to_string(judged)) << "nobody saw it end";
  // Away for longer than is caught up with: only the counts go on.
  kill();
  while (chain.now_slot() < 8 * (44 + DutyLedger::kEpochsAwayMax + 5)) clock.advance(std::chrono::seconds(60));
  start(kept);
  run_through(chain.now_slot() + 1);
  EXPECT_EQ(watched("attestations_total"), std::to_string(judged));
  EXPECT_EQ(watched("unknown_attestations_total"), std::to_string(unknown));
  EXPECT_EQ(watched("consecutive_missed_attestations_max"), "0");
}

TEST_F(DutyRestartTest, ASlashingAndAnExitWhileItWasAwayAreTold) {
  config.keys = keys_of({{1, "g"}, {2, "g"}, {3, "g"}});
  chain.records[3]["slashed"] = true;
  start(std::nullopt);
  run_through(104);
  EXPECT_EQ(watched("slashed_total"), "0") << "it was before anybody watched";
  kill();
  chain.records[1]["slashed"] = true;
  chain.records[2]["exit_epoch"] = 40;
  start(kept);
  run_through(106);
  EXPECT_EQ(watched("slashed_total"), "1");
  const auto told = agent->snapshot()->events;
  EXPECT_TRUE(std::ranges::any_of(told, [](const DutyEvent& event) {
    return event.kind == "status" && event.reason == "active_ongoing -> active_exiting, exits at epoch 40";
  }));
  kill();
  start(kept);
  run_through(108);
  EXPECT_EQ(watched("slashed_total"), "1") << "once";
}

TEST_F(DutyRestartTest, ANodeThatDeniesWhoWasKnownTellsOfNoDuty) {
  const std::uint64_t member = chain.sync_member(4);
  config.keys = keys_of({{1, "g"}, {member, "h"}});
  start(std::nullopt);
  run_through(104);
  EXPECT_EQ(watched("upcoming_proposals", "h"), "0");
  kill();
  chain.host_state["a"] = "forgetful";
  start(kept);
  run_through(106);
  EXPECT_EQ(plain("unknown"), "1");
  EXPECT_EQ(watched("upcoming_proposals"), "none");
  EXPECT_EQ(watched("sync_committee_members", "h\",period=\"current"), "none");
  // It is asked again in the next slot, and all goes on as if nothing had been.
  chain.host_state["a"] = "";
  run_through(107);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(watched("upcoming_proposals"), "0");
  EXPECT_EQ(watched("sync_committee_members", "h\",period=\"current"), "1");
}

TEST_F(DutyRestartTest, BooksOfAnotherChainAreNotGoneOnWith) {
  config.keys = keys_of({{1, "g"}});
  start(std::nullopt);
  run_through(120);
  EXPECT_EQ(watched("attestations_total"), "3");
  kill();
  kept->genesis_ms += 1;
  start(kept);
  run_through(121);
  EXPECT_EQ(watched("attestations_total"), "0");
}

TEST_F(DutyRestartTest, AnotherListOfKeysGoesOnWithWhatWasCounted) {
  config.keys = keys_of({{1, "g"}, {2, "g"}});
  start(std::nullopt);
  run_through(112);
  EXPECT_EQ(watched("attestations_total"), "4");
  config.keys = keys_of({{1, "g"}, {2, "g"}, {3, "h"}});
  agent->configure(config, network_of);
  run_through(120);
  EXPECT_EQ(watched("attestations_total"), "6");
  EXPECT_EQ(watched("attestations_total", "h"), "1");
}

}  // namespace
}  // namespace collector::staking
