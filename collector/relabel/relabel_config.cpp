// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "collector/relabel/case_fold.h"
#include "collector/relabel/relabel.h"

namespace collector::relabel {
namespace {

using core::config::Node;

constexpr std::array<core::config::EnumName<Action>, 11> kActions = {{{Action::kReplace, "replace"},
                                                                      {Action::kKeep, "keep"},
                                                                      {Action::kDrop, "drop"},
                                                                      {Action::kKeepEqual, "keepequal"},
                                                                      {Action::kDropEqual, "dropequal"},
                                                                      {Action::kHashMod, "hashmod"},
                                                                      {Action::kLabelMap, "labelmap"},
                                                                      {Action::kLabelDrop, "labeldrop"},
                                                                      {Action::kLabelKeep, "labelkeep"},
                                                                      {Action::kLowercase, "lowercase"},
                                                                      {Action::kUppercase, "uppercase"}}};

}  // namespace

const core::config::Table<RelabelConfig>& RelabelConfig::fields() {
  static const auto table =
      core::config::Table<RelabelConfig>("relabel_config", "One relabelling rule.")
          .field("source_labels", &RelabelConfig::source_labels,
                 {.help = "Labels whose values, joined by the separator, are the rule's input."})
          .field("separator", &RelabelConfig::separator, {.help = "What stands between the joined values."})
          .field("regex", &RelabelConfig::regex,
                 {.help = "RE2 expression that the whole input (for labelmap, labeldrop and labelkeep: each label's "
                          "name) must match."})
          .field("modulus", &RelabelConfig::modulus, {.help = "The modulus of hashmod."})
          .field("target_label", &RelabelConfig::target_label, {.help = "The label that is set or compared."})
          .field("replacement", &RelabelConfig::replacement,
                 {.help = "The new value (for labelmap: name), with $1 or ${name} for groups of the expression."})
          .field("action", &RelabelConfig::action, {.help = "What the rule does."})
          .check([](const RelabelConfig& config, const Node& node) -> core::Result<void> {
            // A null would mean "the default" here and "the empty expression" to Prometheus: a drop rule would drop
            // everything instead of little.
            for (const core::config::Entry& entry : node.entries()) {
              if (entry.key.is_scalar() && entry.key.scalar() == "regex" && entry.value.is_null()) {
                return fail(entry.key.error("regex: expected an expression, got nothing; \"\" is the empty one"));
              }
            }
            // A job with legacy names checks once more, with its own scheme.
            const auto rules = Rules::compile(std::span(&config, 1), NameValidation::kUtf8);
            if (!rules) return fail(node.error("{}", rules.error().message));
            return {};
          });
  return table;
}

}  // namespace collector::relabel

namespace core::config {

using collector::relabel::Action;

Result<Action> Codec<Action>::read(const Node& node) {
  const Result<std::string> text = Codec<std::string>::read(node);
  if (!text) return fail(text.error());
  const std::string folded = collector::relabel::to_lower(*text);
  for (const auto& each : collector::relabel::kActions) {
    if (each.name == folded) return each.value;
  }
  return fail(node.error("unknown relabel action \"{}\"", *text));
}

std::string Codec<Action>::print(Action action) {
  for (const auto& each : collector::relabel::kActions) {
    if (each.value == action) return std::string(each.name);
  }
  return "";
}

TypeDescription Codec<Action>::describe() {
  TypeDescription type{"enum", {}};
  for (const auto& each : collector::relabel::kActions) type.allowed.emplace_back(each.name);
  return type;
}

}  // namespace core::config
