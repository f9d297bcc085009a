// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>

#include "agent/api/http_message.h"
#include "rules/alert/rule_status.h"

namespace agent {

using RuleGroups = std::span<const std::shared_ptr<const rules::GroupStatus>>;  // by file, then name

// /api/v1/rules with its filters and paging.
ApiResponse answer_rules(RuleGroups groups, const ApiRequest& request);

// /api/v1/alerts: every pending and firing alert.
ApiResponse answer_alerts(RuleGroups groups);

}  // namespace agent
