// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "actions/remedy/remediation_config.h"

namespace actions::remedy {

// The gates that need no configuration: what the rule pack gates.yml records, from what the section `staking` observes.
// One of `remediation_gates` with such a name takes its place. Without the pack, or without anybody who observes it, a
// gate is unknown, which is no.
std::span<const GateConfig> shipped_gates();

}  // namespace actions::remedy
