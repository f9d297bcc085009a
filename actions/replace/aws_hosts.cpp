// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/aws_hosts.h"

#include <map>
#include <string>
#include <utility>

#include "actions/remedy/aws_step_run.h"
#include "core/aws/aws_caller.h"

namespace actions::replace {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::aws::AwsAnswer;
using core::aws::AwsCaller;
using core::aws::AwsParameters;
using core::aws::XmlElement;

// Of one group; DescribeInstances takes up to a thousand at once.
constexpr std::size_t kInstancesMax = 500;

std::string text(const XmlElement& element, std::string_view path) { return std::string(element.text_of(path)); }

class Description {
 public:
  Description(const remedy::Surroundings& around, const GroupConfig& config, const std::stop_token& stop)
      : config_(config),
        stop_(stop),
        caller_(around.scheduler, {around.clock, around.http, around.environment}, remedy::aws_options_of(config.aws)) {
  }

  Result<DescribedHosts> describe() { return config_.driver == Driver::kAwsEc2 ? tagged() : of_group(); }

 private:
  Result<DescribedHosts> of_group() {
    const Result<XmlElement> group = find_group();
    if (!group) return fail(group.error());
    const Result<std::string> wanted = wanted_image(*group);
    if (!wanted) return fail(wanted.error());
    AwsParameters asked;
    for (const XmlElement& each : group->items_of("Instances")) {
      // What is on its way out is no host of the group any more.
      if (each.text_of("LifecycleState").starts_with("Terminat")) continue;
      asked.emplace_back(fmt::format("InstanceId.{}", asked.size() + 1), text(each, "InstanceId"));
    }
    if (asked.empty()) return fail(Errc::kUnavailable, "the Auto Scaling group {} has no instances", name());
    if (asked.size() > kInstancesMax) {
      return fail(Errc::kLimitExceeded, "the Auto Scaling group {} has more than {} instances", name(), kInstancesMax);
    }
    const std::size_t count = asked.size();
    Result<DescribedHosts> hosts = instances(std::move(asked), *wanted);
    if (hosts && hosts->members.size() != count) {
      return fail(Errc::kUnavailable, "EC2 describes {} of {} instances of {}", hosts->members.size(), count, name());
    }
    return hosts;
  }

  Result<DescribedHosts> tagged() {
    const Result<std::string> wanted = config_.rollout->wanted_image == kLaunchTemplate
                                           ? image_of_template()
                                           : Result<std::string>(config_.rollout->wanted_image);
    if (!wanted) return fail(wanted.error());
    // What is on its way out is no host of the group any more.
    AwsParameters asked{{"Filter.1.Name", "instance-state-name"},
                        {"Filter.1.Value.1", "pending"},
                        {"Filter.1.Value.2", "running"},
                        {"Filter.1.Value.3", "stopping"},
                        {"Filter.1.Value.4", "stopped"}};
    std::size_t number = 1;
    for (const auto& [tag, value] : config_.rollout->instance_tags) {
      ++number;
      asked.emplace_back(fmt::format("Filter.{}.Name", number), "tag:" + tag);
      asked.emplace_back(fmt::format("Filter.{}.Value.1", number), value);
    }
    Result<DescribedHosts> hosts = instances(std::move(asked), *wanted);
    if (hosts && hosts->members.empty()) {
      return fail(Errc::kUnavailable, "no instance has the tags of the group {}", config_.name);
    }
    return hosts;
  }

  const std::string& name() const { return config_.auto_scaling_group; }

  Result<XmlElement> ask(const std::string& service, const std::string& action, AwsParameters parameters) {
    parameters.insert(parameters.begin(),
                      {{"Action", action}, {"Version", service == "ec2" ? "2016-11-15" : "2011-01-01"}});
    Result<AwsAnswer> answer = caller_.call(service, std::move(parameters), stop_);
    if (!answer) return fail(answer.error().with_context("{}", action));
    if (answer->refusal) return fail(Errc::kUnavailable, "{}: {}", action, answer->refusal->to_string());
    return std::move(answer->root);
  }

  Result<XmlElement> find_group() {
    const auto root = ask("autoscaling", "DescribeAutoScalingGroups", {{"AutoScalingGroupNames.member.1", name()}});
    if (!root) return fail(root.error());
    for (const XmlElement& each : root->items_of("DescribeAutoScalingGroupsResult/AutoScalingGroups")) {
      if (each.text_of("AutoScalingGroupName") == name()) return each;
    }
    return fail(Errc::kUnavailable, "there is no Auto Scaling group {}", name());
  }

  Result<std::string> wanted_image(const XmlElement& group) {
    if (config_.rollout->wanted_image != kLaunchTemplate) return config_.rollout->wanted_image;
    const std::string id = text(group, "LaunchTemplate/LaunchTemplateId");
    if (id.empty()) return fail(Errc::kUnavailable, "the Auto Scaling group {} has no launch template", name());
    const std::string version = text(group, "LaunchTemplate/Version");
    return image_of_version("LaunchTemplateId", id, version.empty() ? "$Default" : version);
  }

  // Of what RunInstances takes: the template's default version.
  Result<std::string> image_of_template() {
    const std::string& id = config_.launch_template;
    return image_of_version(id.starts_with("lt-") ? "LaunchTemplateId" : "LaunchTemplateName", id, "$Default");
  }

  Result<std::string> image_of_version(const std::string& key, const std::string& id, const std::string& version) {
    const auto root = ask("ec2", "DescribeLaunchTemplateVersions",
                          {{key, id}, {"LaunchTemplateVersion.1", version}, {"ResolveAlias", "true"}});
    if (!root) return fail(root.error());
    for (const XmlElement& each : root->items_of("launchTemplateVersionSet")) {
      std::string image = text(each, "launchTemplateData/imageId");
      if (image.starts_with("ami-")) return image;
    }
    return fail(Errc::kUnavailable, "the launch template {} names no image", id);
  }

  Result<DescribedHosts> instances(AwsParameters asked, const std::string& wanted) {
    const auto root = ask("ec2", "DescribeInstances", std::move(asked));
    if (!root) return fail(root.error());
    // An answer of several pages comes only to more instances than a group may have.
    if (!root->text_of("nextToken").empty()) {
      return fail(Errc::kLimitExceeded, "the group {} has more instances than one answer holds", config_.name);
    }
    DescribedHosts hosts;
    for (const XmlElement& reservation : root->items_of("reservationSet")) {
      for (const XmlElement& instance : reservation.items_of("instancesSet")) {
        const std::string image = text(instance, "imageId");
        hosts.members.push_back(Host({{"instance_id", text(instance, "instanceId")},
                                      {"instance", text(instance, "privateIpAddress")},
                                      {"image", image},
                                      {"availability_zone", text(instance, "placement/availabilityZone")}}));
        if (image != wanted) hosts.outdated.push_back(hosts.members.back());
      }
    }
    return hosts;
  }

  const GroupConfig& config_;
  const std::stop_token& stop_;
  AwsCaller caller_;
};

}  // namespace

Result<DescribedHosts> describe_aws_hosts(const remedy::Surroundings& around, const GroupConfig& group,
                                          const std::stop_token& stop) {
  return Description(around, group, stop).describe();
}

}  // namespace actions::replace
