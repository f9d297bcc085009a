// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/aws_step_run.h"

#include <algorithm>
#include <utility>

#include "core/time/duration.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;
using core::aws::AwsAnswer;
using core::aws::AwsParameters;
using core::aws::XmlElement;

namespace {

constexpr const char* kEc2 = "ec2";
constexpr const char* kAutoScaling = "autoscaling";
constexpr const char* kEc2Version = "2016-11-15";
constexpr const char* kAutoScalingVersion = "2011-01-01";
// Marks what a step makes, so that it is found again.
constexpr const char* kTag = "watchkeeper:step";
// So often a call is made whose answer does not come, if a second one does no harm.
constexpr int kTries = 3;
// The longest pause of one who was told to come later.
constexpr core::Duration kAwsPauseMax = std::chrono::seconds(30);
// What shows an end must show it twice: Describe may answer from the past.
constexpr int kLooksInARow = 2;

bool is_of_ec2(AwsAction action) {
  return action != AwsAction::kSetInstanceHealth && action != AwsAction::kTerminateInstanceInAutoScalingGroup &&
         action != AwsAction::kCompleteLifecycleAction && action != AwsAction::kDescribeAutoScalingGroups;
}

bool only_looks(AwsAction action) {
  return action == AwsAction::kDescribeInstances || action == AwsAction::kDescribeAutoScalingGroups;
}

// Whether something becomes of the instance. Started it is not the same as left alone: who signed there before may sign
// elsewhere by now.
bool disturbs(const AwsStep& step) { return !step.instance.empty() && !only_looks(step.action); }

std::string text(const XmlElement& element, std::string_view path) { return std::string(element.text_of(path)); }

Surroundings at_pace_of(Surroundings around, const AwsAccount& account) {
  if (account.poll) around.poll = *account.poll;
  return around;
}

Sight not_seen(const core::Error& error) { return {Sight::Kind::kNotYet, error.message}; }

}  // namespace

core::aws::AwsOptions aws_options_of(const AwsAccount& account) {
  core::aws::AwsOptions options;
  options.region = account.region;
  options.profile = account.profile;
  options.role_arn = account.role_arn;
  options.external_id = account.external_id;
  if (!account.ec2_endpoint.empty()) options.endpoints[kEc2] = account.ec2_endpoint;
  if (!account.autoscaling_endpoint.empty()) options.endpoints[kAutoScaling] = account.autoscaling_endpoint;
  options.http.tls_config.ca_file = account.ca_file;
  return options;
}

AwsStepRun::AwsStepRun(const Surroundings& around, const AwsStep& step, Task task)
    : around_(at_pace_of(around, step.account)),
      step_(step),
      task_(std::move(task)),
      deadline_(around.clock.steady_now() + step.timeout),
      caller_(around.scheduler, {around.clock, around.http, around.environment}, aws_options_of(step.account)) {}

// --- Calls

Result<AwsAnswer> AwsStepRun::ask(const std::string& service, const std::string& action, AwsParameters parameters) {
  parameters.insert(parameters.begin(),
                    {{"Action", action}, {"Version", service == kEc2 ? kEc2Version : kAutoScalingVersion}});
  for (core::Duration pause = around_.poll;; pause = std::min(pause * 2, kAwsPauseMax)) {
    Result<AwsAnswer> answer = caller_.call(service, parameters, task_.stop);
    const std::string said = !answer            ? answer.error().message
                             : !answer->refusal ? std::string("OK")
                                                : answer->refusal->to_string();
    trace_ = tail(trace_ + action + ": " + said + "\n");
    if (!answer || !answer->refusal || !answer->refusal->says_later()) return answer;
    if (around_.clock.steady_now() + pause >= deadline_) {
      return fail(Errc::kLimitExceeded, "{}: told to come later until the timeout: {}", action, said);
    }
    if (!wait_for(pause, task_.stop)) return fail(Errc::kCancelled, "the agent ended");
  }
}

Result<XmlElement> AwsStepRun::read(const std::string& service, const std::string& action, AwsParameters parameters) {
  for (int attempt = 1;; ++attempt) {
    Result<AwsAnswer> answer = ask(service, action, parameters);
    if (answer && !answer->refusal) return std::move(answer->root);
    if (answer) return fail(Errc::kFailed, "{}: {}", action, answer->refusal->to_string());
    if (attempt == kTries || task_.stop.stop_requested()) return fail(answer.error().with_context("{}", action));
    if (!wait_for(around_.poll, task_.stop)) return fail(Errc::kCancelled, "the agent ended");
  }
}

