// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rules_config.h"

namespace rules {

const core::config::Table<RulesConfig>& RulesConfig::fields() {
  static const auto table =
      core::config::Table<RulesConfig>("rules", "How rules are evaluated.")
          .field("evaluate", &RulesConfig::evaluate,
                 {.help = "arrival: alerting rules are also evaluated as soon as a scrape that feeds them has landed; "
                          "interval: as in Prometheus."})
          .field(
              "arrival_share", &RulesConfig::arrival_share,
              {.help = "The part of one core that evaluations on arrival may take, all together; a single rule takes "
                       "no more than a twentieth of a core."})
          .check([](const RulesConfig& rules, const core::config::Node& node) -> core::Result<void> {
            // Written so that a NaN is refused too.
            if (rules.arrival_share > 0 && rules.arrival_share <= 1) return {};
            return core::fail(node.find("arrival_share").error("expected more than 0 and at most 1"));
          });
  return table;
}

}  // namespace rules
