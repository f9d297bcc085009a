// SPDX-License-Identifier: Apache-2.0
// Auto Scaling's part of the account.
#include "test/support/aws_cloud.h"

namespace test_support {
namespace {

// The two Describe actions write the health in different letters.
std::string health_of(const AwsCloud::Instance& each, bool in_group) {
  if (!in_group) return each.health;
  return each.health == "HEALTHY" ? "Healthy" : "Unhealthy";
}

std::string member_xml(const std::string& id, const AwsCloud::Instance& each, bool in_group) {
  std::string text = xml_element("InstanceId", id) + xml_element("LifecycleState", each.lifecycle) +
                     xml_element("HealthStatus", health_of(each, in_group)) +
                     xml_element("AvailabilityZone", "eu-west-1a") + xml_element("ProtectedFromScaleIn", "false");
  if (!in_group) text += xml_element("AutoScalingGroupName", each.group);
  return xml_element("member", text);
}

std::string group_xml(const std::string& name, const AwsCloud::Group& group, const std::string& members) {
  std::string suspended;
  for (const std::string& each : group.suspended) {
    suspended += xml_element("member", xml_element("ProcessName", each));
  }
  std::string text = xml_element("AutoScalingGroupName", name) +
                     xml_element("MinSize", std::to_string(group.smallest)) +
                     xml_element("DesiredCapacity", std::to_string(group.desired)) + xml_element("Instances", members) +
                     xml_element("SuspendedProcesses", suspended);
  if (!group.template_image.empty()) {
    text += xml_element("LaunchTemplate", xml_element("LaunchTemplateId", "lt-" + name) + xml_element("Version", "7"));
  }
  return xml_element("member", text);
}

constexpr const char* kNoMember = "Instance Id not found - No managed instance found for instance ID ";

}  // namespace

const std::map<std::string, AwsCloud::Action>& AwsCloud::auto_scaling_actions() {
  static const std::map<std::string, Action> all{
      {"DescribeAutoScalingInstances", {{"InstanceIds.member.1"}, &AwsCloud::describe_members}},
      {"DescribeAutoScalingGroups", {{"AutoScalingGroupNames.member.1"}, &AwsCloud::describe_groups}},
      {"SetInstanceHealth",
       {{"InstanceId", "HealthStatus", "ShouldRespectGracePeriod"}, &AwsCloud::set_instance_health}},
      {"TerminateInstanceInAutoScalingGroup",
       {{"InstanceId", "ShouldDecrementDesiredCapacity"}, &AwsCloud::terminate_member}},
      {"CompleteLifecycleAction",
       {{"AutoScalingGroupName", "LifecycleHookName", "InstanceId", "LifecycleActionResult"},
        &AwsCloud::complete_lifecycle_action}}};
  return all;
}

AwsReply AwsCloud::describe_members(const Call& call) {
  const std::string id = call.get("InstanceIds.member.1");
  const auto found = instances.find(id);
  const bool known = found != instances.end() && !found->second.group.empty();
  return ok(call, xml_element("DescribeAutoScalingInstancesResult",
                              xml_element("AutoScalingInstances", known ? member_xml(id, found->second, false) : "")));
}

AwsReply AwsCloud::describe_groups(const Call& call) {
  const std::string name = call.get("AutoScalingGroupNames.member.1");
  std::string members;
  for (const auto& [id, each] : instances) {
    if (each.group == name) members += member_xml(id, each, true);
  }
  const auto group = groups.find(name);
  const std::string shown = group == groups.end() ? "" : group_xml(name, group->second, members);
  return ok(call, xml_element("DescribeAutoScalingGroupsResult", xml_element("AutoScalingGroups", shown)));
}

AwsReply AwsCloud::set_instance_health(const Call& call) {
  const auto found = instances.find(call.get("InstanceId"));
  if (found == instances.end() || found->second.group.empty()) {
    return refuse(call, 400, "ValidationError", kNoMember + call.get("InstanceId"));
  }
  if (call.get("HealthStatus") != "Unhealthy") return violate(call, "ValidationError", "nobody says Healthy");
  if (is_effective(call)) {
    found->second.health = "UNHEALTHY";
    found->second.doomed = now() + delay_;
  }
  return ok(call, "");
}

AwsReply AwsCloud::terminate_member(const Call& call) {
  const std::string id = call.get("InstanceId");
  const auto found = instances.find(id);
  if (found == instances.end() || found->second.group.empty()) {
    return refuse(call, 400, "ValidationError", kNoMember + id);
  }
  const std::string decrement = call.get("ShouldDecrementDesiredCapacity");
  if (decrement != "true" && decrement != "false") {
    return violate(call, "ValidationError", "no decision on the capacity");
  }
  Instance& instance = found->second;
  Group& group = groups[instance.group];
  if (decrement == "true" && group.desired <= group.smallest) {
    return refuse(call, 400, "ValidationError",
                  "Currently, desiredSize equals minSize. Terminating instance without replacement will violate "
                  "group's min size constraint.");
  }
  if (is_effective(call)) {
    if (decrement == "true") --group.desired;
    instance.lifecycle = "Terminating";
    begin(instance, "shutting-down", "terminated");
  }
  return ok(call,
            xml_element("TerminateInstanceInAutoScalingGroupResult",
                        xml_element("Activity", xml_element("AutoScalingGroupName", instance.group) +
                                                    xml_element("StatusCode", "InProgress") +
                                                    xml_element("Description", "Terminating EC2 instance: " + id) +
                                                    xml_element("Progress", "0"))));
}

AwsReply AwsCloud::complete_lifecycle_action(const Call& call) {
  const std::string id = call.get("InstanceId");
  const auto found = instances.find(id);
  const bool waits = found != instances.end() && found->second.group == call.get("AutoScalingGroupName") &&
                     found->second.lifecycle.ends_with(":Wait");
  if (!waits) {
    return refuse(call, 400, "ValidationError", "No active Lifecycle Action found with instance ID " + id);
  }
  if (is_effective(call)) found->second.lifecycle = "Terminating:Proceed";
  return ok(call, "<CompleteLifecycleActionResult/>");
}

}  // namespace test_support
