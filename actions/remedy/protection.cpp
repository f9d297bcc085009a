// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/protection.h"

#include <fnmatch.h>

#include "actions/protection/validator_words.h"

namespace actions::remedy {
namespace {

bool matches(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// validator=false says the opposite of what its name says.
bool is_denied(const std::string& value) {
  const std::string text = lower(value);
  return text == "false" || text == "no" || text == "0" || text == "none";
}

std::optional<std::string> by_name(const std::vector<std::string>& patterns, const Subject& subject,
                                   std::string_view list) {
  for (const std::string& pattern : patterns) {
    if (matches(pattern, subject.name)) return fmt::format("protected: {}: {}", list, pattern);
  }
  return std::nullopt;
}

std::optional<std::string> by_label(const std::map<std::string, std::string>& wanted, const Subject& subject,
                                    std::string_view list) {
  for (const auto& [name, pattern] : wanted) {
    const auto found = subject.labels.find(name);
    if (found != subject.labels.end() && matches(pattern, found->second)) {
      return fmt::format("protected: {}: {}={}", list, name, found->second);
    }
  }
  return std::nullopt;
}

std::optional<std::string> by_its_words(const Subject& subject) {
  if (protection::names_a_validator(subject.name)) return "its name says that it holds validators";
  for (const auto& [name, value] : subject.labels) {
    const bool name_says = protection::names_a_validator(name) && !is_denied(value);
    if (name_says || protection::names_a_validator(value))
      return fmt::format("{}={} says that it holds validators", name, value);
  }
  for (const std::string& program : subject.programs) {
    if (protection::names_a_validator(program)) return fmt::format("\"{}\" says that it holds validators", program);
  }
  return std::nullopt;
}

std::optional<std::string> first(std::optional<std::string> a, std::optional<std::string> b) { return a ? a : b; }

}  // namespace

std::optional<std::string> ProtectionConfig::instance(const Subject& subject) const {
  const auto listed =
      first(by_name(instances, subject, "instances"), by_label(instance_tags, subject, "instance_tags"));
  return listed || !recognise ? listed : by_its_words(subject);
}

std::optional<std::string> ProtectionConfig::node(const Subject& subject) const {
  const auto listed = first(by_name(nodes, subject, "nodes"), by_label(labels, subject, "labels"));
  return listed || !recognise ? listed : by_its_words(subject);
}

std::optional<std::string> ProtectionConfig::pod(const Subject& subject) const {
  const auto listed = first(by_name(pods, subject, "pods"), by_label(labels, subject, "labels"));
  return listed || !recognise ? listed : by_its_words(subject);
}

const core::config::Table<ProtectionConfig>& ProtectionConfig::fields() {
  static const auto table =
      core::config::Table<ProtectionConfig>(
          "protected", "What no step of a remediation stops, replaces or evicts, because validators sign there.")
          .field("instances", &ProtectionConfig::instances, {.help = "EC2 instance ids; * stands for anything."})
          .field("instance_tags", &ProtectionConfig::instance_tags,
                 {.help = "Tags of EC2 instances and their values; * stands for anything.",
                  .example = "{role: 'signer*'}"})
          .field("nodes", &ProtectionConfig::nodes, {.help = "Names of Kubernetes nodes; * stands for anything."})
          .field("pods", &ProtectionConfig::pods,
                 {.help = "NAMESPACE/NAME of pods, Deployments, StatefulSets and DaemonSets; * stands for anything.",
                  .example = "[staking/signer-*]"})
          .field("labels", &ProtectionConfig::labels,
                 {.help = "Labels of Kubernetes nodes, pods and workloads and their values; * stands for anything."})
          .field(
              "recognise", &ProtectionConfig::recognise,
              {.help = "Whether what says that it is a validator, a signer or their keys, in a name, tag, label, image "
                       "or argument, is protected too."});
  return table;
}

}  // namespace actions::remedy