AwsStepRun::Taken AwsStepRun::change_once(const std::string& service, const AwsParameters& parameters) {
  const std::string action = core::config::Codec<AwsAction>::print(step_.action);
  Result<AwsAnswer> answer = ask(service, action, parameters);
  if (!answer) {
    // "Later" until the end is a no; an answer that did not come says nothing.
    const bool refused = answer.error().code == Errc::kLimitExceeded;
    return {refused ? Taken::Kind::kRefused : Taken::Kind::kUnclear, answer.error().message, {}};
  }
  if (!answer->refusal) return {Taken::Kind::kYes, "", std::move(answer->root)};
  const bool broken = answer->refusal->status >= 500;
  return {broken ? Taken::Kind::kUnclear : Taken::Kind::kRefused, action + ": " + answer->refusal->to_string(), {}};
}

AwsStepRun::Taken AwsStepRun::change(const std::string& service, AwsParameters parameters) {
  for (int attempt = 1;; ++attempt) {
    Taken taken = change_once(service, parameters);
    const bool again = taken.kind == Taken::Kind::kUnclear && step_.repeat() == Repeat::kIdempotent;
    if (!again || attempt == kTries || !wait_for(around_.poll, task_.stop)) return taken;
  }
}

// --- What is there

Result<std::optional<AwsInstance>> AwsStepRun::instance(const std::string& id) {
  const Result<AwsAnswer> answer = ask(kEc2, "DescribeInstances", {{"InstanceId.1", id}});
  if (!answer) return fail(answer.error());
  if (answer->refusal) {
    if (answer->refusal->code == "InvalidInstanceID.NotFound") return std::optional<AwsInstance>();
    return fail(Errc::kFailed, "DescribeInstances: {}", answer->refusal->to_string());
  }
  for (const XmlElement& reservation : answer->root.items_of("reservationSet")) {
    for (const XmlElement& item : reservation.items_of("instancesSet")) {
      if (item.text_of("instanceId") != id) continue;
      AwsInstance found{text(item, "instanceState/name"), text(item, "subnetId"), {}};
      for (const XmlElement& tag : item.items_of("tagSet")) found.tags[text(tag, "key")] = text(tag, "value");
      return std::optional<AwsInstance>(std::move(found));
    }
  }
  return std::optional<AwsInstance>();
}

Result<std::optional<AwsGroupMember>> AwsStepRun::member(const std::string& id) {
  const Result<XmlElement> root = read(kAutoScaling, "DescribeAutoScalingInstances", {{"InstanceIds.member.1", id}});
  if (!root) return fail(root.error());
  for (const XmlElement& each : root->items_of("DescribeAutoScalingInstancesResult/AutoScalingInstances")) {
    if (each.text_of("InstanceId") != id) continue;
    return std::optional<AwsGroupMember>(
        AwsGroupMember{text(each, "AutoScalingGroupName"), text(each, "LifecycleState"), text(each, "HealthStatus")});
  }
  return std::optional<AwsGroupMember>();
}

Result<XmlElement> AwsStepRun::group(const std::string& name) {
  Result<XmlElement> root = read(kAutoScaling, "DescribeAutoScalingGroups", {{"AutoScalingGroupNames.member.1", name}});
  if (!root) return root;
  for (const XmlElement& each : root->items_of("DescribeAutoScalingGroupsResult/AutoScalingGroups")) {
    if (each.text_of("AutoScalingGroupName") == name) return each;
  }
  return fail(Errc::kNotFound, "there is no Auto Scaling group {}", name);
}

// --- Before

Result<void> AwsStepRun::check_protection(const AwsInstance& instance) const {
  if (step_.allow_validators) return {};
  if (task_.protection == nullptr) return fail(Errc::kFailed, "what is protected is not known");
  const auto why = task_.protection->instance({step_.instance, instance.tags, {}});
  if (!why) return {};
  return fail(Errc::kFailed, "{} is not touched: {}; allow_validators would let it", step_.instance, *why);
}

