// SPDX-License-Identifier: Apache-2.0
// EC2's part of the account.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "test/support/aws_cloud.h"

namespace test_support {
namespace {

constexpr const char* kZone = "eu-west-1a";

struct State {
  const char* name;
  int code;
};
constexpr State kStates[] = {{"pending", 0},     {"running", 16},  {"shutting-down", 32},
                             {"terminated", 48}, {"stopping", 64}, {"stopped", 80}};

std::string state_xml(const char* element, const std::string& state) {
  const State* const known = std::ranges::find_if(kStates, [&](const State& each) { return each.name == state; });
  const int code = known == std::end(kStates) ? -1 : known->code;
  return xml_element(element, xml_element("code", std::to_string(code)) + xml_element("name", state));
}

std::string instance_xml(const std::string& id, const AwsCloud::Instance& instance) {
  std::string tags;
  for (const auto& [key, value] : instance.tags) {
    tags += xml_element("item", xml_element("key", xml_text(key)) + xml_element("value", xml_text(value)));
  }
  std::string text = xml_element("instanceId", id) + xml_element("imageId", instance.image) +
                     state_xml("instanceState", instance.state) + xml_element("instanceType", "m7g.xlarge") +
                     xml_element("placement", xml_element("availabilityZone", kZone)) +
                     xml_element("architecture", "arm64") + xml_element("tagSet", tags);
  // What has ended has no address any more.
  if (instance.state != "terminated") {
    text += xml_element("privateIpAddress", instance.address) + xml_element("subnetId", instance.subnet) +
            xml_element("vpcId", "vpc-1");
  }
  return xml_element("item", text);
}

bool is_instance_id(const std::string& text) {
  return text.starts_with("i-") && (text.size() == 10 || text.size() == 19) &&
         text.find_first_not_of("0123456789abcdef", 2) == std::string::npos;
}

// Whether an instance passes one filter; none: there is no such filter.
std::optional<bool> passes(const AwsCloud::Instance& instance, const std::string& filter,
                           const std::set<std::string>& values) {
  if (filter == "instance-state-name") return values.contains(instance.state);
  if (!filter.starts_with("tag:")) return std::nullopt;
  const auto tag = instance.tags.find(filter.substr(4));
  return tag != instance.tags.end() && values.contains(tag->second);
}

}  // namespace

const std::map<std::string, AwsCloud::Action>& AwsCloud::ec2_actions() {
  static const std::map<std::string, Action> all{
      {"DescribeAvailabilityZones", {{}, &AwsCloud::describe_availability_zones}},
      {"DescribeInstances", {{"InstanceId.#", "Filter.#.Name", "Filter.#.Value.#"}, &AwsCloud::describe_instances}},
      {"DescribeLaunchTemplateVersions",
       {{"LaunchTemplateId", "LaunchTemplateName", "LaunchTemplateVersion.1", "ResolveAlias"},
        &AwsCloud::describe_launch_template_versions}},
      {"DescribeSnapshots", {{"Owner.1", "Filter.1.Name", "Filter.1.Value.1"}, &AwsCloud::describe_snapshots}},
      {"StopInstances", {{"InstanceId.1", "Force"}, &AwsCloud::change_state}},
      {"StartInstances", {{"InstanceId.1"}, &AwsCloud::change_state}},
      {"RebootInstances", {{"InstanceId.1"}, &AwsCloud::change_state}},
      {"TerminateInstances", {{"InstanceId.1"}, &AwsCloud::change_state}},
      {"RunInstances",
       {{"LaunchTemplate.LaunchTemplateName", "MinCount", "MaxCount", "ClientToken", "SubnetId",
         "TagSpecification.1.ResourceType", "TagSpecification.1.Tag.1.Key", "TagSpecification.1.Tag.1.Value"},
        &AwsCloud::run_instances}},
      {"CreateSnapshot",
       {{"VolumeId", "Description", "TagSpecification.1.ResourceType", "TagSpecification.1.Tag.1.Key",
         "TagSpecification.1.Tag.1.Value"},
        &AwsCloud::create_snapshot}}};
  return all;
}

// --- Describe

AwsReply AwsCloud::describe_availability_zones(const Call& call) {
  return ok(call, xml_element("availabilityZoneInfo",
                              xml_element("item", xml_element("zoneName", kZone) + xml_element("zoneId", "euw1-az1"))));
}

AwsReply AwsCloud::describe_instances(const Call& call) {
  std::set<std::string> ids;
  std::map<std::string, std::string> filters;            // by number
  std::map<std::string, std::set<std::string>> allowed;  // likewise
  for (const auto& [name, value] : call.parameters) {
    if (name.starts_with("InstanceId.")) ids.insert(value);
    if (!name.starts_with("Filter.")) continue;
    const std::string number = name.substr(7, name.find('.', 7) - 7);
    if (name.ends_with(".Name")) filters[number] = value;
    if (name.find(".Value.") != std::string::npos) allowed[number].insert(value);
  }
  for (const std::string& id : ids) {
    if (!is_instance_id(id)) return refuse(call, 400, "InvalidInstanceID.Malformed", "Invalid id: \"" + id + "\"");
    if (instances.contains(id)) continue;
    return refuse(call, 400, "InvalidInstanceID.NotFound", "The instance ID '" + id + "' does not exist");
  }
  std::string found;
  for (const auto& [id, instance] : instances) {
    bool shown = ids.empty() || ids.contains(id);
    for (const auto& [number, filter] : filters) {
      const std::optional<bool> passed = passes(instance, filter, allowed[number]);
      if (!passed) return violate(call, "InvalidParameterValue", "The filter '" + filter + "' is invalid");
      shown = shown && *passed;
    }
    if (!shown) continue;
    found +=
        xml_element("item", xml_element("reservationId", "r-" + id.substr(2)) + xml_element("ownerId", "123456789012") +
                                xml_element("instancesSet", instance_xml(id, instance)));
  }
  return ok(call, xml_element("reservationSet", found));
}

// The launch template of a group has the id lt- and the group's name, the others are known by their names.
AwsReply AwsCloud::describe_launch_template_versions(const Call& call) {
  const std::string id = call.get("LaunchTemplateId");
  const std::string name = call.get("LaunchTemplateName");
  const auto group = groups.find(id.substr(std::min<std::size_t>(id.size(), 3)));
  const auto by_name = templates.find(name);
  if (group == groups.end() && by_name == templates.end()) {
    return refuse(call, 400,
                  id.empty() ? "InvalidLaunchTemplateName.NotFoundException" : "InvalidLaunchTemplateId.NotFound",
                  "The specified launch template, " + id + name + ", does not exist.");
  }
  const std::string image = by_name == templates.end() ? group->second.template_image : by_name->second.image;
  return ok(call, xml_element("launchTemplateVersionSet",
                              xml_element("item", xml_element("launchTemplateData", xml_element("imageId", image)))));
}

AwsReply AwsCloud::describe_snapshots(const Call& call) {
  if (call.get("Filter.1.Name") != "tag:watchkeeper:step") {
    return violate(call, "InvalidParameterValue", "The filter '" + call.get("Filter.1.Name") + "' is invalid");
  }
  std::string items;
  for (const auto& [id, each] : snapshots) {
    if (each.tag != call.get("Filter.1.Value.1")) continue;
    const std::string status = now() < each.due ? "pending" : each.breaks ? "error" : "completed";
    items += xml_element(
        "item", xml_element("snapshotId", id) + xml_element("volumeId", each.volume) + xml_element("status", status));
  }
  return ok(call, xml_element("snapshotSet", items));
}

// --- Changes

AwsReply AwsCloud::change_state(const Call& call) {
  const std::string id = call.get("InstanceId.1");
  const auto found = instances.find(id);
  if (found == instances.end()) {
    return refuse(call, 400, "InvalidInstanceID.NotFound", "The instance ID '" + id + "' does not exist");
  }
  Instance& instance = found->second;
  const bool ends = instance.state == "shutting-down" || instance.state == "terminated";
  if (ends && call.action != "TerminateInstances") {
    return refuse(call, 400, "IncorrectInstanceState", "The instance '" + id + "' is " + instance.state);
  }
  if (call.is_dry()) return only_dry(call);
  const std::string before = instance.state;
  const bool effective = is_effective(call);
  if (effective && call.action == "StopInstances" && before == "running") begin(instance, "stopping", "stopped");
  if (effective && call.action == "StartInstances" && before == "stopped") begin(instance, "pending", "running");
  if (effective && call.action == "TerminateInstances" && !ends) begin(instance, "shutting-down", "terminated");
  if (call.action == "RebootInstances") return ok(call, xml_element("return", "true"));
  if (is_silent.contains(call.action)) return ok(call, "<instancesSet/>");
  return ok(call, xml_element("instancesSet",
                              xml_element("item", xml_element("instanceId", id) + state_xml("previousState", before) +
                                                      state_xml("currentState", instance.state))));
}

AwsReply AwsCloud::run_instances(const Call& call) {
  const std::string name = call.get("LaunchTemplate.LaunchTemplateName");
  const auto made_from = templates.find(name);
  if (made_from == templates.end()) {
    return refuse(call, 400, "InvalidLaunchTemplateName.NotFoundException",
                  "The specified launch template, with template name " + name + ", does not exist.");
  }
  const std::string token = call.get("ClientToken");
  if (token.empty() || token.size() > 64) return violate(call, "InvalidParameterValue", "client token " + token);
  if (call.get("TagSpecification.1.ResourceType") != "instance") {
    return violate(call, "InvalidParameterValue", "tags of what?");
  }
  if (call.is_dry()) return only_dry(call);
  if (launches_.contains(token) && launches_[token] != call.parameters) {
    return refuse(call, 400, "IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent");
  }
  launches_[token] = call.parameters;
  if (!is_effective(call)) return ok(call, "<instancesSet/>");
  std::string& id = launched[token];
  if (id.empty()) {
    Instance fresh;
    fresh.image = made_from->second.image;
    fresh.tags = made_from->second.tags;
    fresh.tags[call.get("TagSpecification.1.Tag.1.Key")] = call.get("TagSpecification.1.Tag.1.Value");
    fresh.subnet = call.get("SubnetId");
    id = launch(std::move(fresh));
  }
  return ok(call, xml_element("instancesSet", instance_xml(id, instances[id])));
}

AwsReply AwsCloud::create_snapshot(const Call& call) {
  if (call.is_dry()) return only_dry(call);
  const std::string id = fmt::format("snap-{:017x}", snapshots.size() + 1);
  snapshots[id] = {call.get("VolumeId"), call.get("TagSpecification.1.Tag.1.Value"), now() + delay_, snapshots_break};
  return ok(call, xml_element("snapshotId", id) + xml_element("status", "pending"));
}

}  // namespace test_support
