// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/duty_loop.h"

#include "duty_world.h"

namespace collector::staking {
namespace {

class DutyLoopTest : public DutyWorld {};

TEST_F(DutyLoopTest, CountsWhatIsDoneSlotBySlotAndEpochByEpoch) {
  watch({{1, "g"}, {2, "g"}, {3, "h"}});
  EXPECT_EQ(plain("unknown"), "1") << "nobody was asked yet";
  run_through(100);
  EXPECT_EQ(plain("unknown"), "0");
  EXPECT_EQ(value("node_usable", "target=\"a\""), "1");
  for (std::uint64_t slot = 101; slot <= 135; ++slot) {
    run_through(slot);
    // An epoch is closed one slot after the end of the one after it: 11 with 104, 12 with 112.
    const std::uint64_t closed = slot < 104 ? 0 : (slot - 104) / 8 + 1;
    EXPECT_EQ(watched("attestations_total"), std::to_string(2 * closed)) << slot;
    EXPECT_EQ(watched("attestations_total", "h"), std::to_string(closed)) << slot;
    EXPECT_EQ(watched("missed_attestations_total"), "0") << slot;
    EXPECT_EQ(network("attestations_total"), std::to_string(64 * closed)) << slot;
    EXPECT_EQ(network("missed_attestations_total"), "0") << slot;
    EXPECT_EQ(plain("head_slot"), std::to_string(slot));
    EXPECT_EQ(plain("slot"), std::to_string(slot - 1));
    EXPECT_EQ(network("slot_attestations"), "8");
    EXPECT_EQ(network("slot_included_attestations"), "8");
    EXPECT_EQ(plain("unknown"), "0");
  }
  EXPECT_EQ(plain("judged_epoch"), "14");
  EXPECT_EQ(network("late_attestations_total"), "0");
  EXPECT_EQ(network("wrong_head_attestations_total"), "0");
  EXPECT_EQ(network("wrong_target_attestations_total"), "0");
  EXPECT_EQ(network("unknown_attestations_total"), "0");
  // Slots 99 to 134: one was settled when the watch began.
  EXPECT_EQ(network("proposals_total"), "36");
  EXPECT_EQ(network("missed_proposals_total"), "0");
  EXPECT_EQ(network("sync_messages_total"), std::to_string(36 * 16));
  EXPECT_EQ(network("missed_sync_messages_total"), "0");
  EXPECT_EQ(watched("validators", "g\",status=\"active_ongoing"), "2");
  EXPECT_EQ(watched("balance_gwei"), "64000000000");
  EXPECT_EQ(watched("attestations_weighted_total"), "8");
  // Rewards of epochs whose next one was seen from its beginning: 12, 13 and 14 are told in 14, 15 and 16.
  EXPECT_EQ(watched("ideal_rewards_gwei_total"), watched("rewards_gwei_total"));
  EXPECT_EQ(watched("penalties_gwei_total"), "0");
  EXPECT_TRUE(events("missed_attestation").empty());
  expect_documented(Seen(text));
}

TEST_F(DutyLoopTest, EveryWayOfDoingItWrongIsToldApart) {
  chain.empty_slots = {115};
  const std::uint64_t missed = 1, late = 2, very_late = 3, head = 4, target = 5, unseen = 6;
  for (const std::uint64_t each : {missed, late, very_late, head, target, unseen}) {
    MadeVote vote;
    vote.cast = each != missed && each != unseen;
    if (each == late) vote.delay_at_least = 2;
    if (each == very_late) vote.delay_at_least = 4;
    vote.for_parent = each == head;
    vote.for_other_target = each == target;
    chain.votes[{*chain.duty(each, 13), each}] = vote;
  }
  chain.not_live = {unseen};
  watch({{missed, "g"}, {late, "g"}, {very_late, "g"}, {head, "g"}, {target, "g"}, {unseen, "g"}, {7, "g"}});
  run_through(119);
  EXPECT_EQ(watched("missed_attestations_total"), "0") << "they may be included until epoch 14 ends";
  run_through(120);
  EXPECT_EQ(watched("attestations_total"), "21");
  EXPECT_EQ(watched("missed_attestations_total"), "2");
  EXPECT_EQ(network("missed_attestations_total"), "2");
  EXPECT_EQ(watched("wrong_head_attestations_total"), "1");
  EXPECT_EQ(watched("wrong_target_attestations_total"), "1");
  EXPECT_EQ(watched("late_source_attestations_total"), "1");
  EXPECT_EQ(watched("missed_attestations_weighted_total"), "2");
  EXPECT_EQ(watched("consecutive_missed_attestations_max"), "1");
  const auto misses = events("missed_attestation");
  ASSERT_EQ(misses.size(), 2U);
  for (const DutyEvent& event : misses) {
    EXPECT_EQ(event.epoch, 13U);
    EXPECT_EQ(event.slot, chain.duty(*event.validator, 13));
    EXPECT_EQ(event.reason, *event.validator == unseen ? "not published" : "published, but not included");
    EXPECT_EQ(event.key, MadeChain::key(*event.validator));
  }
  ASSERT_EQ(events("wrong_head").size(), 1U);
  EXPECT_EQ(events("wrong_head").front().reason, "voted for the block before");
  EXPECT_EQ(events("wrong_target").front().validator, target);
  std::set<std::string> shown = {watched("missed_validator_index", "g\",n=\"1"),
                                 watched("missed_validator_index", "g\",n=\"2")};
  EXPECT_EQ(shown, (std::set<std::string>{"1", "6"}));
  // In the epoch after everything is well again.
  run_through(128);
  EXPECT_EQ(watched("missed_attestations_total"), "2");
  EXPECT_EQ(watched("missed_validator_index", "g\",n=\"1"), "none");
  EXPECT_EQ(watched("consecutive_missed_attestations_max"), "0");
  expect_documented(Seen(text));
}

TEST_F(DutyLoopTest, AnEmptySlotMakesVotesLateThroughNoFaultOfTheirs) {
  chain.empty_slots = {109};
  std::map<std::uint64_t, std::string> all;
  for (std::uint64_t i = 0; i < 64; ++i) all[i] = "g";
  watch(all);
  run_through(120);
  EXPECT_EQ(network("late_attestations_total"), "8");
  const auto late = events("late_attestation");
  ASSERT_EQ(late.size(), 8U);
  EXPECT_EQ(late.front().reason, "no block in the next slots");
  EXPECT_EQ(late.front().slot, 108U);
  // Proposals: the one of slot 109 was missed, and by whom.
  EXPECT_EQ(watched("missed_proposals_total"), "1");
  ASSERT_EQ(events("missed_proposal").size(), 1U);
  EXPECT_EQ(events("missed_proposal").front().validator, chain.proposer(109));
  EXPECT_EQ(watched("missed_proposal_slot"), "109");
  EXPECT_EQ(watched("missed_proposal_validator_index"), std::to_string(chain.proposer(109)));
}

TEST_F(DutyLoopTest, BlocksOfBeforeElectraNameOneCommitteeEach) {
  chain.electra = false;
  chain.votes[{*chain.duty(9, 13), 9}] = {.cast = false};
  watch({{9, "g"}, {10, "g"}});
  run_through(120);
  EXPECT_EQ(watched("attestations_total"), "6");
  EXPECT_EQ(watched("missed_attestations_total"), "1");
  EXPECT_EQ(network("missed_attestations_total"), "1");
  EXPECT_EQ(network("attestations_total"), "192");
}

TEST_F(DutyLoopTest, OnlyTheActiveHaveDutiesAndBothEdgesCount) {
  chain.records[20] = {{"activation_epoch", 13}};
  chain.records[21] = {{"exit_epoch", 13}};
  chain.records[22] = {{"slashed", true}, {"exit_epoch", 9000}};
  chain.votes[{*chain.duty(22, 13), 22}] = {.cast = false};
  watch({{20, "new"}, {21, "gone"}, {22, "slashed"}});
  run_through(103);
  EXPECT_EQ(watched("validators", "new\",status=\"pending_queued"), "1");
  run_through(128);  // epochs 11 to 14 are closed
  EXPECT_EQ(watched("attestations_total", "new"), "2");
  EXPECT_EQ(watched("missed_attestations_total", "new"), "0");
  EXPECT_EQ(watched("attestations_total", "gone"), "2");
  EXPECT_EQ(watched("missed_attestations_total", "gone"), "0");
  EXPECT_EQ(watched("attestations_total", "slashed"), "0");
  EXPECT_EQ(watched("missed_attestations_total", "slashed"), "0");
  EXPECT_EQ(watched("slashed_validators", "slashed"), "1");
  EXPECT_EQ(watched("slashed_total", "slashed"), "0") << "it was slashed before it was watched";
  EXPECT_EQ(watched("validators", "gone\",status=\"exited_unslashed"), "1");
  std::set<std::string> changes;
  for (const DutyEvent& event : events("status")) changes.insert(event.reason);
  EXPECT_EQ(changes, (std::set<std::string>{"pending_queued -> active_ongoing", "active_exiting -> exited_unslashed"}));
}

TEST_F(DutyLoopTest, ASlashingIsToldOnceWhoeverTellsIt) {
  watch({{5, "g"}, {6, "g"}});
  run_through(106);
  loop.note_slashing({5, 77}, "attester_slashing event");
  EXPECT_EQ(watched("slashed_total"), "1");
  chain.records[5] = {{"slashed", true}, {"exit_epoch", 100}};
  run_through(122);
  EXPECT_EQ(watched("slashed_total"), "1");
  ASSERT_EQ(events("slashed").size(), 1U);
  EXPECT_EQ(events("slashed").front().reason, "seen in: attester_slashing event");
  chain.records[6] = {{"slashed", true}, {"exit_epoch", 100}};
  run_through(130);
  EXPECT_EQ(watched("slashed_total"), "2");
}

TEST_F(DutyLoopTest, SyncCommitteeMembersAreCountedByBlocks) {
  const std::uint64_t member = chain.sync_member(4);
  chain.silent_in_sync = {member};
  chain.empty_slots = {106};
  watch({{member, "g"}, {chain.sync_member(5), "g"}});
  run_through(111);
  // Blocks of slots 99 to 110 but 106.
  EXPECT_EQ(watched("sync_messages_total"), "22");
  EXPECT_EQ(watched("missed_sync_messages_total"), "11");
  EXPECT_EQ(network("missed_sync_messages_total"), "11");
  EXPECT_EQ(watched("sync_committee_members", "g\",period=\"current"), "2");
  EXPECT_EQ(watched("sync_committee_members", "g\",period=\"next"), "2");
}

TEST_F(DutyLoopTest, ProposalsToComeAreKnownAnEpochAhead) {
  watch({{chain.proposer(114), "g"}});
  run_through(104);  // in epoch 13, which ends with 111; 114 is of the next
  EXPECT_EQ(watched("upcoming_proposals"), "1");
  EXPECT_EQ(watched("next_proposal_seconds"), "110.9");
  run_through(114);
  EXPECT_EQ(watched("upcoming_proposals"), "1") << "the running slot's: it is not over";
  EXPECT_EQ(watched("next_proposal_seconds"), "none");
  run_through(115);
  EXPECT_EQ(watched("upcoming_proposals"), "0");
  EXPECT_EQ(watched("next_proposal_seconds"), "none");
  EXPECT_EQ(watched("proposals_total"), "1");
}

TEST_F(DutyLoopTest, WhereTheNextEpochIsNotToldNoProposalIsNotNone) {
  chain.not_offered = {"GET /eth/v1/validator/duties/proposer/14"};
  watch({{chain.proposer(110), "g"}, {chain.proposer(114), "h"}});
  run_through(105);
  EXPECT_EQ(watched("upcoming_proposals"), "1");
  EXPECT_EQ(watched("upcoming_proposals", "h"), "none") << "there may be one, and there is";
  EXPECT_EQ(plain("unknown"), "0");
  chain.not_offered.clear();
  run_through(106);
  EXPECT_EQ(watched("upcoming_proposals", "h"), "1");
  EXPECT_EQ(watched("upcoming_proposals"), "1");
}

}  // namespace
}  // namespace collector::staking
