// SPDX-License-Identifier: Apache-2.0
// Steps of kind aws against a stand-in that is as strict as AWS, and lies when it is told to.
#include "actions/remedy/aws_step_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actions/remedy/step.h"
#include "fake_aws.h"
#include "step_world.h"

namespace actions::remedy {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kHost = "i-00000000000000001";
constexpr const char* kVolume = "vol-00000000000000001";

class AwsStepTest : public ::testing::Test {
 protected:
  AwsStepTest() { aws.instances[kHost] = {}; }
  ~AwsStepTest() override { EXPECT_THAT(aws.violations, IsEmpty()); }

  AwsStep step(AwsAction action, milliseconds timeout = milliseconds(5000)) {
    AwsStep made;
    made.action = action;
    made.instance = kHost;
    made.timeout = timeout;
    made.account.ec2_endpoint = aws.ec2_url();
    made.account.autoscaling_endpoint = aws.autoscaling_url();
    return made;
  }
  StepFinished run(const AwsStep& made, int attempt = 1) {
    StepFinished finished = AwsStepRun(world.around, made, world.task(attempt)).carry_out();
    for (const char* const secret : {FakeAws::kSecretKey, FakeAws::kSessionToken}) {
      EXPECT_THAT(finished.result, Not(HasSubstr(secret)));
      EXPECT_THAT(finished.output, Not(HasSubstr(secret)));
    }
    return finished;
  }
  StepFinished run(AwsAction action) { return run(step(action)); }
  StepSeen look(const AwsStep& made) { return AwsStepRun(world.around, made, world.task()).look(); }
  void join_group() {
    aws.instances[kHost].group = "nodes";
    aws.groups["nodes"].desired = 1;
  }

