// SPDX-License-Identifier: Apache-2.0
// What an aws step is, and what of it makes no sense.
#include "actions/remedy/aws_step.h"

#include <algorithm>

#include "actions/remedy/step.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

// What each action is told, beside who asks.
struct Needs {
  bool instance = false;
  bool group = false;
  bool volume = false;
  bool hook = false;
  bool launch_template = false;
};

Needs needs_of(AwsAction action) {
  switch (action) {
    case AwsAction::kDescribeInstances:
    case AwsAction::kStartInstances:
    case AwsAction::kStopInstances:
    case AwsAction::kRebootInstances:
    case AwsAction::kTerminateInstances:
    case AwsAction::kSetInstanceHealth:
    case AwsAction::kTerminateInstanceInAutoScalingGroup:
      return {.instance = true};
    case AwsAction::kDescribeAutoScalingGroups:
      return {.group = true};
    case AwsAction::kRunInstances:
      return {.launch_template = true};
    case AwsAction::kCreateSnapshot:
      return {.volume = true};
    case AwsAction::kCompleteLifecycleAction:
      return {.instance = true, .group = true, .hook = true};
  }
  return {};
}

bool is_id(const std::string& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  const std::string_view rest = std::string_view(text).substr(prefix.size());
  return (rest.size() == 8 || rest.size() == 17) &&
         rest.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Names of groups, hooks and templates, as far as AWS takes them in a form without doubt about what is meant.
bool is_name(const std::string& text) {
  return text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Faster looks would be throttled, and with them everybody else's calls.
constexpr core::Millis kPollMin(100);

constexpr std::string_view kStates[] = {"running", "stopped", "terminated"};

Result<void> check_step(const AwsStep& step, const Node& node) {
  const std::string action = core::config::Codec<AwsAction>::print(step.action);
  const Needs needs = needs_of(step.action);
  const std::pair<bool, std::pair<const char*, const std::string*>> wanted[] = {
      {needs.instance, {"instance", &step.instance}},
      {needs.group, {"group", &step.group}},
      {needs.volume, {"volume", &step.volume}},
      {needs.hook, {"hook", &step.hook}},
      {needs.launch_template, {"launch_template", &step.launch_template}}};
  for (const auto& [needed, key] : wanted) {
    if (needed && key.second->empty()) return fail(node.error("aws: {} needs {}", action, key.first));
  }
  if (std::ranges::find(kStates, step.state) == std::end(kStates)) {
    return fail(node.find("state").error("aws: expected running, stopped or terminated, got \"{}\"", step.state));
  }
  if (step.result != "CONTINUE" && step.result != "ABANDON") {
    return fail(node.find("result").error("aws: expected CONTINUE or ABANDON, got \"{}\"", step.result));
  }
  if (step.timeout <= core::Millis(0) || step.timeout > kWaitMax) {
    return fail(node.error("aws: timeout must be more than zero and at most {}", core::format_duration(kWaitMax)));
  }
  const bool templated =
      std::ranges::any_of(step.words(), [](const std::string* word) { return word->find("{{") != std::string::npos; });
  if (templated) return {};
  if (auto right = step.check_words(); !right) return fail(node.error("{}", right.error().message));
  return {};
}

}  // namespace

Result<void> AwsStep::check_words() const {
  if (!instance.empty() && !is_id(instance, "i-")) {
    return fail(Errc::kInvalid, "aws: expected an instance such as i-0123456789abcdef0, got \"{}\"", instance);
  }
  if (!volume.empty() && !is_id(volume, "vol-")) {
    return fail(Errc::kInvalid, "aws: expected a volume such as vol-0123456789abcdef0, got \"{}\"", volume);
  }
  for (const std::string* name : {&group, &hook, &launch_template}) {
    if (!is_name(*name)) return fail(Errc::kInvalid, "aws: \"{}\" is no name", *name);
  }
  return {};
}

// Stopping what is stopped and ending what has ended does nothing. Where a second time would, a look tells whether the
// first was; of a reboot EC2 shows nothing.
Repeat AwsStep::repeat() const {
  switch (action) {
    case AwsAction::kRebootInstances:
      return Repeat::kNeedsPerson;
    case AwsAction::kCreateSnapshot:
    case AwsAction::kTerminateInstanceInAutoScalingGroup:
    case AwsAction::kCompleteLifecycleAction:
      return Repeat::kVerifiable;
    case AwsAction::kDescribeInstances:
    case AwsAction::kDescribeAutoScalingGroups:
    case AwsAction::kStartInstances:
    case AwsAction::kStopInstances:
    case AwsAction::kTerminateInstances:
    case AwsAction::kSetInstanceHealth:
    case AwsAction::kRunInstances:  // its client token makes a second request the same one
      return Repeat::kIdempotent;
  }
  return Repeat::kNeedsPerson;
}

std::string AwsStep::to_string() const {
  std::string text = core::config::Codec<AwsAction>::print(action);
  for (const std::string* word : words()) {
    if (!word->empty()) text += " " + *word;
  }
  if (action == AwsAction::kDescribeInstances) text += " until " + state;
  if (action == AwsAction::kCompleteLifecycleAction) text += " " + result;
  if (decrement) text += " and shrink its group";
  if (force) text += " by force";
  if (allow_validators) text += " even with validators";
  return text;
}

const Table<AwsAccount>& AwsAccount::fields() {
  static const auto table =
      Table<AwsAccount>("aws_account", "Whose account and where; keys are found as AWS's own tools find them.")
          .field("region", &AwsAccount::region,
                 {.help = "The region; without it that of the environment, the shared files or the instance itself."})
          .field("profile", &AwsAccount::profile, {.help = "A profile of the shared credentials file."})
          .field("role_arn", &AwsAccount::role_arn, {.help = "A role to take on through STS."})
          .field("external_id", &AwsAccount::external_id, {.help = "The external id that the role asks for."})
          .field("ec2_endpoint", &AwsAccount::ec2_endpoint, {.help = "Another endpoint of EC2: a URL."})
          .field("autoscaling_endpoint", &AwsAccount::autoscaling_endpoint,
                 {.help = "Another endpoint of Auto Scaling: a URL."})
          .field("ca_file", &AwsAccount::ca_file, {.help = "PEM; default: the system's authorities."})
          .field("poll", &AwsAccount::poll,
                 {.help = "The time between two looks at what AWS shows, 100ms at least; default: 5s. Its calls are "
                          "counted, for the whole account."})
          .refuse("access_key", "all of a step is in the journal; use a profile, the environment or a role")
          .refuse("secret_key", "all of a step is in the journal; use a profile, the environment or a role")
          .check([](const AwsAccount& account, const Node& node) -> Result<void> {
            if (!account.poll || *account.poll >= kPollMin) return {};
            return fail(node.find("poll").error("poll must be at least {}", core::format_duration(kPollMin)));
          });
  return table;
}

const Table<AwsStep>& AwsStep::fields() {
  static const auto table = [] {
    Table<AwsStep> built("aws", "Asks AWS for something, and looks until it is so.");
    built
        .field("action", &AwsStep::action,
               {.help = "What is asked for; the Describe actions only wait.", .required = true})
        .field("instance", &AwsStep::instance,
               {.help = "An instance id; may be a template. With RunInstances: whose "
                        "subnet the new one gets."})
        .field(
            "group", &AwsStep::group,
            {.help = "An Auto Scaling group; may be a template. DescribeAutoScalingGroups waits until as many of its "
                     "instances as it wants are in service and healthy, and no other is in it."})
        .field("volume", &AwsStep::volume, {.help = "With CreateSnapshot: a volume id; may be a template."})
        .field("hook", &AwsStep::hook, {.help = "With CompleteLifecycleAction: the hook; may be a template."})
        .field("result", &AwsStep::result, {.help = "With CompleteLifecycleAction: CONTINUE or ABANDON."})
        .field("launch_template", &AwsStep::launch_template,
               {.help = "With RunInstances: an id (lt-...) or a name; may be a template."})
        .field("state", &AwsStep::state,
               {.help = "With DescribeInstances: the state that is waited for: running, stopped or terminated."})
        .field("decrement", &AwsStep::decrement,
               {.help = "With TerminateInstanceInAutoScalingGroup: the group wants one less, so none takes its place."})
        .field("force", &AwsStep::force, {.help = "With StopInstances: without a shutdown of its system."})
        .field("allow_validators", &AwsStep::allow_validators,
               {.help = "Whether it may touch an instance that is protected."})
        .field("timeout", &AwsStep::timeout,
               {.help = "Until it must be so, by what AWS shows; then the step has failed."})
        .embed(&AwsStep::account, AwsAccount::fields())
        .check(check_step);
    return built;
  }();
  return table;
}

}  // namespace actions::remedy
