// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agent/commands/command.h"
#include "core/error.h"

namespace agent {

// Tells an error; returns kFailed.
int failed(const core::Error& error);

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
// `audit` below remedy or drill, on the audit log in `database`, a file of the data folder.
void add_audit_commands(const Command& parent, const std::string& database);
void add_backup_commands(const Command& root);
void add_drill_commands(const Command& root);
void add_replace_commands(const Command& root);
// Commands of later versions: each says that it is not there yet, and fails.
void add_not_yet_commands(const Command& root);

}  // namespace agent