  FakeAws aws;
  StepWorld world{FakeAws::environment};
};

TEST_F(AwsStepTest, IsOverWhenDescribeShowsIt) {
  const StepFinished stopped = run(AwsAction::kStopInstances);
  EXPECT_EQ(stopped.outcome, Outcome::kSucceeded) << stopped.result;
  EXPECT_EQ(stopped.result, std::string(kHost) + " is stopped");
  EXPECT_THAT(stopped.output, HasSubstr("StopInstances: DryRunOperation"));
  EXPECT_EQ(aws.calls("StopInstances"), 1);
  EXPECT_EQ(run(AwsAction::kStartInstances).result, std::string(kHost) + " is running");
  const StepFinished ended = run(AwsAction::kTerminateInstances);
  EXPECT_EQ(ended.outcome, Outcome::kSucceeded) << ended.result;
  EXPECT_EQ(ended.result, std::string(kHost) + " is terminated");
  EXPECT_THAT(aws.dry, ElementsAre("StopInstances", "StartInstances", "TerminateInstances"));
}

TEST_F(AwsStepTest, AnOkThatDoesNothingIsFoundOut) {
  aws.lies = {"StopInstances", "SetInstanceHealth", "TerminateInstanceInAutoScalingGroup"};
  join_group();
  const StepFinished finished = run(step(AwsAction::kStopInstances, milliseconds(80)));
  EXPECT_EQ(finished.outcome, Outcome::kFailed);
  EXPECT_THAT(finished.result, HasSubstr("not so by the timeout: i-00000000000000001 is running"));
  EXPECT_EQ(run(step(AwsAction::kSetInstanceHealth, milliseconds(80))).outcome, Outcome::kFailed);
  EXPECT_EQ(run(step(AwsAction::kTerminateInstanceInAutoScalingGroup, milliseconds(80))).outcome, Outcome::kFailed);
}

TEST_F(AwsStepTest, AnAnswerThatNamesNoInstanceIsNoProof) {
  aws.is_silent = {"StopInstances"};
  EXPECT_EQ(run(step(AwsAction::kStopInstances, milliseconds(80))).outcome, Outcome::kFailed);
  aws.is_silent = {};
  EXPECT_EQ(run(AwsAction::kStopInstances).outcome, Outcome::kSucceeded);
}

TEST_F(AwsStepTest, ComesLaterWhenItIsToldTo) {
  aws.throttles = {{"StopInstances", 3}, {"DescribeInstances", 2}};
  const StepFinished finished = run(AwsAction::kStopInstances);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(aws.calls("StopInstances"), 1);
  aws.throttles = {{"StartInstances", 1'000'000}};
  const StepFinished never = run(step(AwsAction::kStartInstances, milliseconds(60)));
  EXPECT_EQ(never.outcome, Outcome::kFailed);
  EXPECT_THAT(never.result, HasSubstr("told to come later until the timeout"));
}

TEST_F(AwsStepTest, WhatBecameOfACallWhoseAnswerWasLostIsLookedFor) {
  aws.loses = {"StopInstances", "TerminateInstanceInAutoScalingGroup", "CreateSnapshot"};
  EXPECT_EQ(run(AwsAction::kStopInstances).outcome, Outcome::kSucceeded);
  aws.instances[kHost].state = "running";
  join_group();
  const StepFinished finished = run(AwsAction::kTerminateInstanceInAutoScalingGroup);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(aws.calls("TerminateInstanceInAutoScalingGroup"), 1) << "a second call could end a second instance";
  AwsStep snapshot = step(AwsAction::kCreateSnapshot);
  snapshot.instance.clear();
  snapshot.volume = kVolume;
  EXPECT_EQ(run(snapshot).outcome, Outcome::kSucceeded);
  EXPECT_EQ(aws.snapshots.size(), 1U);
}

TEST_F(AwsStepTest, EveryRefusalEndsItBeforeAnythingHappens) {
  aws.denies = {{"StopInstances", "UnauthorizedOperation"}};
  const StepFinished denied = run(AwsAction::kStopInstances);
  EXPECT_EQ(denied.outcome, Outcome::kFailed);
  EXPECT_THAT(denied.result, HasSubstr("dry run of StopInstances: UnauthorizedOperation: you are not allowed to"));
  AwsStep unknown = step(AwsAction::kTerminateInstances);
  unknown.instance = "i-000000000000000ff";
  EXPECT_THAT(run(unknown).result, HasSubstr("there is no instance i-000000000000000ff"));
  EXPECT_EQ(run(unknown, 2).outcome, Outcome::kSucceeded) << "asked for before, and gone";
  aws.signature_mismatch = true;
  const StepFinished unsigned_one = run(AwsAction::kStopInstances);
  EXPECT_THAT(unsigned_one.result, HasSubstr("SignatureDoesNotMatch: The request signature we calculated"));
  EXPECT_EQ(aws.calls("StopInstances") + aws.calls("TerminateInstances"), 0);
}

TEST_F(AwsStepTest, WhatHoldsValidatorsIsNotTouched) {
  join_group();
  aws.instances[kHost].tags = {{"role", "eth-validator"}};
  for (const AwsAction action : {AwsAction::kStopInstances, AwsAction::kStartInstances, AwsAction::kRebootInstances,
                                 AwsAction::kTerminateInstances, AwsAction::kSetInstanceHealth,
                                 AwsAction::kTerminateInstanceInAutoScalingGroup}) {
    const StepFinished finished = run(action);
    EXPECT_EQ(finished.outcome, Outcome::kFailed);
    EXPECT_THAT(finished.result, HasSubstr("role=eth-validator says that it holds validators"));
  }
  EXPECT_THAT(aws.dry, IsEmpty());
  EXPECT_THAT(aws.done, Not(::testing::Contains("StopInstances")));
  AwsStep allowed = step(AwsAction::kStopInstances);
  allowed.allow_validators = true;
  EXPECT_EQ(run(allowed).outcome, Outcome::kSucceeded);
  // Nobody knows what is protected: then all is.
  Task task = world.task();
  task.protection = nullptr;
  aws.instances[kHost].tags = {};
  EXPECT_EQ(AwsStepRun(world.around, step(AwsAction::kStartInstances), task).carry_out().result,
            "what is protected is not known");
}

TEST_F(AwsStepTest, SnapshotsAreWaitedForAndFoundAgain) {
  AwsStep snapshot = step(AwsAction::kCreateSnapshot);
  snapshot.instance.clear();
  snapshot.volume = kVolume;
  const StepSeen none = look(snapshot);
  EXPECT_EQ(none.happened, Verdict::kNo) << none.why;
  const StepFinished finished = run(snapshot);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_THAT(finished.result, HasSubstr("snap-00000000000000001 of vol-00000000000000001 is completed"));
  EXPECT_EQ(look(snapshot).happened, Verdict::kYes);
  aws.snapshots.clear();
  aws.snapshots_break = true;
  EXPECT_THAT(run(snapshot).result, HasSubstr("is error"));
  EXPECT_EQ(look(snapshot).happened, Verdict::kUnknown) << "it was begun, and what came of it is no snapshot";
}

TEST_F(AwsStepTest, GroupsReplaceWhatTheyLose) {
  join_group();
  AwsStep terminate = step(AwsAction::kTerminateInstanceInAutoScalingGroup);
  terminate.group = "others";
  EXPECT_THAT(run(terminate).result, HasSubstr("is in the group nodes, not in others"));
  terminate.group = "nodes";
  aws.groups["nodes"].suspended = {"Launch"};
  EXPECT_THAT(run(terminate).result, HasSubstr("nothing would take the place of"));
  aws.groups["nodes"].suspended = {};
  aws.instances[kHost].lifecycle = "Warmed:Stopped";
  EXPECT_THAT(run(terminate).result, HasSubstr("warm pool"));
  aws.instances[kHost].lifecycle = "InService";
  EXPECT_EQ(look(terminate).happened, Verdict::kNo);
  const StepFinished finished = run(terminate);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded) << finished.result;
  EXPECT_EQ(look(terminate).happened, Verdict::kYes);
  AwsStep wait = step(AwsAction::kDescribeAutoScalingGroups);
  wait.group = "nodes";
  const StepFinished full = run(wait);
  EXPECT_EQ(full.outcome, Outcome::kSucceeded) << full.result;
  EXPECT_THAT(full.result, HasSubstr("1 of 1 instances of nodes are in service and healthy"));
  EXPECT_THAT(run(AwsAction::kSetInstanceHealth).result, HasSubstr("is in no Auto Scaling group"));
}

