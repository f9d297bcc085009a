// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/api/agent_view.h"
#include "agent/api/router.h"

namespace agent {

// Every route of the agent, bound to it. `agent` outlives the router.
Router make_router(AgentView& agent, RemoteChanges remote);

}  // namespace agent
