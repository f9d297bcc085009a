// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/config/agent_config.h"

namespace agent {

// Makes spdlog write to standard error as configured: text (with the priority that journald reads instead of a time,
// when journald is who listens), or one JSON object a line. May be called again.
void set_up_log(const LogConfig& config);

}  // namespace agent