TEST_F(AwsStepTest, AGroupThatWasShrunkIsNotShrunkAgain) {
  join_group();
  aws.groups["nodes"].desired = 2;
  AwsStep shrink = step(AwsAction::kTerminateInstanceInAutoScalingGroup);
  shrink.decrement = true;
  EXPECT_EQ(look(shrink).happened, Verdict::kUnknown) << "whether it was asked for does not show yet";
  EXPECT_EQ(run(shrink).outcome, Outcome::kSucceeded);
  EXPECT_EQ(aws.groups["nodes"].desired, 1);
}

TEST_F(AwsStepTest, LifecycleActions) {
  join_group();
  aws.instances[kHost].lifecycle = "Terminating:Wait";
  AwsStep complete = step(AwsAction::kCompleteLifecycleAction);
  complete.group = "nodes";
  complete.hook = "drain";
  EXPECT_EQ(look(complete).happened, Verdict::kNo);
  EXPECT_EQ(run(complete).outcome, Outcome::kSucceeded);
  EXPECT_EQ(look(complete).happened, Verdict::kYes);
  EXPECT_THAT(run(complete).result, HasSubstr("No active Lifecycle Action"));
}

TEST_F(AwsStepTest, LaunchesOnceWhateverHappens) {
  AwsStep launch = step(AwsAction::kRunInstances);
  launch.launch_template = "nodes";
  aws.templates["nodes"] = {};
  aws.instances[kHost].subnet = "subnet-7";
  const StepFinished first = run(launch);
  EXPECT_EQ(first.outcome, Outcome::kSucceeded) << first.result;
  EXPECT_EQ(run(launch, 2).result, first.result) << "the same step is the same instance";
  EXPECT_EQ(aws.launched.size(), 1U);
  EXPECT_EQ(aws.instances.at(aws.launched.begin()->second).subnet, "subnet-7");
}

TEST_F(AwsStepTest, ARebootIsTakenOnAndNoMore) {
  const StepFinished finished = run(AwsAction::kRebootInstances);
  EXPECT_EQ(finished.outcome, Outcome::kSucceeded);
  EXPECT_THAT(finished.result, HasSubstr("EC2 took on the reboot"));
  aws.loses = {"RebootInstances"};
  EXPECT_THAT(run(AwsAction::kRebootInstances).result, HasSubstr("whether it was rebooted is not known"));
  EXPECT_EQ(aws.calls("RebootInstances"), 2) << "a second reboot is a second outage";
}

TEST_F(AwsStepTest, TheAgentsEndIsNoOutcome) {
  aws.lies = {"StopInstances"};
  std::jthread ending([&] {
    while (aws.calls("StopInstances") == 0) std::this_thread::yield();
    world.stop.request_stop();
  });
  EXPECT_EQ(run(AwsAction::kStopInstances).outcome, Outcome::kStopped);
}