Result<void> AwsStepRun::check_group_of(const AwsGroupMember& member) {
  if (!step_.group.empty() && member.group != step_.group) {
    return fail(Errc::kFailed, "{} is in the group {}, not in {}", step_.instance, member.group, step_.group);
  }
  if (step_.action != AwsAction::kTerminateInstanceInAutoScalingGroup) return {};
  if (member.lifecycle.starts_with("Warmed:")) {
    return fail(Errc::kFailed, "{} is in the warm pool of {}", step_.instance, member.group);
  }
  if (step_.decrement) return {};
  const Result<XmlElement> described = group(member.group);
  if (!described) return fail(described.error());
  for (const XmlElement& each : described->items_of("SuspendedProcesses")) {
    const std::string_view process = each.text_of("ProcessName");
    if (process != "Launch" && process != "Terminate") continue;
    return fail(Errc::kFailed, "{} has the process {} suspended: nothing would take the place of {}", member.group,
                process, step_.instance);
  }
  return {};
}

std::optional<StepFinished> AwsStepRun::prepare() {
  if (auto right = step_.check_words(); !right) return failed(right.error().message);
  if (step_.instance.empty() || only_looks(step_.action)) return std::nullopt;
  const Result<std::optional<AwsInstance>> found = instance(step_.instance);
  if (!found) return failed(found.error().message);
  if (!*found) {
    // A name that was never right looks the same, so only what was asked for before counts as done.
    const bool gone = step_.action == AwsAction::kTerminateInstances && task_.attempt > 1;
    return gone ? succeeded(step_.instance + " is gone") : failed("there is no instance " + step_.instance);
  }
  subnet_ = (*found)->subnet;
  if (disturbs(step_)) {
    if (auto free = check_protection(**found); !free) return failed(free.error().message);
  }
  if (is_of_ec2(step_.action)) return std::nullopt;
  const Result<std::optional<AwsGroupMember>> seen = member(step_.instance);
  if (!seen) return failed(seen.error().message);
  if (!*seen) return failed(step_.instance + " is in no Auto Scaling group");
  if (auto right = check_group_of(**seen); !right) return failed(right.error().message);
  return std::nullopt;
}

// EC2's own word on whether it would do it, before it does.
Result<void> AwsStepRun::try_dry(const AwsParameters& parameters) {
  AwsParameters dry = parameters;
  dry.emplace_back("DryRun", "true");
  const std::string action = core::config::Codec<AwsAction>::print(step_.action);
  const Result<AwsAnswer> answer = ask(kEc2, action, std::move(dry));
  if (!answer) return fail(answer.error().with_context("dry run of {}", action));
  if (!answer->refusal) return fail(Errc::kFailed, "{} took a dry run as more than that", action);
  if (answer->refusal->code == "DryRunOperation") return {};
  return fail(Errc::kFailed, "dry run of {}: {}", action, answer->refusal->to_string());
}

AwsParameters AwsStepRun::parameters() const {
  const auto tagged = [&](AwsParameters all, const char* type) {
    all.emplace_back("TagSpecification.1.ResourceType", type);
    all.emplace_back("TagSpecification.1.Tag.1.Key", kTag);
    all.emplace_back("TagSpecification.1.Tag.1.Value", task_.name.substr(0, 256));
    return all;
  };
  switch (step_.action) {
    case AwsAction::kDescribeInstances:
    case AwsAction::kDescribeAutoScalingGroups:
      return {};
    case AwsAction::kStopInstances: {
      AwsParameters stop{{"InstanceId.1", step_.instance}};
      if (step_.force) stop.emplace_back("Force", "true");
      return stop;
    }
    case AwsAction::kStartInstances:
    case AwsAction::kRebootInstances:
    case AwsAction::kTerminateInstances:
      return {{"InstanceId.1", step_.instance}};
    case AwsAction::kRunInstances: {
      const bool by_id = step_.launch_template.starts_with("lt-");
      AwsParameters run{
          {by_id ? "LaunchTemplate.LaunchTemplateId" : "LaunchTemplate.LaunchTemplateName", step_.launch_template},
          {"MinCount", "1"},
          {"MaxCount", "1"},
          {"ClientToken", sha256_hex(task_.name)}};
      if (!subnet_.empty()) run.emplace_back("SubnetId", subnet_);
      return tagged(std::move(run), "instance");
    }
    case AwsAction::kCreateSnapshot:
      return tagged({{"VolumeId", step_.volume}, {"Description", "Watchkeeper " + task_.name.substr(0, 200)}},
                    "snapshot");
    case AwsAction::kSetInstanceHealth:
      return {{"InstanceId", step_.instance}, {"HealthStatus", "Unhealthy"}, {"ShouldRespectGracePeriod", "false"}};
    case AwsAction::kTerminateInstanceInAutoScalingGroup:
      return {{"InstanceId", step_.instance}, {"ShouldDecrementDesiredCapacity", step_.decrement ? "true" : "false"}};
    case AwsAction::kCompleteLifecycleAction:
      return {{"AutoScalingGroupName", step_.group},
              {"LifecycleHookName", step_.hook},
              {"InstanceId", step_.instance},
              {"LifecycleActionResult", step_.result}};
  }
  return {};
}

