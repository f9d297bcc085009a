// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "agent/api/agent_view.h"
#include "agent/api/http_message.h"
#include "agent/api/router.h"

namespace agent {

// /api/watchkeeper/v1/drills: all of them with their last runs; of one what it would do now (plan) and what its last
// run, or the run `run`, came to (report); POST run and cancel.
void add_drill_routes(Router& router, AgentView& agent);

}  // namespace agent
