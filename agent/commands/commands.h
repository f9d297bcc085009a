// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/commands/command.h"

namespace agent {

// Each adds its commands to `root`.
void add_run_command(const Command& root);
void add_check_commands(const Command& root);
void add_test_commands(const Command& root);
void add_docs_commands(const Command& root);
void add_query_command(const Command& root);
void add_probe_command(const Command& root);
void add_alerts_command(const Command& root);
// `check seen`; the other checks need no running agent.
void add_seen_command(const Command& check);
void add_remedy_commands(const Command& root);
void add_backup_commands(const Command& root);
void add_drill_commands(const Command& root);
void add_replace_commands(const Command& root);
// Commands of later versions: each says that it is not there yet, and fails.
void add_not_yet_commands(const Command& root);

}  // namespace agent
