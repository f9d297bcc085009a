// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/time/clock.h"
#include "core/time/duration.h"
#include "test/support/aws_signature.h"
#include "test/unit/core/net/client_fixture.h"

namespace actions::remedy {

// EC2 and Auto Scaling, as strict as AWS: what is not signed rightly, has another version, an unknown action or an
// unknown parameter is refused, and states change only some looks after they were asked for.
//
// Thread safety: any thread; members are guarded by `mutex`.
class FakeAws {
 public:
  struct Instance {
    std::string state = "running";
    std::map<std::string, std::string> tags = {};
    std::string group = {};
    std::string lifecycle = "InService";
    std::string health = "HEALTHY";
    std::string subnet = "subnet-1";
    std::string image = "ami-1";
    std::string address = "10.0.0.1";
    std::string next = {};  // the state it comes to
    int looks = 0;          // until it does
  };
  struct Group {
    int desired = 1;
    std::string template_image = {};  // of its launch template; empty: it has none
    std::set<std::string> suspended = {};
  };
  struct Snapshot {
    std::string volume;
    std::string tag;
    int looks = 2;  // until it is completed
    bool breaks = false;
  };

  FakeAws() {
    for (auto* each : {&ec2_, &autoscaling_}) {
      const std::string service = each == &ec2_ ? "ec2" : "autoscaling";
      (*each)->Post("/", [this, service](const httplib::Request& request, httplib::Response& response) {
        answer(service, request, response);
      });
      each->start();
    }
  }

  std::string ec2_url() const { return ec2_.url("/"); }
  std::string autoscaling_url() const { return autoscaling_.url("/"); }

  static constexpr const char* kAccessKey = "AKIDEXAMPLE";
  static constexpr const char* kSecretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  static constexpr const char* kSessionToken = "session/token+1==";
  static std::string environment(const char* name) {
    const std::map<std::string, std::string> variables{{"AWS_ACCESS_KEY_ID", kAccessKey},
                                                       {"AWS_SECRET_ACCESS_KEY", kSecretKey},
                                                       {"AWS_SESSION_TOKEN", kSessionToken},
                                                       {"AWS_REGION", "eu-west-1"}};
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  }

  int calls(const std::string& action) {
    const std::lock_guard lock(mutex);
    return static_cast<int>(std::ranges::count(done, action));
  }

  std::mutex mutex;
  std::map<std::string, Instance> instances;
  std::map<std::string, Group> groups;
  std::map<std::string, Snapshot> snapshots;
  std::map<std::string, std::string> launched;  // by client token
  std::set<std::string> lies;                   // says OK and does nothing
  std::set<std::string> loses;                  // does it, and its answer is an internal error
  std::set<std::string> is_silent;              // does nothing, and names no instance in its OK
  std::map<std::string, std::string> denies;    // with this code
  std::map<std::string, int> throttles;         // so many times
  bool signature_mismatch = false;
  bool snapshots_break = false;
  std::vector<std::string> done;        // actions that were not only dry
  std::vector<std::string> dry;         // that were
  std::vector<std::string> violations;  // what no client of AWS may send

 private:
  using Parameters = std::multimap<std::string, std::string>;

  static std::string first(const Parameters& parameters, const std::string& name) {
    const auto found = parameters.find(name);
    return found == parameters.end() ? "" : found->second;
  }

  static void refuse(httplib::Response& response, const std::string& service, int status, const std::string& code,
                     const std::string& message) {
    response.status = status;
    const std::string error = "<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>";
    response.set_content(service == "ec2" ? "<Response><Errors>" + error + "</Errors></Response>"
                                          : "<ErrorResponse>" + error + "</ErrorResponse>",
                         "text/xml");
  }

  std::string now() const {
    std::string text;
    for (const char c : core::format_rfc3339(clock_.wall_now()).substr(0, 19)) {
      if (c != '-' && c != ':') text += c;
    }
    return text + "Z";
  }

  bool is_signed(const std::string& service, const httplib::Request& request, httplib::Response& response) {
    test_support::SignedRequest seen{"POST", "/", "", {}, request.body};
    for (const auto& [name, value] : request.headers) seen.headers.emplace(name, value);
    const std::string wrong =
        test_support::check_aws_signature(seen, "eu-west-1", service, kAccessKey, kSecretKey, kSessionToken, now());
    if (wrong.empty() && !signature_mismatch) return true;
    if (!signature_mismatch) violations.push_back(wrong);
    // As AWS does, with the headers that were sent.
    refuse(response, service, 403, "SignatureDoesNotMatch",
           std::string("The request signature we calculated does not match.\n\nThe Canonical String for this request "
                       "should have been\nx-amz-security-token:") +
               kSessionToken);
    return false;
  }

