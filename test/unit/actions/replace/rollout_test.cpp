// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actions/replace/group_config.h"
#include "core/config/node.h"

namespace actions::replace {
namespace {

using core::WallTime;
using remedy::RunState;
using ::testing::HasSubstr;

Host host(const std::string& instance) {
  return Host({{"instance", instance}, {"instance_id", "i-0000000" + instance}});
}

const WallTime kStart = core::from_unix_ms(1'700'000'000'000);

class RolloutTest : public ::testing::Test {
 protected:
  RolloutTest() {
    view.members = {host("3"), host("1"), host("2")};
    view.outdated = {host("3"), host("1")};
    rollout = *begin("geth", view, "ann", kStart);
  }

  // One round; what was raised or withdrawn.
  std::vector<std::string> step() {
    now += std::chrono::seconds(5);
    Advance next = advance(rollout, view, now);
    rollout = std::move(next.rollout);
    std::vector<std::string> told;
    for (const Effect& effect : next.effects) {
      if (const auto* raised = std::get_if<Raise>(&effect))
        told.push_back("raise " + std::string(raised->alert.get("instance")));
      if (const auto* over = std::get_if<Withdraw>(&effect))
        told.push_back("withdraw " + std::string(over->alert.get("instance")));
    }
    return told;
  }
  void run_is(RunState state, bool final = false, const std::string& reason = "why") {
    remedy::Run run;
    run.id = run_of("geth", *rollout.current);
    run.state = state;
    run.final = final;
    run.reason = reason;
    if (state == RunState::kRunning || state == RunState::kSucceeded || state == RunState::kFailed) run.started = now;
    view.run = std::make_shared<const remedy::Run>(std::move(run));
  }

