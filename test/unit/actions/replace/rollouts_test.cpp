// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/rollouts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/time/simulated_clock.h"
#include "test/support/background_process.h"

namespace actions::replace {
namespace {

using core::Errc;
using core::Result;
using ::testing::HasSubstr;

// Hosts and runs as the test says they are; what is raised is noted.
class FakeWorld final : public Surroundings {
 public:
  Result<std::vector<Host>> hosts(const std::string& expr, core::Millis) override {
    if (!problem.empty()) return core::fail(Errc::kTimeout, "{}", problem);
    return expr == "members" ? members : outdated;
  }
  Result<DescribedHosts> described(const GroupConfig&, const std::stop_token&) override {
    ++descriptions;
    if (!problem.empty()) return core::fail(Errc::kUnavailable, "{}", problem);
    return DescribedHosts{members, outdated};
  }
  remedy::RunPtr run(const std::string& id) override { return id == run_id ? known : nullptr; }
  Result<void> raise(const core::ring::Labels& alert, core::WallTime since) override {
    run_id = remedy::run_id("geth-rollout", alert, since);
    raised.push_back(run_id);
    return {};
  }
  Result<void> withdraw(const core::ring::Labels&, core::WallTime) override { return {}; }

  void run_is(remedy::RunState state) {
    remedy::Run run;
    run.id = run_id;
    run.state = state;
    run.final = state != remedy::RunState::kRunning;
    run.started = core::from_unix_ms(1);
    known = std::make_shared<const remedy::Run>(std::move(run));
  }

  std::vector<Host> members{Host({{"instance", "a"}}), Host({{"instance", "b"}})};
  std::vector<Host> outdated{Host({{"instance", "b"}}), Host({{"instance", "a"}})};
  std::string problem;
  int descriptions = 0;
  std::string run_id;
  remedy::RunPtr known;
  std::vector<std::string> raised;
};

class RolloutsTest : public ::testing::Test {
 protected:
  RolloutsTest() {
    group.name = "geth";
    group.level = remedy::Level::kAuto;
    group.rollout = RolloutConfig{.members = "members", .outdated = "outdated", .wanted_image = ""};
    reopen();
  }

  void reopen() {
    rollouts.reset();
    auto store = SqliteRolloutStore::open(path);
    ASSERT_TRUE(store) << store.error().message;
    auto opened = Rollouts::open({group}, std::make_unique<SqliteRolloutStore>(std::move(*store)),
                                 {.around = world, .clock = clock});
    ASSERT_TRUE(opened) << opened.error().message;
    rollouts = std::move(*opened);
  }
  Rollout last() { return rollouts->status().front().last.value(); }
  void tick() {
    clock.advance(std::chrono::seconds(5));
    rollouts->tick();
  }

