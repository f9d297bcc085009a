// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "core/ring/labels.h"
#include "core/time/clock.h"
#include "rules/alert/rule_status.h"
#include "rules/promql/engine.h"

namespace actions::drill {

// When the sample landed from which on the rule of this alert holds: looked for between `from` and `until`, at most
// some hundred times, so to a quarter of a second within a hundred seconds. None if the rule holds at none of them or
// is not loaded any more.
std::optional<core::WallTime> first_bad_sample(const rules::promql::Engine& engine,
                                               const std::vector<std::shared_ptr<const rules::GroupStatus>>& groups,
                                               const core::ring::Labels& alert, core::WallTime from,
                                               core::WallTime until, std::stop_token stop);

}  // namespace actions::drill
