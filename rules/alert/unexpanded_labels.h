// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rules/alert/rule_spec.h"

namespace rules {

// Gives the ALERTS and ALERTS_FOR_STATE series of a rule the labels of that rule whose templates expanded to nothing,
// as the rule has them, unexpanded. The alert itself lacks them; but so Prometheus writes these series, and rule tests
// that pass there ask for them.
void add_unexpanded_labels(std::vector<SeriesSample>& series, const std::map<std::string, std::string>& rule_labels);

}  // namespace rules
