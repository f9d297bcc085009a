// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/stop_conditions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace actions::remedy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

class AnsweringLookout final : public Lookout {
 public:
  Answer answer(const Question& question, core::Duration fresh_within, std::stop_token) override {
    asked.push_back(question.text);
    freshness = fresh_within;
    const auto found = verdicts.find(question.text);
    return {found == verdicts.end() ? Verdict::kUnknown : found->second, 0, "because"};
  }
  std::map<std::string, Verdict> verdicts;
  std::vector<std::string> asked;
  core::Duration freshness{};
};

class StopConditionsTest : public ::testing::Test {
 protected:
  StopConditionsTest() {
    auto policy = std::make_shared<Policy>();
    policy->gates.push_back({"finality", "finality_distance < 4"});
    policy_ = policy;
    client_.require = {"peers >= 2"};
    client_.gates = {"finality"};
    lookout_.verdicts = {{"peers >= 2", Verdict::kYes}, {"finality_distance < 4", Verdict::kYes}};
  }
  std::optional<std::string> objection() { return conditions_.objection(client_, "trigger", {}); }
  void set_engine(Snapshot snapshot) { engine_ = std::make_shared<const Snapshot>(std::move(snapshot)); }

  AnsweringLookout lookout_;
  PolicyPtr policy_;
  std::shared_ptr<const Snapshot> engine_ = std::make_shared<const Snapshot>();
  std::optional<std::string> drills_;
  backup::ClientConfig client_;
  StopConditions conditions_{lookout_, [this] { return engine_; }, [this] { return drills_; }, nullptr};

  void SetUp() override { conditions_.configure(policy_); }
};

TEST_F(StopConditionsTest, LetsAClientBeStoppedOnlyWhereAllIsKnownToHold) {
  client_.fresh_within = std::chrono::seconds(30);
  EXPECT_FALSE(objection());
  EXPECT_THAT(lookout_.asked, ElementsAre("peers >= 2", "finality_distance < 4"));
  EXPECT_EQ(lookout_.freshness, std::chrono::seconds(30));
  lookout_.verdicts["finality_distance < 4"] = Verdict::kNo;
  EXPECT_THAT(objection(), Optional(std::string("gate finality: because")));
  lookout_.verdicts.erase("peers >= 2");
  EXPECT_THAT(objection(), Optional(std::string("require peers >= 2: unknown: because")));
  client_.gates = {"gone"};
  lookout_.verdicts["peers >= 2"] = Verdict::kYes;
  EXPECT_THAT(objection(), Optional(HasSubstr("no gate \"gone\"")));
}

TEST_F(StopConditionsTest, NothingIsStoppedWhilePausedOrWhileARemediationWorks) {
  set_engine({.policy = {}, .runs = {}, .pauses = {{"", {"storage", "ann", {}}}}, .degraded = {}});
  EXPECT_THAT(objection(), Optional(std::string("paused by ann: storage")));
  set_engine({.policy = {}, .runs = {}, .pauses = {{"restart-geth", {"wrong", "ann", {}}}}, .degraded = {}});
  EXPECT_FALSE(objection());  // of one remediation only
  auto run = std::make_shared<remedy::Run>();
  run->id = "other";
  run->remediation = "restart-geth";
  run->state = RunState::kRunning;
  set_engine({.policy = {}, .runs = {run}, .pauses = {}, .degraded = {}});
  EXPECT_THAT(objection(), Optional(std::string("the remediation restart-geth is under way")));
  run->id = "trigger";  // whose step the backup is
  EXPECT_FALSE(objection());
  engine_ = nullptr;
  EXPECT_THAT(objection(), Optional(HasSubstr("not ready")));
}

TEST_F(StopConditionsTest, ADrillHoldsBackAllButTheRemediationsThatItSetsOff) {
  drills_ = "the drill geth-stops runs";
  EXPECT_THAT(objection(), Optional(std::string("the drill geth-stops runs")));
  auto run = std::make_shared<remedy::Run>();
  run->id = "trigger";
  run->state = RunState::kRunning;
  set_engine({.policy = {}, .runs = {run}, .pauses = {}, .degraded = {}});
  EXPECT_FALSE(objection());
}

}  // namespace
}  // namespace actions::remedy