// --- After

void AwsStepRun::note_answer(const XmlElement& answer) {
  if (step_.action != AwsAction::kRunInstances) return;
  const auto& instances = answer.items_of("instancesSet");
  if (!instances.empty()) launched_ = text(instances.front(), "instanceId");
}

Sight AwsStepRun::see_instance(const std::string& id, const std::string& wanted) {
  const Result<std::optional<AwsInstance>> found = instance(id);
  if (!found) return not_seen(found.error());
  const std::string state = *found ? (*found)->state : "terminated";
  const std::string shown = *found ? fmt::format("{} is {}", id, state) : id + " is gone";
  if (state == wanted) return {Sight::Kind::kDone, shown};
  const bool ended = state == "terminated" || state == "shutting-down";
  return {ended && wanted != "terminated" ? Sight::Kind::kNever : Sight::Kind::kNotYet, shown};
}

Sight AwsStepRun::see_member() {
  const Result<std::optional<AwsGroupMember>> seen = member(step_.instance);
  if (!seen) return not_seen(seen.error());
  if (!*seen) return {Sight::Kind::kDone, step_.instance + " is in no group any more"};
  const AwsGroupMember& shown = **seen;
  const std::string words =
      fmt::format("{} is {} and {} in {}", step_.instance, shown.lifecycle, shown.health, shown.group);
  bool done = false;
  if (step_.action == AwsAction::kSetInstanceHealth) {
    // EC2 writes UNHEALTHY and Unhealthy.
    done = shown.health == "UNHEALTHY" || shown.health == "Unhealthy" || shown.lifecycle.starts_with("Terminat");
  } else {
    done = !shown.lifecycle.ends_with(":Wait");
  }
  return {done ? Sight::Kind::kDone : Sight::Kind::kNotYet, words};
}

Result<std::optional<AwsSnapshot>> AwsStepRun::snapshot() {
  const Result<XmlElement> root =
      read(kEc2, "DescribeSnapshots",
           {{"Owner.1", "self"}, {"Filter.1.Name", std::string("tag:") + kTag}, {"Filter.1.Value.1", task_.name}});
  if (!root) return fail(root.error());
  for (const XmlElement& each : root->items_of("snapshotSet")) {
    if (each.text_of("volumeId") != step_.volume) continue;
    return std::optional<AwsSnapshot>(AwsSnapshot{text(each, "snapshotId"), text(each, "status")});
  }
  return std::optional<AwsSnapshot>();
}

Sight AwsStepRun::see_snapshot() {
  const Result<std::optional<AwsSnapshot>> found = snapshot();
  if (!found) return not_seen(found.error());
  if (!*found) return {Sight::Kind::kNotYet, "there is no snapshot of " + step_.volume + " by this step"};
  const std::string shown = fmt::format("{} of {} is {}", (*found)->id, step_.volume, (*found)->state);
  if ((*found)->state == "completed") return {Sight::Kind::kDone, shown};
  return {(*found)->state == "error" ? Sight::Kind::kNever : Sight::Kind::kNotYet, shown};
}

Sight AwsStepRun::see_group() {
  const Result<XmlElement> found = group(step_.group);
  if (!found) return not_seen(found.error());
  const std::string wanted = text(*found, "DesiredCapacity");
  std::size_t in_service = 0;
  std::string others;
  for (const XmlElement& each : found->items_of("Instances")) {
    const bool healthy = each.text_of("HealthStatus") == "Healthy" && each.text_of("LifecycleState") == "InService";
    const bool unwanted = !step_.instance.empty() && each.text_of("InstanceId") == step_.instance;
    if (healthy && !unwanted) {
      ++in_service;
    } else {
      others += fmt::format("; {} is {} and {}", each.text_of("InstanceId"), each.text_of("LifecycleState"),
                            each.text_of("HealthStatus"));
    }
  }
  const std::string shown = fmt::format("{} of {} instances of {} are in service and healthy{}", in_service,
                                        wanted.empty() ? "?" : wanted, step_.group, others);
  const bool full = std::to_string(in_service) == wanted && others.empty();
  return {full ? Sight::Kind::kDone : Sight::Kind::kNotYet, shown};
}

