// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/api/agent_view.h"
#include "agent/api/http_message.h"
#include "agent/api/query_gate.h"

namespace agent {

// Threads of the HTTP server that /probe may hold: with those of queries they are fewer than there are.
inline constexpr std::size_t kProbeThreadsMax = 60;

// /probe, as blackbox_exporter has it: probes now, and answers when that has ended; 503 at once while `gate` is full.
ApiResponse answer_probe(AgentView& agent, const ApiRequest& request, QueryGate& gate);

// What was probed last, and the evidence of the last failures.
ApiResponse answer_probes(AgentView& agent);

}  // namespace agent
