// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/group_config.h"

#include <algorithm>

#include "actions/remedy/condition.h"

namespace actions::replace {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

Result<void> check_driver(const GroupConfig& group, const Node& node) {
  const auto missing = [&](const char* key) -> Result<void> {
    const std::string driver = core::config::Codec<Driver>::print(group.driver);
    return fail(node.error("replace \"{}\": the driver {} needs {}", group.name, driver, key));
  };
  switch (group.driver) {
    case Driver::kAwsAsg:
      return group.auto_scaling_group.empty() ? missing("auto_scaling_group") : Result<void>();
    case Driver::kAwsEc2:
      return group.launch_template.empty() ? missing("launch_template") : Result<void>();
    case Driver::kKubernetes:
      return {};
    case Driver::kExec:
      return group.exec ? Result<void>() : missing("exec");
  }
  return {};
}

bool touches_validators(const remedy::Step& step) {
  const auto* aws = std::get_if<remedy::AwsStep>(&step.action);
  const auto* kubernetes = std::get_if<remedy::KubernetesStep>(&step.action);
  return (aws != nullptr && aws->allow_validators) || (kubernetes != nullptr && kubernetes->allow_validators) ||
         std::ranges::any_of(step.rollback, touches_validators);
}

bool is_template(const std::string& text) { return text.find("{{") != std::string::npos; }

Result<void> check_wanted_image(const GroupConfig& group, const Node& node) {
  if (!group.rollout || group.rollout->wanted_image.empty()) return {};
  const RolloutConfig& rollout = *group.rollout;
  const auto wrong = [&](const std::string& what) -> Result<void> {
    return fail(node.find("rollout").error("replace \"{}\": {}", group.name, what));
  };
  switch (group.driver) {
    case Driver::kAwsAsg:
      if (is_template(group.auto_scaling_group)) return wrong("wanted_image needs the name of one Auto Scaling group");
      break;
    case Driver::kAwsEc2:
      if (rollout.instance_tags.empty()) return wrong("wanted_image needs instance_tags: which instances are meant");
      if (is_template(group.launch_template)) return wrong("wanted_image needs the name of one launch template");
      break;
    case Driver::kKubernetes:
      if (rollout.node_selector.empty()) return wrong("wanted_image needs node_selector: which nodes are meant");
      return {};
    case Driver::kExec:
      return wrong("wanted_image needs a driver that can be asked: not exec");
  }
  if (rollout.wanted_image == kLaunchTemplate || rollout.wanted_image.starts_with("ami-")) return {};
  return wrong(fmt::format("expected ami-... or launch-template, got \"{}\"", rollout.wanted_image));
}

// Keys that only a wanted image of one driver has a use for.
Result<void> check_who_is_meant(const GroupConfig& group, const Node& node) {
  if (!group.rollout) return {};
  const RolloutConfig& rollout = *group.rollout;
  const bool asked = !rollout.wanted_image.empty();
  const bool of_ec2 = !rollout.instance_tags.empty();
  const bool of_kubernetes = !rollout.node_selector.empty() || !rollout.image_label.empty();
  if (of_ec2 && !(asked && group.driver == Driver::kAwsEc2)) {
    return fail(node.find("rollout").error("replace \"{}\": instance_tags needs aws-ec2 and wanted_image", group.name));
  }
  if (of_kubernetes && !(asked && group.driver == Driver::kKubernetes)) {
    return fail(node.find("rollout").error(
        "replace \"{}\": node_selector and image_label need kubernetes and wanted_image", group.name));
  }
  return {};
}

Result<void> check_group(const GroupConfig& group, const Node& node) {
  if (group.name.empty()) return fail(node.error("replace: name is empty"));
  if (auto driver = check_driver(group, node); !driver) return driver;
  if (group.max_at_once == 0) return fail(node.error("replace \"{}\": max_at_once must be at least 1", group.name));
  if (group.healthy.empty() != (group.min_healthy == 0)) {
    return fail(node.error("replace \"{}\": healthy and min_healthy need each other", group.name));
  }
  if (!group.limits.budget.empty() && (!group.healthy.empty() || group.max_at_once != 1)) {
    return fail(node.error("replace \"{}\": the budget {} says max_at_once, healthy and min_healthy", group.name,
                           group.limits.budget));
  }
  if (auto image = check_wanted_image(group, node); !image) return image;
  if (auto meant = check_who_is_meant(group, node); !meant) return meant;
  if (group.timeout <= core::Millis(0) || group.timeout > remedy::kWaitMax) {
    return fail(node.error("replace \"{}\": timeout must be more than zero and at most {}", group.name,
                           core::format_duration(remedy::kWaitMax)));
  }
  if (group.fresh_within <= core::Millis(0)) {
    return fail(node.error("replace \"{}\": fresh_within must be more than zero", group.name));
  }
  if (std::ranges::any_of(group.drain, touches_validators)) {
    return fail(node.find("drain").error(
        "replace \"{}\": hosts that hold validators are not replaced before a fenced failover has moved their keys",
        group.name));
  }
  return {};
}

}  // namespace