  void answer(const std::string& service, const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    if (!is_signed(service, request, response)) return;
    const std::string action = request.get_param_value("Action");
    const std::string version = request.get_param_value("Version");
    if (version != (service == "ec2" ? "2016-11-15" : "2011-01-01")) return violate(response, "version " + version);
    if (int& left = throttles[action]; left > 0) {
      --left;
      return refuse(response, service, service == "ec2" ? 503 : 400,
                    service == "ec2" ? "RequestLimitExceeded" : "Throttling", "slow down");
    }
    if (denies.contains(action)) return refuse(response, service, 403, denies[action], "you are not allowed to");
    Parameters parameters(request.params.begin(), request.params.end());
    if (first(parameters, "DryRun") == "true") {
      if (service != "ec2") return violate(response, "Auto Scaling has no DryRun");
      dry.push_back(action);
      return refuse(response, service, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
    }
    done.push_back(action);
    const std::string body =
        service == "ec2" ? ec2(action, parameters, response) : auto_scaling(action, parameters, response);
    if (body.empty()) return;
    if (loses.contains(action)) return refuse(response, service, 500, "InternalError", "an internal error occurred");
    response.set_content("<" + action + "Response>" + body + "</" + action + "Response>", "text/xml");
  }

  void violate(httplib::Response& response, const std::string& what) {
    violations.push_back(what);
    response.status = 400;
  }

  static void begin(Instance& instance, const std::string& on_the_way, const std::string& end) {
    instance.state = on_the_way;
    instance.next = end;
    instance.looks = 3;
  }

  std::string described(const std::string& id) {
    Instance& instance = instances.at(id);
    if (!instance.next.empty() && --instance.looks <= 0) {
      instance.state = std::exchange(instance.next, "");
      if (instance.state == "terminated" && !instance.group.empty()) {
        const std::string group = std::exchange(instance.group, "");
        replace_in(group);
      }
    }
    std::string tags;
    for (const auto& [key, value] : instance.tags) {
      tags += "<item><key>" + key + "</key><value>" + value + "</value></item>";
    }
    return "<item><instanceId>" + id + "</instanceId><instanceState><name>" + instance.state +
           "</name></instanceState><imageId>" + instance.image + "</imageId><privateIpAddress>" + instance.address +
           "</privateIpAddress><subnetId>" + instance.subnet + "</subnetId><tagSet>" + tags + "</tagSet></item>";
  }

  // The group launches another one, unless it shrank.
  void replace_in(const std::string& name) {
    int members = 0;
    for (const auto& [id, each] : instances) members += each.group == name;
    if (members >= groups[name].desired || groups[name].suspended.contains("Launch")) return;
    Instance fresh;
    fresh.state = "pending";
    fresh.next = "running";
    fresh.looks = 1;
    fresh.group = name;
    fresh.lifecycle = "Pending";
    instances[fmt::format("i-{:017x}", 0xf00 + instances.size())] = fresh;
  }

  // Every parameter but these is a mistake.
  bool knows(const Parameters& parameters, std::set<std::string> known, httplib::Response& response) {
    known.insert({"Action", "Version", "DryRun"});
    for (const auto& [name, value] : parameters) {
      if (known.contains(name)) continue;
      violate(response, "unknown parameter " + name);
      return false;
    }
    return true;
  }

  std::string change_state(const std::string& action, const Parameters& parameters, httplib::Response& response) {
    if (!knows(parameters, {"InstanceId.1", "Force"}, response)) return "";
    const std::string id = first(parameters, "InstanceId.1");
    if (!instances.contains(id)) {
      refuse(response, "ec2", 400, "InvalidInstanceID.NotFound", "The instance ID '" + id + "' does not exist");
      return "";
    }
    Instance& instance = instances[id];
    const bool effective = !lies.contains(action) && !is_silent.contains(action);
    if (effective && action == "StopInstances" && instance.state == "running") begin(instance, "stopping", "stopped");
    if (effective && action == "StartInstances" && instance.state == "stopped") begin(instance, "pending", "running");
    if (effective && action == "TerminateInstances" && instance.state != "terminated") {
      begin(instance, "shutting-down", "terminated");
    }
    if (action == "RebootInstances") return "<return>true</return>";
    if (is_silent.contains(action)) return "<instancesSet/>";
    return "<instancesSet><item><instanceId>" + id + "</instanceId><currentState><name>" + instance.state +
           "</name></currentState></item></instancesSet>";
  }

  std::string describe_instances(const Parameters& parameters, httplib::Response& response) {
    std::string items;
    for (const auto& [name, id] : parameters) {
      if (name == "Action" || name == "Version") continue;
      if (!name.starts_with("InstanceId.")) return violate(response, "unknown parameter " + name), "";
      if (!instances.contains(id)) {
        refuse(response, "ec2", 400, "InvalidInstanceID.NotFound", "The instance ID '" + id + "' does not exist");
        return "";
      }
      items += described(id);
    }
    return "<reservationSet><item><instancesSet>" + items + "</instancesSet></item></reservationSet>";
  }

  std::string run_instances(const Parameters& parameters, httplib::Response& response) {
    if (!knows(parameters,
               {"LaunchTemplate.LaunchTemplateName", "MinCount", "MaxCount", "ClientToken", "SubnetId",
                "TagSpecification.1.ResourceType", "TagSpecification.1.Tag.1.Key", "TagSpecification.1.Tag.1.Value"},
               response)) {
      return "";
    }
    const std::string token = first(parameters, "ClientToken");
    if (token.empty() || token.size() > 64) violations.push_back("client token " + token);
    if (first(parameters, "TagSpecification.1.ResourceType") != "instance") violations.push_back("tags of what?");
    std::string& id = launched[token];
    if (id.empty()) {
      id = fmt::format("i-{:017x}", 0xabc + launched.size());
      Instance fresh;
      begin(fresh, "pending", "running");
      fresh.subnet = first(parameters, "SubnetId");
      instances[id] = fresh;
    }
    return "<instancesSet><item><instanceId>" + id + "</instanceId></item></instancesSet>";
  }

  std::string ec2(const std::string& action, const Parameters& parameters, httplib::Response& response) {
    if (action == "DescribeInstances") return describe_instances(parameters, response);
    if (action == "DescribeLaunchTemplateVersions") {
      if (!knows(parameters, {"LaunchTemplateId", "LaunchTemplateVersion.1", "ResolveAlias"}, response)) return "";
      const std::string group = first(parameters, "LaunchTemplateId").substr(3);
      return "<launchTemplateVersionSet><item><launchTemplateData><imageId>" + groups[group].template_image +
             "</imageId></launchTemplateData></item></launchTemplateVersionSet>";
    }
    if (action == "RunInstances") return run_instances(parameters, response);
    if (action == "CreateSnapshot") {
      if (!knows(parameters,
                 {"VolumeId", "Description", "TagSpecification.1.ResourceType", "TagSpecification.1.Tag.1.Key",
                  "TagSpecification.1.Tag.1.Value"},
                 response)) {
        return "";
      }
      const std::string id = fmt::format("snap-{:017x}", snapshots.size() + 1);
      snapshots[id] = {first(parameters, "VolumeId"), first(parameters, "TagSpecification.1.Tag.1.Value"), 2,
                       snapshots_break};
      return "<snapshotId>" + id + "</snapshotId><status>pending</status>";
    }
    if (action == "DescribeSnapshots") {
      if (!knows(parameters, {"Owner.1", "Filter.1.Name", "Filter.1.Value.1"}, response)) return "";
      if (first(parameters, "Filter.1.Name") != "tag:watchkeeper:step") violations.push_back("filter");
      std::string items;
      for (auto& [id, each] : snapshots) {
        if (each.tag != first(parameters, "Filter.1.Value.1")) continue;
        const std::string status = --each.looks > 0 ? "pending" : each.breaks ? "error" : "completed";
        items += "<item><snapshotId>" + id + "</snapshotId><volumeId>" + each.volume + "</volumeId><status>" + status +
                 "</status></item>";
      }
      return "<snapshotSet>" + items + "</snapshotSet>";
    }
    static const std::set<std::string> kChanges{"StopInstances", "StartInstances", "TerminateInstances",
                                                "RebootInstances"};
    if (kChanges.contains(action)) return change_state(action, parameters, response);
    refuse(response, "ec2", 400, "InvalidAction", "The action " + action + " is not valid for this web service.");
    violations.push_back("action " + action);
    return "";
  }

  std::string member_xml(const std::string& id, const Instance& each, bool with_group) {
    return "<member><InstanceId>" + id + "</InstanceId>" +
           (with_group ? "<AutoScalingGroupName>" + each.group + "</AutoScalingGroupName>" : "") + "<LifecycleState>" +
           each.lifecycle + "</LifecycleState><HealthStatus>" +
           (with_group                 ? each.health
            : each.health == "HEALTHY" ? "Healthy"
                                       : "Unhealthy") +
           "</HealthStatus></member>";
  }

  std::string describe_members(const Parameters& parameters, httplib::Response& response) {
    if (!knows(parameters, {"InstanceIds.member.1"}, response)) return "";
    const std::string id = first(parameters, "InstanceIds.member.1");
    const bool known = instances.contains(id) && !instances[id].group.empty();
    return "<DescribeAutoScalingInstancesResult><AutoScalingInstances>" +
           (known ? member_xml(id, instances[id], true) : "") +
           "</AutoScalingInstances></DescribeAutoScalingInstancesResult>";
  }

  std::string describe_groups(const Parameters& parameters, httplib::Response& response) {
    if (!knows(parameters, {"AutoScalingGroupNames.member.1"}, response)) return "";
    const std::string name = first(parameters, "AutoScalingGroupNames.member.1");
    std::string members;
    std::string suspended;
    for (auto& [id, each] : instances) {
      if (each.group != name) continue;
      if (each.lifecycle == "Pending" && --each.looks < -2) each.lifecycle = "InService";
      members += member_xml(id, each, false);
    }
    for (const std::string& each : groups[name].suspended) {
      suspended += "<member><ProcessName>" + each + "</ProcessName></member>";
    }
    return "<DescribeAutoScalingGroupsResult><AutoScalingGroups><member><AutoScalingGroupName>" + name +
           "</AutoScalingGroupName><DesiredCapacity>" + std::to_string(groups[name].desired) +
           "</DesiredCapacity><Instances>" + members + "</Instances>" +
           (groups[name].template_image.empty() ? ""
                                                : "<LaunchTemplate><LaunchTemplateId>lt-" + name +
                                                      "</LaunchTemplateId><Version>7</Version></LaunchTemplate>") +
           "<SuspendedProcesses>" + suspended +
           "</SuspendedProcesses></member></AutoScalingGroups></DescribeAutoScalingGroupsResult>";
  }

  std::string auto_scaling(const std::string& action, const Parameters& parameters, httplib::Response& response) {
    if (action == "DescribeAutoScalingInstances") return describe_members(parameters, response);
    if (action == "DescribeAutoScalingGroups") return describe_groups(parameters, response);
    const std::string id = first(parameters, "InstanceId");
    if (!instances.contains(id) || instances[id].group.empty()) {
      refuse(response, "autoscaling", 400, "ValidationError",
             "Instance Id not found - No managed instance found for " + id);
      return "";
    }
    Instance& instance = instances[id];
    if (action == "SetInstanceHealth") {
      if (!knows(parameters, {"InstanceId", "HealthStatus", "ShouldRespectGracePeriod"}, response)) return "";
      if (!lies.contains(action)) instance.health = "UNHEALTHY";
      return "<ResponseMetadata/>";
    }
    if (action == "TerminateInstanceInAutoScalingGroup") {
      if (!knows(parameters, {"InstanceId", "ShouldDecrementDesiredCapacity"}, response)) return "";
      const std::string decrement = first(parameters, "ShouldDecrementDesiredCapacity");
      if (decrement != "true" && decrement != "false") return violate(response, "no decision on the capacity"), "";
      if (lies.contains(action)) return "<Activity/>";
      if (decrement == "true") --groups[instance.group].desired;
      instance.lifecycle = "Terminating";
      begin(instance, "shutting-down", "terminated");
      return "<Activity/>";
    }
    if (action == "CompleteLifecycleAction") {
      if (!knows(parameters, {"AutoScalingGroupName", "LifecycleHookName", "InstanceId", "LifecycleActionResult"},
                 response)) {
        return "";
      }
      if (!instance.lifecycle.ends_with(":Wait")) {
        refuse(response, "autoscaling", 400, "ValidationError",
               "No active Lifecycle Action found with instance ID " + id);
        return "";
      }
      if (!lies.contains(action)) instance.lifecycle = "Terminating:Proceed";
      return "<CompleteLifecycleActionResult/>";
    }
    violate(response, "action " + action);
    return "";
  }

  core::SystemClock clock_;
  core::net::LocalServer<httplib::Server> ec2_;
  core::net::LocalServer<httplib::Server> autoscaling_;
};

}  // namespace actions::remedy