TEST(AwsStep, SaysWhatMayBeRepeated) {
  const std::pair<AwsAction, Repeat> cases[] = {
      {AwsAction::kStopInstances, Repeat::kIdempotent},
      {AwsAction::kTerminateInstances, Repeat::kIdempotent},
      {AwsAction::kSetInstanceHealth, Repeat::kIdempotent},
      {AwsAction::kRunInstances, Repeat::kIdempotent},
      {AwsAction::kCreateSnapshot, Repeat::kVerifiable},
      {AwsAction::kTerminateInstanceInAutoScalingGroup, Repeat::kVerifiable},
      {AwsAction::kCompleteLifecycleAction, Repeat::kVerifiable},
      {AwsAction::kRebootInstances, Repeat::kNeedsPerson},
  };
  for (const auto& [action, expected] : cases) {
    AwsStep step;
    step.action = action;
    EXPECT_EQ(Step({step, {}}).repeat(), expected) << step.to_string();
  }
}

TEST(AwsStep, RefusesWhatMakesNoSense) {
  const std::pair<const char*, const char*> cases[] = {
      {"{action: StopInstances}", "aws: StopInstances needs instance"},
      {"{action: Explode}", "expected one of DescribeInstances, "},
      {"{action: StopInstances, instance: geth-1}", "expected an instance such as i-0123456789abcdef0, got \"geth-1\""},
      {"{action: CreateSnapshot, volume: i-00000000000000001}", "expected a volume such as"},
      {"{action: DescribeInstances, instance: i-00000001, state: asleep}", "expected running, stopped or terminated"},
      {"{action: CompleteLifecycleAction, instance: i-00000001, group: g, hook: h, result: MAYBE}",
       "expected CONTINUE or ABANDON"},
      {"{action: StopInstances, instance: i-00000001, access_key: x}", "all of a step is in the journal"},
      {"{action: StopInstances, instance: i-00000001, timeout: 7h}", "at most 6h"},
      {"{action: StopInstances, instance: i-00000001, poll: 99ms}", "poll must be at least 100ms"},
      {"{action: StopInstances, instance: '{{ $value }}'}", "may depend on the alert's labels only"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto root = core::config::Node::parse(std::string("aws: ") + yaml, "w.yml");
    ASSERT_TRUE(root) << yaml;
    const auto step = core::config::Codec<Step>::read(*root);
    ASSERT_FALSE(step) << yaml;
    EXPECT_THAT(step.error().message, HasSubstr(expected)) << yaml;
  }
}

TEST(AwsStep, ALabelIsAnInstanceOrThereIsNoPlan) {
  AwsStep aws;
  aws.action = AwsAction::kStopInstances;
  aws.instance = "{{ .Labels.instance_id }}";
  const Step step{aws, {}};
  const auto plan = render(step, core::ring::Labels({{"instance_id", "i-0123456789abcdef0"}}));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->to_string(), "aws StopInstances i-0123456789abcdef0");
  EXPECT_FALSE(render(step, core::ring::Labels({{"instance_id", "i-0123456789abcdef0&Action=TerminateInstances"}})));
  EXPECT_FALSE(render(step, core::ring::Labels({{"instance", "x"}})));
}

TEST(Protection, ByListAndByItsOwnWords) {
  ProtectionConfig config;
  config.instances = {"i-0abc*"};
  config.instance_tags = {{"role", "signer*"}};
  config.nodes = {"keys-?"};
  config.pods = {"staking/*"};
  config.labels = {{"tier", "gold"}};
  EXPECT_TRUE(config.instance({"i-0abcd", {}, {}}));
  EXPECT_TRUE(config.instance({"i-1", {{"role", "signer-a"}}, {}}));
  EXPECT_FALSE(config.instance({"i-1", {{"role", "geth"}}, {}}));
  EXPECT_TRUE(config.node({"keys-1", {}, {}}));
  EXPECT_TRUE(config.node({"other", {{"tier", "gold"}}, {}}));
  EXPECT_TRUE(config.pod({"staking/anything", {}, {}}));
  EXPECT_TRUE(config.pod({"geth/geth-0", {}, {"sigp/lighthouse:v8", "lighthouse", "vc"}}));
  EXPECT_TRUE(config.pod({"eth/lighthouse-vc-0", {}, {}}));
  EXPECT_TRUE(config.pod({"eth/x", {{"component", "Validator"}}, {}}));
  EXPECT_FALSE(config.pod({"eth/x", {{"validator", "false"}}, {}}));
  EXPECT_FALSE(config.pod({"eth/nvcc-7", {}, {"--http.vcors"}}));
  config.recognise = false;
  EXPECT_FALSE(config.pod({"eth/lighthouse-vc-0", {}, {}}));
}

}  // namespace
}  // namespace actions::remedy