const Table<ReadyConfig>& ReadyConfig::fields() {
  static const auto table =
      Table<ReadyConfig>("replace_ready", "What must be so before a replacement counts.")
          .field("expr", &ReadyConfig::expr,
                 {.help = "PromQL, as in verify: that the new host is there, synced and attesting. Only samples taken "
                          "after the last step count.",
                  .required = true})
          .field("within", &ReadyConfig::within, {.help = "If it is not so by then, the replacement has failed."})
          .check([](const ReadyConfig& ready, const Node& node) -> Result<void> {
            if (ready.within <= core::Millis(0)) return fail(node.error("ready: within must be more than zero"));
            return {};
          });
  return table;
}

const Table<RolloutConfig>& RolloutConfig::fields() {
  static const auto table =
      Table<RolloutConfig>("replace_rollout", "Which hosts a rolling update replaces.")
          .field("members", &RolloutConfig::members,
                 {.help = "PromQL: one series for each host of the group. While fewer are seen than at the start, "
                          "nothing is replaced.",
                  .example = "'up{job=\"geth\"}'"})
          .field("outdated", &RolloutConfig::outdated,
                 {.help = "PromQL: one series for each host that is to be replaced, with the labels that the driver's "
                          "templates name.",
                  .example = "'node_os_info{job=\"geth\", image_version!=\"2024.11\"}'"})
          .field("wanted_image", &RolloutConfig::wanted_image,
                 {.help = "Instead of both: an image (ami-...), or launch-template for that of the launch template; "
                          "AWS is asked for the instances and theirs, whose labels are instance_id, instance (the "
                          "private address), image and availability_zone. With kubernetes: what the nodes' operating "
                          "system must call itself (nodeInfo.osImage); their labels are node and likewise."})
          .field("instance_tags", &RolloutConfig::instance_tags,
                 {.help = "With aws-ec2 and wanted_image: the group is the instances that have all these tags. The "
                          "launch template must give them to the new one.",
                  .example = "{role: beacon}"})
          .field("node_selector", &RolloutConfig::node_selector,
                 {.help = "With kubernetes and wanted_image: the group is the nodes that this label selector selects.",
                  .example = "role=geth"})
          .field("image_label", &RolloutConfig::image_label,
                 {.help = "With kubernetes and wanted_image: the label of a node that has its image, instead of "
                          "nodeInfo.osImage.",
                  .example = "eks.amazonaws.com/nodegroup-image"})
          .field("pause", &RolloutConfig::pause, {.help = "The least time between the starts of two replacements."})
          .check([](const RolloutConfig& rollout, const Node& node) -> Result<void> {
            const bool described = !rollout.wanted_image.empty();
            if (described == rollout.members.empty() && described == rollout.outdated.empty()) return {};
            return fail(node.error("rollout: expected members and outdated, or wanted_image"));
          });
  return table;
}

