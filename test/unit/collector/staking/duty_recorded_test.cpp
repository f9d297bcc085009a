// SPDX-License-Identifier: Apache-2.0
// Answers of a node as they stand in files: the readers and the judgement against what the chain had. Those of a made
// chain, and, where WATCHKEEPER_SEPOLIA names their folder, those that a Lighthouse node gave on Sepolia.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "collector/staking/duty_ledger.h"
#include "duty_world.h"

namespace collector::staking {
namespace {

// What the files have, and what is known of it.
struct Recording {
  std::uint64_t slots_per_epoch = 0;
  std::uint64_t first_slot = 0;                                  // of those whose votes are there
  std::vector<std::size_t> sizes;                                // voters of each
  std::map<std::uint64_t, std::vector<std::uint32_t>> not_made;  // validators whose vote is not there
  std::uint64_t validators_slot = 0;                             // of the state whose validators are there
  std::uint64_t rewards_epoch = 0;
  std::size_t rewarded = 0;  // validators
  double ideal_at_most = 0;  // of what was earned
};

class RecordedDutiesTest : public testing::Test {
 protected:
  void read_folder(const char* folder) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream stream(entry.path());
      files_[entry.path().filename().string().substr(4)] = {std::istreambuf_iterator<char>(stream), {}};
    }
  }
  void read_spec() {
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

  void check_votes(const Recording& recording);
  void check_rewards(const Recording& recording);

  std::map<std::string, std::string> files_;
  std::optional<DutySpec> spec_;
};

void RecordedDutiesTest::check_votes(const Recording& recording) {
  EXPECT_EQ(spec_->clock.slots_per_epoch(), recording.slots_per_epoch);
  const std::uint64_t first = recording.first_slot;
  const std::uint64_t end = first + recording.sizes.size();
  const std::uint64_t epoch = spec_->epoch_of(first);
  Committees committees{epoch, std::vector<std::vector<std::uint32_t>>(recording.slots_per_epoch, {0}), {}};
  std::vector<Block> newest_first;
  Root target{};
  for (std::uint64_t slot = first; slot < end; ++slot) {
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
  // What lies before was not recorded: the first slot's block is the parent of the next, the epoch's first the target.
  Block before;
  before.root = newest_first.back().parent;
  before.slot = first;
  before.parent = target;
  Block boundary;
  boundary.root = target;
  boundary.slot = spec_->first_slot(epoch);
  newest_first.push_back(before);
  newest_first.push_back(boundary);
  CanonicalChain chain;
  chain.adopt(std::move(newest_first));
  for (std::uint64_t slot = first; slot < end; ++slot) {
    const auto judgement = judge_attestations(*spec_, chain, committees, slot, slot);
    EXPECT_EQ(judgement.misfits, 0U) << slot;
    EXPECT_EQ(judgement.watched.size(), recording.sizes[slot - first]) << slot;
    std::vector<std::uint32_t> others;
    for (const AttestationVerdict& verdict : judgement.watched) {
      if (verdict.grade != AttestationGrade::kMade) others.push_back(verdict.watched);
    }
    const auto expected = recording.not_made.find(slot);
    EXPECT_EQ(others, expected == recording.not_made.end() ? std::vector<std::uint32_t>{} : expected->second) << slot;
  }
}

void RecordedDutiesTest::check_rewards(const Recording& recording) {
  const std::uint64_t epoch = recording.rewards_epoch;
  ValidatorsReader validators([](const PublicKey&) { return true; });
  read(fmt::format("GET_eth_v1_beacon_states_{}_validators_200.json", recording.validators_slot), validators);
  RewardsReader rewards;
  read(fmt::format("POST_eth_v1_beacon_rewards_attestations_{}_200.json", epoch), rewards);
  LivenessReader liveness;
  read(fmt::format("POST_eth_v1_validator_liveness_{}_200.json", epoch + 1), liveness);
  EXPECT_EQ(rewards.rewards.total.size(), recording.rewarded);
  std::string keys;
  std::size_t active = 0;
  for (const ValidatorRecord& record : validators.records) {
    keys += fmt::format("- {{pubkey: {}, group: all}}\n", to_string(record.key));
    active += record.status(epoch + 1) == ValidatorStatus::kActiveOngoing ? 1 : 0;
  }
  EXPECT_EQ(active, recording.rewarded);
  const auto watched = WatchedKeys::parse(keys, "keys.yml");
  ASSERT_TRUE(watched) << watched.error().message;
  DutyLedger ledger(*spec_, *watched);
  ledger.set_records(epoch + 1, validators.records, 0);
  ledger.set_rewards(epoch, rewards.rewards, 0);
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
  EXPECT_LT(count(DutyCount::kIdealRewards), other * recording.ideal_at_most);
}

// What a node of the made chain answers, under the names that a recorder gives; one validator missed its vote.
TEST_F(RecordedDutiesTest, OfAMadeChain) {
  core::SimulatedClock clock;
  MadeChain chain(clock);
  Recording made{MadeChain::kSlotsPerEpoch, 97, {8, 8, 8, 8}, {}, 96, 12, 64, 64.0 / 63 + 1e-9};
  // One of the voters of slot 99.
  const auto idle = static_cast<std::uint32_t>(chain.committee(99, 1).front());
  chain.votes[{99, idle}] = {.cast = false};
  made.not_made[99] = {idle};
  while (chain.now_slot() < 8 * 14 + 1) clock.advance(std::chrono::seconds(12));

  const auto told = [&](const std::string& method, const std::string& path, const std::string& body = "") {
    core::net::Request request;
    request.method = method;
    request.url = "http://a" + path;
    request.body = body;
    const Told answer = chain.answer_to(request);
    EXPECT_EQ(answer.status, 200) << path;
    return answer.body;
  };
  files_["GET_eth_v1_config_spec_200.json"] = told("GET", "/eth/v1/config/spec");
  files_["GET_eth_v1_beacon_genesis_200.json"] = told("GET", "/eth/v1/beacon/genesis");
  read_spec();
  const auto committees = nlohmann::json::parse(told("GET", "/eth/v1/beacon/states/104/committees?epoch=12"));
  for (std::uint64_t slot = made.first_slot; slot < made.first_slot + made.sizes.size(); ++slot) {
    const std::string root = chain.root(slot + 1);
    files_[fmt::format("GET_eth_v1_beacon_headers_{}_200.json", slot + 1)] =
        told("GET", "/eth/v1/beacon/headers/" + root);
    files_[fmt::format("GET_eth_v2_beacon_blocks_{}_attestations_200.json", slot + 1)] =
        told("GET", "/eth/v2/beacon/blocks/" + root + "/attestations");
    nlohmann::json of_slot = {{"data", nlohmann::json::array()}};
    for (const auto& each : committees["data"]) {
      if (each["slot"] == std::to_string(slot)) of_slot["data"].push_back(each);
    }
    files_[fmt::format("GET_eth_v1_beacon_states_{}_committees_slot_{}_200.json", slot, slot)] = of_slot.dump();
  }
  nlohmann::json keys = nlohmann::json::array();
  nlohmann::json indices = nlohmann::json::array();
  for (std::uint64_t i = 0; i < 64; ++i) {
    keys.push_back(to_string(MadeChain::key(i)));
    indices.push_back(std::to_string(i));
  }
  files_["GET_eth_v1_beacon_states_96_validators_200.json"] =
      told("POST", "/eth/v1/beacon/states/head/validators", nlohmann::json{{"ids", keys}}.dump());
  files_["POST_eth_v1_beacon_rewards_attestations_12_200.json"] =
      told("POST", "/eth/v1/beacon/rewards/attestations/12", indices.dump());
  files_["POST_eth_v1_validator_liveness_13_200.json"] = told("POST", "/eth/v1/validator/liveness/13", indices.dump());
  check_votes(made);
  check_rewards(made);
}

// Everybody voted, in time and for the right blocks, but one, whom the rewards of that time show as away too.
TEST_F(RecordedDutiesTest, OfSepolia) {
  const char* const folder = std::getenv("WATCHKEEPER_SEPOLIA");
  if (folder == nullptr) GTEST_SKIP() << "WATCHKEEPER_SEPOLIA names no folder of recorded answers";
  read_folder(folder);
  read_spec();
  EXPECT_EQ(spec_->sync_committee_size, 512U);
  const Recording sepolia{32, 7'687'981, {56, 55, 56, 56}, {{7'687'983, {1979}}}, 7'687'968, 240'248, 1781, 1.005};
  check_votes(sepolia);
  check_rewards(sepolia);
}

}  // namespace
}  // namespace collector::staking
