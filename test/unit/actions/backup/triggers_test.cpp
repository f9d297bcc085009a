// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/triggers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actions/backup/backup_config.h"
#include "core/time/duration.h"
#include "core/time/simulated_clock.h"

namespace actions::backup {
namespace {

using core::config::Node;
using rules::AlertState;
using rules::Transition;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

core::Result<BackupConfig> backup_with(const std::string& more) {
  const auto root =
      Node::parse("name: geth\nsource: {paths: [/etc]}\nrepository: /r\npassword_file: /p\n" + more, "w.yml");
  if (!root) return core::fail(root.error());
  return BackupConfig::fields().read(*root);
}

class TriggersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto config =
        backup_with("on: [{alert: ['alertname=~\"Geth.*\"', 'severity=\"critical\"']}, {event: chain_reorg}]");
    ASSERT_TRUE(config) << config.error().message;
    triggers_.configure({*config});
  }
  Transition firing(std::string name, AlertState from = AlertState::kPending) const {
    Transition transition;
    transition.labels =
        core::ring::Labels({{"alertname", std::move(name)}, {"instance", "geth-1"}, {"severity", "critical"}});
    transition.from = from;
    transition.to = AlertState::kFiring;
    transition.fired_at = *core::parse_rfc3339("2026-05-01T10:00:00Z");
    transition.at = *transition.fired_at + minutes(5);
    return transition;
  }
  void tell(const Transition& transition) { triggers_.on_transitions({&transition, 1}); }
  std::vector<std::string> reasons() const {
    std::vector<std::string> texts;
    for (const auto& reason : triggers_.reasons("geth")) texts.push_back(reason.text);
    return texts;
  }

  core::SimulatedClock clock_;
  Triggers triggers_{clock_};
};

TEST_F(TriggersTest, AnEpisodeOfAnAlertIsOneReason) {
  tell(firing("GethStuck"));
  tell(firing("GethStuck", AlertState::kFiring));  // a refresh
  EXPECT_THAT(reasons(), ElementsAre("alert GethStuck on geth-1 since 2026-05-01T10:00:00Z"));
  triggers_.answered("geth", triggers_.reasons("geth"));
  tell(firing("GethStuck", AlertState::kFiring));
  EXPECT_THAT(reasons(), IsEmpty());
  Transition again = firing("GethStuck");
  again.fired_at = *again.fired_at + minutes(30);
  tell(again);
  EXPECT_THAT(reasons(), ElementsAre("alert GethStuck on geth-1 since 2026-05-01T10:30:00Z"));
}

TEST_F(TriggersTest, OnlyWhatFiresAndMatchesCounts) {
  Transition pending = firing("GethStuck");
  pending.to = AlertState::kPending;
  tell(pending);
  Transition resolved = firing("GethStuck", AlertState::kFiring);
  resolved.to = AlertState::kInactive;
  tell(resolved);
  tell(firing("BeaconStuck"));
  triggers_.on_event("finalized_checkpoint");
  EXPECT_THAT(reasons(), IsEmpty());
}

TEST_F(TriggersTest, EventsComeAgainAndAreOneWhileTheyWait) {
  triggers_.on_event("chain_reorg");
  const auto since = triggers_.reasons("geth").front().since;
  clock_.advance(minutes(1));
  triggers_.on_event("chain_reorg");
  EXPECT_THAT(reasons(), ElementsAre("event chain_reorg"));
  EXPECT_EQ(triggers_.reasons("geth").front().since, since);
  triggers_.answered("geth", triggers_.reasons("geth"));
  triggers_.on_event("chain_reorg");
  EXPECT_THAT(reasons(), ElementsAre("event chain_reorg"));
}

TEST_F(TriggersTest, ReasonsAreBoundedAndSurviveAReload) {
  for (int i = 0; i < 20; ++i) tell(firing("Geth" + std::to_string(i)));
  EXPECT_EQ(reasons().size(), Triggers::kReasonsMax);
  EXPECT_EQ(triggers_.dropped(), 4U);
  triggers_.configure({*backup_with("on: [{event: chain_reorg}]")});
  EXPECT_EQ(reasons().size(), Triggers::kReasonsMax);
  triggers_.configure({*backup_with("")});
  EXPECT_THAT(reasons(), IsEmpty());
}

TEST(TriggerConfigTest, RefusesWhatNeverOrAlwaysHappens) {
  const auto message = [](const std::string& more) { return backup_with(more).error().message; };
  EXPECT_THAT(message("on: [{event: head}]"), HasSubstr("expected finalized_checkpoint"));
  EXPECT_THAT(message("on: [{}]"), HasSubstr("expected one of alert"));
  EXPECT_THAT(message("on: [{alert: []}]"), HasSubstr("expected one of alert"));
  EXPECT_THAT(message("on: [{alert: ['a=']}]\non_limits: {every: -1s}"), HasSubstr("w.yml:"));
}

}  // namespace
}  // namespace actions::backup