const Table<GroupConfig>& GroupConfig::fields() {
  static const auto table = [] {
    Table<GroupConfig> built("replace", "Hosts that are replaced by new ones, one after another.");
    built
        .field("name", &GroupConfig::name,
               {.help = "What on_failure: {then: NAME} and the journal call it.", .required = true})
        .field("driver", &GroupConfig::driver,
               {.help =
                    "Who makes the new host: aws-asg (the Auto Scaling group, when the old one is terminated), aws-ec2 "
                    "(a launch template, before it is), kubernetes (whoever provides nodes, when the old one is "
                    "drained and deleted), exec (a program).",
                .required = true})
        .field(
            "match", &GroupConfig::match,
            {.help = "Matchers of alerts about a host that failed, as in remediations; none: only rolling updates and "
                     "other remediations' on_failure."})
        .field("level", &GroupConfig::level, {.help = "How far it may go by itself, as in remediations."})
        .field("require", &GroupConfig::require, {.help = "PromQL that must hold before it starts."})
        .field("gates", &GroupConfig::gates, {.help = "Names of remediation_gates that must hold as well."})
        .field("fresh_within", &GroupConfig::fresh_within,
               {.help = "Samples that are older do not count in conditions."})
        .field("backup_fresh", &GroupConfig::backup_fresh,
               {.help = "A backup that must be fresh before it starts: for a host that is gone, of which none can be "
                        "taken any more."})
        .field("limits", &GroupConfig::limits,
               {.help = "How often it may start because of alerts; with budget: one of remediation_budgets instead of "
                        "one of its own."})
        .field("active_time_intervals", &GroupConfig::active_time_intervals,
               {.help = "Names of time_intervals: it starts in one of them only."})
        .field("mute_time_intervals", &GroupConfig::mute_time_intervals,
               {.help = "Names of time_intervals: it starts in none of them."})
        .field("approval", &GroupConfig::approval, {.help = "With level approve: who must agree, to each host."})
        .field("notify", &GroupConfig::notify, {.help = "Which decisions people are told of, as in remediations."})
        .field("max_at_once", &GroupConfig::max_at_once, {.help = "Replacements of the group at once."})
        .field("healthy", &GroupConfig::healthy,
               {.help = "PromQL with one value: how many hosts of the group are healthy. Nothing, several or NaN: not "
                        "known, so no."})
        .field("min_healthy", &GroupConfig::min_healthy,
               {.help = "So many healthy hosts stay, beside the one that is replaced."})
        .field("backup", &GroupConfig::backup, {.help = "One of backups: taken first; without it nothing is replaced."})
        .field("drain", &GroupConfig::drain, {.help = "Steps before the host goes."})
        .field("instance", &GroupConfig::instance, {.help = "With aws-asg and aws-ec2: the old host's instance id."})
        .field("auto_scaling_group", &GroupConfig::auto_scaling_group,
               {.help = "With aws-asg: its name; may be a template."})
        .field("launch_template", &GroupConfig::launch_template,
               {.help = "With aws-ec2: an id or a name; may be a template."})
        .field("node", &GroupConfig::node, {.help = "With kubernetes: the old host's name as a node."})
        .field("timeout", &GroupConfig::timeout, {.help = "Of each step of the driver."})
        .field("aws", &GroupConfig::aws, {.help = "With aws-asg and aws-ec2: whose account and where."})
        .field("kubernetes", &GroupConfig::kubernetes, {.help = "With kubernetes: which cluster."})
        .field("exec", &GroupConfig::exec,
               {.help = "With exec: the program that replaces the host and ends when the new one is begun."})
        .field("ready", &GroupConfig::ready, {.help = "What must be so before the next one.", .required = true})
        .field("rollout", &GroupConfig::rollout, {.help = "Which hosts `watchkeeper replace start` replaces."})
        .check(check_group);
    return built;
  }();
  return table;
}

Result<void> check_groups(const std::vector<GroupConfig>& groups, const Node& root) {
  const std::vector<Node> items = root.find("replace").items();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Node place = i < items.size() ? items[i] : root;
    if (!groups[i].rollout || !groups[i].rollout->wanted_image.empty()) continue;
    for (const auto& [key, expr] :
         {std::pair("members", &groups[i].rollout->members), std::pair("outdated", &groups[i].rollout->outdated)}) {
      if (auto checked = remedy::check_condition(*expr); !checked) {
        return fail(place.find("rollout").find(key).error("\"{}\": {}", *expr, checked.error().message));
      }
    }
  }
  return {};
}

}  // namespace actions::replace