  View view;
  Rollout rollout;
  WallTime now = kStart;
};

using Told = std::vector<std::string>;

TEST_F(RolloutTest, OneAfterAnotherUntilNothingIsOutdated) {
  EXPECT_EQ(step(), Told{"raise 1"});
  EXPECT_EQ(step(), Told{"raise 1"}) << "told again, for as long as the engine has not begun";
  run_is(RunState::kRunning);
  EXPECT_EQ(step(), Told{"raise 1"});
  run_is(RunState::kSucceeded, true);
  EXPECT_EQ(step(), Told{"withdraw 1"});
  view.run = nullptr;
  view.outdated = {host("3")};
  view.members = {host("3"), host("2")};
  EXPECT_EQ(step(), Told{}) << "the new host is not seen yet";
  EXPECT_THAT(rollout.reason, HasSubstr("2 of 3 hosts of the group are seen"));
  view.members->push_back(host("4"));
  EXPECT_EQ(step(), Told{"raise 3"});
  run_is(RunState::kSucceeded, true);
  step();
  view.run = nullptr;
  view.outdated->clear();
  step();
  EXPECT_EQ(rollout.state, RolloutState::kDone);
  EXPECT_EQ(rollout.replaced.size(), 2U);
  EXPECT_EQ(step(), Told{});
}

TEST_F(RolloutTest, StopsAtTheFirstThatDoesNotComeBack) {
  for (const RunState state : {RunState::kFailed, RunState::kInterrupted, RunState::kProposed, RunState::kObserved}) {
    rollout = *begin("geth", view, "ann", kStart);
    view.run = nullptr;
    step();
    run_is(state, true, "not synced in time");
    EXPECT_EQ(step(), Told{"withdraw 1"});
    EXPECT_EQ(rollout.state, RolloutState::kFailed);
    EXPECT_THAT(rollout.reason, HasSubstr("not synced in time"));
    view.run = nullptr;
    EXPECT_EQ(step(), Told{});
    EXPECT_FALSE(resume(rollout, "ann"));
  }
}

TEST_F(RolloutTest, WaitsForGuardsAndPeople) {
  step();
  run_is(RunState::kRefused, false, "budget: 1 at once already");
  EXPECT_EQ(step(), Told{"raise 1"});
  EXPECT_EQ(rollout.reason, "1: budget: 1 at once already");
  run_is(RunState::kWaiting);
  EXPECT_EQ(step(), Told{"raise 1"});
  run_is(RunState::kPaused);
  EXPECT_EQ(step(), Told{"raise 1"});
  run_is(RunState::kRefused, true, "there is no plan");
  step();
  EXPECT_EQ(rollout.state, RolloutState::kFailed) << "a refusal for good";
}

TEST_F(RolloutTest, NothingOnWhatIsNotKnown) {
  view.outdated.reset();
  view.problem = "query timed out";
  EXPECT_EQ(step(), Told{});
  EXPECT_THAT(rollout.reason, HasSubstr("not known: query timed out"));
  EXPECT_EQ(rollout.state, RolloutState::kRunning);
  EXPECT_EQ(begin("geth", view, "ann", now).error().code, core::Errc::kUnavailable);
  view.outdated = std::vector<Host>{};
  EXPECT_THAT(begin("geth", view, "ann", now).error().message, HasSubstr("none of 3 hosts is outdated"));
}

TEST_F(RolloutTest, APauseLetsTheHostFinishAndBeginsNoOther) {
  step();
  run_is(RunState::kRunning);
  rollout = *pause(rollout, "bob", "lunch");
  EXPECT_EQ(step(), Told{"raise 1"});
  run_is(RunState::kSucceeded, true);
  EXPECT_EQ(step(), Told{"withdraw 1"});
  view.run = nullptr;
  view.outdated = {host("3")};
  EXPECT_EQ(step(), Told{});
  EXPECT_EQ(rollout.reason, "paused by bob: lunch");
  rollout = *resume(rollout, "bob");
  EXPECT_EQ(step(), Told{"raise 3"});
  // One that was not begun is withdrawn, and that is no failure.
  rollout = *pause(rollout, "bob", "again");
  run_is(RunState::kWaiting);
  EXPECT_EQ(step(), Told{"withdraw 3"});
  ASSERT_TRUE(rollout.current) << "whether it was begun meanwhile is for the engine to say";
  run_is(RunState::kRefused, true, "the alert was resolved before an approval");
  EXPECT_EQ(step(), Told{"withdraw 3"});
  EXPECT_FALSE(rollout.current);
  EXPECT_EQ(rollout.state, RolloutState::kPaused);
  rollout = *stop(rollout, "eve");
  EXPECT_FALSE(stop(rollout, "eve"));
  EXPECT_EQ(rollout.reason, "stopped by eve");
}

TEST_F(RolloutTest, OneThatIsStoppedSeesItsHostToTheEnd) {
  step();
  run_is(RunState::kRunning);
  rollout = *stop(rollout, "eve");
  EXPECT_EQ(step(), Told{"raise 1"});
  run_is(RunState::kFailed, true, "broke");
  step();
  EXPECT_EQ(rollout.state, RolloutState::kStopped);
  EXPECT_THAT(rollout.reason, HasSubstr("broke"));
}

TEST_F(RolloutTest, NewHostsFromAnOldTemplateAreNotReplacedForEver) {
  view.outdated = {host("1")};
  rollout = *begin("geth", view, "ann", kStart);
  step();
  run_is(RunState::kSucceeded, true);
  step();
  view.run = nullptr;
  view.outdated = {host("9")};
  step();
  EXPECT_EQ(rollout.state, RolloutState::kFailed);
  EXPECT_THAT(rollout.reason, HasSubstr("1 are outdated still"));
  view.outdated = {host("1"), host("2")};
  rollout = *begin("geth", view, "ann", kStart);
  view.outdated = {host("1")};
  step();
  run_is(RunState::kSucceeded, true);
  step();
  view.run = nullptr;
  EXPECT_EQ(step(), Told{});
  EXPECT_EQ(rollout.state, RolloutState::kRunning) << "the last samples of the old host may still count";
  EXPECT_THAT(rollout.reason, HasSubstr("1 was replaced, and is outdated still"));
  now += std::chrono::minutes(7);
  step();
  EXPECT_EQ(rollout.state, RolloutState::kFailed);
}

TEST_F(RolloutTest, ComesBackFromItsStoredForm) {
  step();
  run_is(RunState::kSucceeded, true);
  step();
  view.run = nullptr;
  view.outdated = {host("3")};
  step();
  const auto back = rollout_from_json_text(to_json_text(rollout));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(to_json_text(*back), to_json_text(rollout));
  EXPECT_EQ(run_of("geth", *back->current), run_of("geth", *rollout.current));
  EXPECT_FALSE(rollout_from_json_text("{}"));
  EXPECT_FALSE(rollout_from_json_text("x"));
}

std::vector<GroupConfig> groups_of(const std::string& yaml) {
  const auto root = core::config::Node::parse("replace:\n" + yaml, "w.yml");
  EXPECT_TRUE(root);
  auto groups = core::config::Codec<std::vector<GroupConfig>>::read(root->find("replace"));
  EXPECT_TRUE(groups) << groups.error().message;
  return groups ? *groups : std::vector<GroupConfig>();
}

constexpr const char* kAsg = R"(- name: geth
  driver: aws-asg
  auto_scaling_group: nodes
  level: auto
  match: ['alertname="HostFailed"']
  healthy: 'count(up == 1)'
  min_healthy: 2
  backup: geth
  backup_fresh: {name: geth, max_age: 6h}
  drain: [{exec: {argv: [/bin/drain, '{{ .Labels.instance }}']}}]
  ready: {expr: 'min(synced) == 1', within: 2h}
  rollout: {members: up, outdated: 'image != 2'}
)";

TEST(Groups, AreRemediationsOfTheEngine) {
  remedy::Policy policy;
  add_to_policy(groups_of(kAsg), policy);
  ASSERT_EQ(policy.remediations.size(), 2U);
  const remedy::RemediationConfig& failed = policy.remediations[0];
  const core::ring::Labels alert({{"alertname", "HostFailed"}, {"instance", "a"}, {"instance_id", "i-00000001"}});
  EXPECT_TRUE(failed.matches(alert));
  const auto plan = remedy::make_plan(failed, alert);
  ASSERT_TRUE(plan) << plan.error().message;
  std::vector<std::string> steps;
  for (const auto& step : plan->steps) steps.push_back(step.to_string());
  EXPECT_THAT(steps, testing::ElementsAre("backup geth", "exec /bin/drain a",
                                          "aws TerminateInstanceInAutoScalingGroup i-00000001 nodes",
                                          "aws DescribeAutoScalingGroups i-00000001 nodes"));
  EXPECT_EQ(failed.verify->expr, "min(synced) == 1");
  ASSERT_TRUE(failed.backup_fresh);
  EXPECT_EQ(failed.backup_fresh->name, "geth");
  EXPECT_FALSE(remedy::make_plan(failed, alert.with("job", "validator-client")));
  EXPECT_FALSE(remedy::make_plan(failed, alert.with("instance_id", "")));

  const remedy::RemediationConfig& rolling = policy.remediations[1];
  EXPECT_EQ(rolling.name, "geth-rollout");
  EXPECT_TRUE(rolling.matches(alert_of("geth", host("1"))));
  EXPECT_FALSE(rolling.matches(alert_of("other", host("1"))));
  EXPECT_FALSE(failed.matches(alert_of("geth", host("1"))));
  EXPECT_THAT(rolling.require, testing::ElementsAre("(count(up == 1)) >= 3")) << "the host that goes is healthy";
  EXPECT_EQ(rolling.limits.budget, failed.limits.budget);
  ASSERT_EQ(policy.budgets.size(), 1U);
  EXPECT_EQ(policy.budgets[0].max_at_once, 1U);
  EXPECT_EQ(policy.budgets[0].min_healthy, 2U);
  // A remediation for every alert of a host does not mean the hosts of a rolling update.
  remedy::RemediationConfig broad;
  broad.match = {core::ring::Matcher::equal("instance", "1")};
  EXPECT_FALSE(broad.matches(alert_of("geth", host("1"))));
}

TEST(Groups, EachDriverHasItsSteps) {
  const auto steps_of = [](const std::string& yaml) {
    remedy::Policy policy;
    add_to_policy(groups_of(yaml), policy);
    std::vector<std::string> steps;
    for (const auto& step : policy.remediations.at(0).steps) steps.push_back(step.to_string());
    return steps;
  };
  EXPECT_THAT(steps_of("- {name: g, driver: aws-ec2, launch_template: nodes, ready: {expr: up}}"),
              testing::ElementsAre("aws RunInstances {{ .Labels.instance_id }} nodes",
                                   "aws TerminateInstances {{ .Labels.instance_id }}"));
  EXPECT_THAT(steps_of("- {name: g, driver: kubernetes, ready: {expr: up}}"),
              testing::ElementsAre("kubernetes drain {{ .Labels.node }}", "kubernetes delete-node {{ .Labels.node }}"));
  EXPECT_THAT(steps_of("- {name: g, driver: exec, exec: {argv: [/bin/replace]}, ready: {expr: up}}"),
              testing::ElementsAre("exec /bin/replace"));
}

TEST(Groups, RefuseWhatMakesNoSense) {
  const std::pair<const char*, const char*> cases[] = {
      {"{name: g, driver: aws-asg, ready: {expr: up}}", "the driver aws-asg needs auto_scaling_group"},
      {"{name: g, driver: aws-ec2, ready: {expr: up}}", "the driver aws-ec2 needs launch_template"},
      {"{name: g, driver: exec, ready: {expr: up}}", "the driver exec needs exec"},
      {"{name: g, driver: kubernetes}", "missing key \"ready\""},
      {"{name: g, driver: kubernetes, ready: {expr: up}, healthy: up}", "healthy and min_healthy need each other"},
      {"{name: g, driver: kubernetes, ready: {expr: up}, limits: {budget: b}, max_at_once: 2}", "the budget b says"},
      {"{name: g, driver: kubernetes, ready: {expr: up}, drain: [{kubernetes: {action: drain, node: a, "
       "allow_validators: true}}]}",
       "hosts that hold validators are not replaced"},
      {"{name: g, driver: exec, exec: {argv: [/x]}, ready: {expr: up}, rollout: {wanted_image: ami-1}}", "not exec"},
      {"{name: g, driver: aws-asg, auto_scaling_group: '{{ .Labels.g }}', ready: {expr: up}, rollout: {wanted_image: "
       "ami-1}}",
       "the name of one Auto Scaling group"},
      {"{name: g, driver: aws-ec2, launch_template: t, ready: {expr: up}, rollout: {wanted_image: ami-1}}",
       "needs instance_tags"},
      {"{name: g, driver: aws-ec2, launch_template: t, ready: {expr: up}, rollout: {wanted_image: two, instance_tags: "
       "{a: b}}}",
       "expected ami-... or launch-template, got \"two\""},
      {"{name: g, driver: aws-ec2, launch_template: t, ready: {expr: up}, rollout: {members: up, outdated: up, "
       "instance_tags: {a: b}}}",
       "instance_tags needs aws-ec2 and wanted_image"},
      {"{name: g, driver: kubernetes, ready: {expr: up}, rollout: {wanted_image: Linux 2}}", "needs node_selector"},
      {"{name: g, driver: kubernetes, ready: {expr: up}, rollout: {members: up, outdated: up, node_selector: a=b}}",
       "need kubernetes and wanted_image"},
      {"{name: g, driver: teleport, ready: {expr: up}}", "expected one of aws-asg, aws-ec2, kubernetes, exec"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto root = core::config::Node::parse(yaml, "w.yml");
    ASSERT_TRUE(root);
    const auto group = core::config::Codec<GroupConfig>::read(*root);
    ASSERT_FALSE(group) << yaml;
    EXPECT_THAT(group.error().message, HasSubstr(expected)) << yaml;
  }
  const auto root = core::config::Node::parse(
      "replace:\n- {name: g, driver: kubernetes, ready: {expr: up}, rollout: {members: up, outdated: 'up =='}}",
      "w.yml");
  ASSERT_TRUE(root);
  const auto groups = core::config::Codec<std::vector<GroupConfig>>::read(root->find("replace"));
  ASSERT_TRUE(groups);
  EXPECT_THAT(check_groups(*groups, *root).error().message, HasSubstr("w.yml:2:"));
}

}  // namespace
}  // namespace actions::replace
