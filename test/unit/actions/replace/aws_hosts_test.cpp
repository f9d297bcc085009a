// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/aws_hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/actions/remedy/fake_aws.h"
#include "test/unit/actions/remedy/step_world.h"

namespace actions::replace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kOld = "i-00000000000000001";
constexpr const char* kNew = "i-00000000000000002";
constexpr const char* kLeaving = "i-00000000000000003";

class AwsHostsTest : public ::testing::Test {
 protected:
  AwsHostsTest() {
    aws.instances[kOld] = {.group = "nodes", .image = "ami-1", .address = "10.0.0.1"};
    aws.instances[kNew] = {.group = "nodes", .image = "ami-2", .address = "10.0.0.2"};
    aws.instances[kLeaving] = {.group = "nodes", .lifecycle = "Terminating:Wait", .image = "ami-1"};
    aws.groups["nodes"].desired = 2;
    group.driver = Driver::kAwsAsg;
    group.auto_scaling_group = "nodes";
    group.rollout = RolloutConfig{};
    group.rollout->wanted_image = "ami-2";
    group.aws.ec2_endpoint = aws.ec2_url();
    group.aws.autoscaling_endpoint = aws.autoscaling_url();
  }
  ~AwsHostsTest() override { EXPECT_THAT(aws.violations, IsEmpty()); }
  core::Result<DescribedHosts> describe() { return describe_aws_hosts(world.around, group, {}); }

  remedy::FakeAws aws;
  remedy::StepWorld world{remedy::FakeAws::environment};
  GroupConfig group;
};

TEST_F(AwsHostsTest, ThoseWithAnotherImageAreOutdated) {
  const auto hosts = describe();
  ASSERT_TRUE(hosts) << hosts.error().message;
  EXPECT_EQ(hosts->members.size(), 2U) << "one that is on its way out is no host of the group";
  ASSERT_EQ(hosts->outdated.size(), 1U);
  EXPECT_EQ(
      hosts->outdated[0],
      Host({{"instance_id", kOld}, {"instance", "10.0.0.1"}, {"image", "ami-1"}, {"availability_zone", "eu-west-1a"}}));
}

TEST_F(AwsHostsTest, TheLaunchTemplateSaysWhatIsWanted) {
  group.rollout->wanted_image = kLaunchTemplate;
  EXPECT_THAT(describe().error().message, HasSubstr("has no launch template"));
  aws.groups["nodes"].template_image = "ami-1";
  const auto hosts = describe();
  ASSERT_TRUE(hosts) << hosts.error().message;
  ASSERT_EQ(hosts->outdated.size(), 1U);
  EXPECT_EQ(hosts->outdated[0].get("instance_id"), kNew);
  aws.groups["nodes"].template_image = "resolve:ssm:/golden";
  EXPECT_THAT(describe().error().message, HasSubstr("names no image"));
}

TEST_F(AwsHostsTest, OfEc2ThoseWithTheTagsAreTheGroup) {
  group.driver = Driver::kAwsEc2;
  group.launch_template = "beacon";
  group.rollout->instance_tags = {{"role", "beacon"}, {"network", "mainnet"}};
  EXPECT_THAT(describe().error().message, HasSubstr("no instance has the tags"));
  for (auto& [id, instance] : aws.instances) instance.tags = {{"role", "beacon"}};
  EXPECT_THAT(describe().error().message, HasSubstr("no instance has the tags")) << "all of them";
  for (auto& [id, instance] : aws.instances) instance.tags["network"] = "mainnet";
  aws.instances[kLeaving].state = "shutting-down";
  auto hosts = describe();
  ASSERT_TRUE(hosts) << hosts.error().message;
  EXPECT_EQ(hosts->members.size(), 2U) << "one that is on its way out is no host of the group";
  ASSERT_EQ(hosts->outdated.size(), 1U);
  EXPECT_EQ(hosts->outdated[0].get("instance_id"), kOld);

  group.rollout->wanted_image = kLaunchTemplate;
  EXPECT_THAT(describe().error().message, HasSubstr("InvalidLaunchTemplateName.NotFoundException"));
  aws.templates["beacon"] = {.image = "ami-1"};
  hosts = describe();
  ASSERT_TRUE(hosts) << hosts.error().message;
  ASSERT_EQ(hosts->outdated.size(), 1U);
  EXPECT_EQ(hosts->outdated[0].get("instance_id"), kNew);
}

TEST_F(AwsHostsTest, WhatIsNotKnownWholeIsNotKnown) {
  aws.denies = {{"DescribeInstances", "UnauthorizedOperation"}};
  EXPECT_THAT(describe().error().message, HasSubstr("DescribeInstances: UnauthorizedOperation"));
  aws.denies = {};
  for (auto& [id, instance] : aws.instances) instance.group = "others";
  EXPECT_THAT(describe().error().message, HasSubstr("has no instances"));
}

}  // namespace
}  // namespace actions::replace
