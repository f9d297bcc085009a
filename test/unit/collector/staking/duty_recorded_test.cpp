// SPDX-License-Identifier: Apache-2.0
// Answers that a Lighthouse node gave on Sepolia, where WATCHKEEPER_SEPOLIA names their folder: the readers and the
// judgement against what the chain had.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "collector/staking/duty_ledger.h"
#include "staking_world.h"

namespace collector::staking {
namespace {

class RecordedDutiesTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* const folder = std::getenv("WATCHKEEPER_SEPOLIA");
    if (folder == nullptr) GTEST_SKIP() << "WATCHKEEPER_SEPOLIA names no folder of recorded answers";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream stream(entry.path());
      files_[entry.path().filename().string().substr(4)] = {std::istreambuf_iterator<char>(stream), {}};
    }
    const auto spec = DutySpec::make(*Json::parse(file("GET_eth_v1_config_spec_200.json")),
                                     *Json::parse(file("GET_eth_v1_beacon_genesis_200.json")));
    ASSERT_TRUE(spec) << spec.error().message;
    spec_ = *spec;
  }
  std::string_view file(const std::string& name) {
    EXPECT_TRUE(files_.contains(name)) << name;
    return files_[name];
  }
  void read(const std::string& name, AnswerReader& reader) {
    const std::string_view text = file(name);
    for (std::size_t at = 0; at < text.size(); at += 4096) ASSERT_TRUE(reader.feed(text.substr(at, 4096))) << name;
    const auto whole = reader.finish();
    ASSERT_TRUE(whole) << name << ": " << whole.error().message;
  }

  std::map<std::string, std::string> files_;
  std::optional<DutySpec> spec_;
};

TEST_F(RecordedDutiesTest, VotesOfFourSlotsAreAllThere) {
  EXPECT_EQ(spec_->clock.slots_per_epoch(), 32U);
  EXPECT_EQ(spec_->sync_committee_size, 512U);
  constexpr std::uint64_t kFirst = 7'687'981;
  const std::uint64_t epoch = spec_->epoch_of(kFirst);
  Committees committees{epoch, std::vector<std::vector<std::uint32_t>>(32, {0}), {}};
  std::vector<Block> newest_first;
  Root target{};
  for (std::uint64_t slot = kFirst; slot < kFirst + 4; ++slot) {
    const auto header = Json::parse(file(fmt::format("GET_eth_v1_beacon_headers_{}_200.json", slot + 1)));
    ASSERT_TRUE(header);
    Block block;
    block.root = *parse_root(*header->text("data/root"));
    block.parent = *parse_root(*header->text("data/header/message/parent_root"));
    block.slot = slot + 1;
    block.body_known = true;
    BlockAttestationsReader votes;
    read(fmt::format("GET_eth_v2_beacon_blocks_{}_attestations_200.json", slot + 1), votes);
    block.attestations = std::move(votes.attestations);
    ASSERT_FALSE(block.attestations.empty());
    target = block.attestations.front().target;
    newest_first.insert(newest_first.begin(), std::move(block));
    const auto told =
        Json::parse(file(fmt::format("GET_eth_v1_beacon_states_{}_committees_slot_{}_200.json", slot, slot)));
    std::uint32_t position = 0;
    committees.lengths[slot - spec_->first_slot(epoch)].clear();
    for (const Json& committee : told->items("data")) {
      const auto members = committee.items("validators");
      committees.lengths[slot - spec_->first_slot(epoch)].push_back(static_cast<std::uint32_t>(members.size()));
      for (const Json& member : members) {
        const auto offset = static_cast<std::uint32_t>(slot - spec_->first_slot(epoch));
        committees.seats.push_back({offset, position++, static_cast<std::uint32_t>(*member.number({}))});
      }
    }
  }
  // What lies before was not recorded: the block of slot 981 is the parent of 982's, the epoch's first is the target.
  Block before;
  before.root = newest_first.back().parent;
  before.slot = kFirst;
  before.parent = target;
  Block boundary;
  boundary.root = target;
  boundary.slot = spec_->first_slot(epoch);
  newest_first.push_back(before);
  newest_first.push_back(boundary);
  CanonicalChain chain;
  chain.adopt(std::move(newest_first));
  const std::uint64_t sizes[] = {56, 55, 56, 56};
  for (std::uint64_t slot = kFirst; slot < kFirst + 4; ++slot) {
    const auto judgement = judge_attestations(*spec_, chain, committees, slot, slot);
    EXPECT_EQ(judgement.misfits, 0U) << slot;
    EXPECT_EQ(judgement.watched.size(), sizes[slot - kFirst]) << slot;
    std::vector<std::uint32_t> others;
    for (const AttestationVerdict& verdict : judgement.watched) {
      if (verdict.grade != AttestationGrade::kMade) others.push_back(verdict.watched);
    }
    // Everybody voted, in time and for the right blocks, but one, whom the rewards of that time show as away too.
    EXPECT_EQ(others, slot == 7'687'983 ? std::vector<std::uint32_t>{1979} : std::vector<std::uint32_t>{}) << slot;
  }
}

TEST_F(RecordedDutiesTest, RewardsAreTheIdealOnesForAllButTwo) {
  ValidatorsReader validators([](const PublicKey&) { return true; });
  read("GET_eth_v1_beacon_states_7687968_validators_200.json", validators);
  RewardsReader rewards;
  read("POST_eth_v1_beacon_rewards_attestations_240248_200.json", rewards);
  LivenessReader liveness;
  read("POST_eth_v1_validator_liveness_240249_200.json", liveness);
  EXPECT_EQ(rewards.rewards.total.size(), 1781U);
  std::string keys;
  std::size_t active = 0;
  for (const ValidatorRecord& record : validators.records) {
    keys += fmt::format("- {{pubkey: {}, group: all}}\n", to_string(record.key));
    active += record.status(240'249) == ValidatorStatus::kActiveOngoing ? 1 : 0;
  }
  EXPECT_EQ(active, 1781U);
  const auto watched = WatchedKeys::parse(keys, "keys.yml");
  ASSERT_TRUE(watched) << watched.error().message;
  DutyLedger ledger(*spec_, *watched);
  ledger.set_records(240'249, validators.records, 0);
  ledger.set_rewards(240'248, rewards.rewards, 0);
  const DutyCounts& counts = ledger.counts().front();
  const auto count = [&](DutyCount what) { return counts[static_cast<std::size_t>(what)]; };
  double lost = 0;
  double other = 0;
  for (const AttestationReward& reward : rewards.rewards.total) {
    if (reward.target < 0) lost += static_cast<double>(-reward.target - reward.source);
    if (reward.target >= 0) other += static_cast<double>(reward.head + reward.target + reward.source);
  }
  EXPECT_GT(lost, 0);
  EXPECT_EQ(count(DutyCount::kPenalties), lost);
  EXPECT_EQ(count(DutyCount::kRewards), other);
  EXPECT_GT(count(DutyCount::kIdealRewards), other);
  EXPECT_LT(count(DutyCount::kIdealRewards), other * 1.005);
}

}  // namespace
}  // namespace collector::staking
