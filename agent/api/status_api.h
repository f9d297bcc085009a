// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agent/api/agent_view.h"
#include "agent/api/http_message.h"

namespace agent {

struct BuildInfo {
  std::string version;
  std::string revision;
  std::string compiler;
};
const BuildInfo& build_info();

// /api/v1/status/{buildinfo,config,flags,runtimeinfo} and /alertmanagers.
ApiResponse answer_build_info();
// What of PromQL can be used, by name.
ApiResponse answer_features();
// Nothing deletes from the ring by request.
ApiResponse answer_no_admin();
ApiResponse answer_config(const AgentView& agent);
ApiResponse answer_flags(const AgentView& agent);
ApiResponse answer_runtime_info(const AgentView& agent);
ApiResponse answer_alertmanagers(const AgentView& agent);

// /-/ready: 503 with the reasons while something does not work as it should.
ApiResponse answer_ready(const AgentView& agent);

}  // namespace agent
