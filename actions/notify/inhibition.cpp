// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/inhibition.h"

#include <algorithm>

#include "actions/notify/route.h"

namespace actions::notify {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

const Table<InhibitRuleConfig>& InhibitRuleConfig::fields() {
  using Self = InhibitRuleConfig;
  static const auto table =
      Table<Self>("inhibit_rule", "Alerts that keep others quiet while they fire.")
          .field("name", &Self::name, {.help = "For a person."})
          .field("source_match", &Self::source_match, {.help = "Labels of the alert that keeps others quiet."})
          .field("source_match_re", &Self::source_match_re, {.help = "The same, with regular expressions."})
          .field("source_matchers", &Self::source_matchers, {.help = "The same, as matchers."})
          .field("target_match", &Self::target_match, {.help = "Labels of the alerts kept quiet."})
          .field("target_match_re", &Self::target_match_re, {.help = "The same, with regular expressions."})
          .field("target_matchers", &Self::target_matchers, {.help = "The same, as matchers."})
          .field("equal", &Self::equal, {.help = "Labels that must have the same value in both."})
          .check([](const Self& config, const Node& node) -> Result<void> {
            if (auto rule = build_inhibit_rule(config); !rule) return fail(node.error("{}", rule.error().message));
            for (const std::string& name : config.equal) {
              if (name.empty() || !core::ring::is_valid_utf8(name)) {
                return fail(node.find("equal").error("invalid label name \"{}\" in equal list", name));
              }
            }
            return {};
          });
  return table;
}

bool InhibitRule::inhibits(const core::ring::Labels& source_alert, const core::ring::Labels& target_alert) const {
  if (!matches(target, target_alert) || !matches(source, source_alert)) return false;
  if (matches(source, target_alert) && matches(target, source_alert)) return false;
  return std::all_of(equal.begin(), equal.end(),
                     [&](const std::string& name) { return source_alert.get(name) == target_alert.get(name); });
}

Result<InhibitRule> build_inhibit_rule(const InhibitRuleConfig& config) {
  auto source = pool_matchers(config.source_match, config.source_match_re, config.source_matchers);
  if (!source) return fail(source.error());
  auto target = pool_matchers(config.target_match, config.target_match_re, config.target_matchers);
  if (!target) return fail(target.error());
  return InhibitRule{std::move(*source), std::move(*target), config.equal};
}

}  // namespace actions::notify
