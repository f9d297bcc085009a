// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/api/agent_view.h"
#include "agent/api/http_message.h"

namespace agent {

// /api/watchkeeper/v1/staking/duties: whether the duties can be judged, and the newest events, which name validators.
// `limit` bounds the events.
ApiResponse answer_duties(const AgentView& agent, const ApiRequest& request);

}  // namespace agent