Sight AwsStepRun::see() {
  switch (step_.action) {
    case AwsAction::kDescribeInstances:
      return see_instance(step_.instance, step_.state);
    case AwsAction::kStartInstances:
    case AwsAction::kRebootInstances:
      return see_instance(step_.instance, "running");
    case AwsAction::kStopInstances:
      return see_instance(step_.instance, "stopped");
    case AwsAction::kTerminateInstances:
    case AwsAction::kTerminateInstanceInAutoScalingGroup:
      return see_instance(step_.instance, "terminated");
    case AwsAction::kRunInstances:
      return see_instance(launched_, "running");
    case AwsAction::kCreateSnapshot:
      return see_snapshot();
    case AwsAction::kSetInstanceHealth:
    case AwsAction::kCompleteLifecycleAction:
      return see_member();
    case AwsAction::kDescribeAutoScalingGroups:
      return see_group();
  }
  return {Sight::Kind::kNever, "unknown action"};
}

StepFinished AwsStepRun::prove() {
  return look_until(around_, deadline_, kLooksInARow, task_.stop, [&] { return see(); });
}

StepFinished AwsStepRun::carry_out() {
  const auto with_trace = [&](StepFinished finished) {
    finished.output = trace_;
    return task_.stop.stop_requested() ? stopped() : finished;
  };
  if (auto over = prepare()) return with_trace(std::move(*over));
  std::string doubt;
  if (!only_looks(step_.action)) {
    const AwsParameters asked = parameters();
    if (is_of_ec2(step_.action)) {
      if (auto allowed = try_dry(asked); !allowed) return with_trace(failed(allowed.error().message));
    }
    const Taken taken = change(is_of_ec2(step_.action) ? kEc2 : kAutoScaling, asked);
    if (taken.kind == Taken::Kind::kRefused) return with_trace(failed(taken.text));
    if (taken.kind == Taken::Kind::kUnclear) doubt = "; the answer to the call was lost: " + taken.text;
    note_answer(taken.answer);
    if (step_.action == AwsAction::kRunInstances && launched_.empty()) {
      return with_trace(failed("RunInstances named no instance" + doubt));
    }
  }
  StepFinished finished = prove();
  if (finished.outcome == Outcome::kFailed) finished.result += doubt;
  if (step_.action == AwsAction::kRebootInstances && finished.outcome == Outcome::kSucceeded) {
    if (!doubt.empty()) return with_trace(failed("whether it was rebooted is not known" + doubt));
    finished.result += "; EC2 took on the reboot and does not show when it is over";
  }
  return with_trace(std::move(finished));
}

// --- After a crash

Verdict AwsStepRun::has_begun(std::string& why) {
  if (step_.action == AwsAction::kCreateSnapshot) {
    const Result<std::optional<AwsSnapshot>> found = snapshot();
    why = !found ? found.error().message : *found ? (*found)->id : "there is no snapshot by this step";
    if (!found) return Verdict::kUnknown;
    return *found ? Verdict::kYes : Verdict::kNo;
  }
  const Result<std::optional<AwsGroupMember>> seen = member(step_.instance);
  if (!seen) {
    why = seen.error().message;
    return Verdict::kUnknown;
  }
  const std::string lifecycle = *seen ? (*seen)->lifecycle : "in no group any more";
  why = fmt::format("{} is {}", step_.instance, lifecycle);
  if (step_.action == AwsAction::kCompleteLifecycleAction) {
    return lifecycle.ends_with(":Wait") ? Verdict::kNo : Verdict::kYes;
  }
  if (!*seen || lifecycle.starts_with("Terminat")) return Verdict::kYes;
  // A second request would shrink the group a second time.
  return step_.decrement ? Verdict::kUnknown : Verdict::kNo;
}

StepSeen AwsStepRun::look() {
  StepSeen seen;
  // Several times: what was asked for just before the end may not show yet.
  for (int i = 0; i < kTries; ++i) {
    seen.happened = has_begun(seen.why);
    if (seen.happened == Verdict::kYes || !wait_for(around_.poll, task_.stop)) break;
  }
  if (seen.happened != Verdict::kYes) return seen;
  const StepFinished proof = prove();
  if (proof.outcome != Outcome::kSucceeded) seen.happened = Verdict::kUnknown;
  seen.why = proof.result;
  return seen;
}

}  // namespace actions::remedy
