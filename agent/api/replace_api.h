// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "agent/api/agent_view.h"
#include "agent/api/http_message.h"

namespace agent {

// The groups of `replace:`, their hosts and rolling updates.
ApiResponse answer_replacements(const AgentView& agent);

// What a rolling update of a group would do, host by host; changes nothing.
ApiResponse answer_replacement_plan(const AgentView& agent, std::string_view group);

ApiResponse answer_rollout_order(AgentView& agent, std::string_view group, actions::replace::Order order,
                                 const ApiRequest& request);

}  // namespace agent