  std::string path = (test_support::fresh_folder(std::string("rollouts_") +
                                                 testing::UnitTest::GetInstance()->current_test_info()->name()) /
                      "replacements.db")
                         .string();
  core::SimulatedClock clock;
  FakeWorld world;
  GroupConfig group;
  std::unique_ptr<Rollouts> rollouts;
};

TEST_F(RolloutsTest, RefusesWhatMakesNoSense) {
  EXPECT_EQ(rollouts->start("other", "ann").error().code, Errc::kNotFound);
  EXPECT_EQ(rollouts->stop("other", "ann").error().code, Errc::kNotFound);
  EXPECT_THAT(rollouts->pause("geth", "ann", "why").error().message, HasSubstr("has no rolling update"));
  world.problem = "query timed out";
  EXPECT_EQ(rollouts->start("geth", "ann").error().code, Errc::kUnavailable);
  world.problem.clear();
  GroupConfig proposed = group;
  proposed.level = remedy::Level::kPropose;
  rollouts->configure({proposed});
  EXPECT_THAT(rollouts->start("geth", "ann").error().message, HasSubstr("level propose: nothing would be replaced"));
  proposed.level = remedy::Level::kAuto;
  proposed.rollout.reset();
  rollouts->configure({proposed});
  EXPECT_THAT(rollouts->start("geth", "ann").error().message, HasSubstr("has no rollout"));
  rollouts->configure({group});
  ASSERT_TRUE(rollouts->start("geth", "ann"));
  EXPECT_THAT(rollouts->start("geth", "bob").error().message, HasSubstr("is running"));
  EXPECT_THAT(rollouts->pause("geth", "ann", "").error().message, HasSubstr("needs a reason"));
}

TEST_F(RolloutsTest, ARestartGoesOnWithTheSameHostAndRun) {
  ASSERT_TRUE(rollouts->start("geth", "ann"));
  tick();
  ASSERT_EQ(world.raised.size(), 1U);
  reopen();
  tick();
  ASSERT_EQ(world.raised.size(), 2U);
  EXPECT_EQ(world.raised[0], world.raised[1]);
  world.run_is(remedy::RunState::kSucceeded);
  tick();
  EXPECT_EQ(last().replaced.size(), 1U);
  EXPECT_EQ(rollouts->stats().hosts_replaced, 1U);
  reopen();
  EXPECT_EQ(last().replaced.size(), 1U);
}

TEST_F(RolloutsTest, StopsAtTheFirstThatDoesNotComeBack) {
  ASSERT_TRUE(rollouts->start("geth", "ann"));
  tick();
  world.run_is(remedy::RunState::kFailed);
  tick();
  EXPECT_EQ(last().state, RolloutState::kFailed);
  EXPECT_EQ(rollouts->stats().rollouts_failed, 1U);
  tick();
  EXPECT_EQ(world.raised.size(), 1U);
  ASSERT_TRUE(rollouts->start("geth", "ann")) << "a person may begin anew";
}

TEST_F(RolloutsTest, OrdersSurviveARestart) {
  ASSERT_TRUE(rollouts->carry_out(Order::kStart, "geth", "ann", ""));
  ASSERT_TRUE(rollouts->carry_out(Order::kPause, "geth", "bob", "lunch"));
  reopen();
  tick();
  EXPECT_EQ(last().state, RolloutState::kPaused);
  EXPECT_THAT(world.raised, testing::IsEmpty());
  ASSERT_TRUE(rollouts->carry_out(Order::kResume, "geth", "bob", ""));
  tick();
  EXPECT_EQ(world.raised.size(), 1U);
  ASSERT_TRUE(rollouts->carry_out(Order::kStop, "geth", "bob", ""));
  EXPECT_EQ(last().state, RolloutState::kStopped);
}

TEST_F(RolloutsTest, AServiceIsAskedForItsHostsNowAndThen) {
  group.driver = Driver::kAwsAsg;
  group.rollout = RolloutConfig{};
  group.rollout->wanted_image = "ami-2";
  rollouts->configure({group});
  for (int i = 0; i < 12; ++i) tick();
  EXPECT_EQ(world.descriptions, 1) << "nothing is under way";
  ASSERT_TRUE(rollouts->start("geth", "ann"));
  for (int i = 0; i < 12; ++i) tick();
  EXPECT_THAT(world.descriptions, testing::AllOf(testing::Ge(4), testing::Le(6)));
  EXPECT_FALSE(world.raised.empty());
}

TEST_F(RolloutsTest, TheRunOfAHostIsFollowedWhoeverDescribesTheOthers) {
  group.driver = Driver::kAwsAsg;
  group.rollout = RolloutConfig{};
  group.rollout->wanted_image = "ami-2";
  rollouts->configure({group});
  tick();
  ASSERT_TRUE(rollouts->carry_out(Order::kStart, "geth", "ann", ""));
  tick();
  ASSERT_TRUE(last().current) << "an order is not kept waiting";
  const int before = world.descriptions;
  world.run_is(remedy::RunState::kSucceeded);
  tick();
  EXPECT_FALSE(last().current);
  EXPECT_EQ(last().replaced.size(), 1U);
  EXPECT_EQ(world.descriptions, before);
  EXPECT_TRUE(rollouts->status().front().members) << "what was seen is not forgotten";
}

TEST_F(RolloutsTest, WhatIsNotKnownIsSaid) {
  world.problem = "query timed out";
  tick();
  const GroupStatus status = rollouts->status().front();
  EXPECT_FALSE(status.members);
  EXPECT_FALSE(status.outdated);
  EXPECT_EQ(status.problem, "query timed out");
  EXPECT_EQ(rollouts->stats().looks_unknown, 1U);
  world.problem.clear();
  world.members.clear();
  tick();
  EXPECT_FALSE(rollouts->status().front().outdated) << "no member is not no outdated one";
}

}  // namespace
}  // namespace actions::replace
