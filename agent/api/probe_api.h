// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/api/agent_view.h"
#include "agent/api/http_message.h"

namespace agent {

// /probe, as blackbox_exporter has it: probes now, and answers when that has ended.
ApiResponse answer_probe(AgentView& agent, const ApiRequest& request);

// What was probed last, and the evidence of the last failures.
ApiResponse answer_probes(AgentView& agent);

}  // namespace agent
