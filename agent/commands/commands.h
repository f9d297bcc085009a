// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace agent {

inline constexpr int kFine = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

// Each adds its subcommands to `app`; the one that is chosen puts its exit status into `status`, which outlives the
// app.
void add_run_command(CLI::App& app, int& status);
void add_check_commands(CLI::App& app, int& status);
void add_test_commands(CLI::App& app, int& status);
void add_docs_commands(CLI::App& app, int& status);
void add_query_command(CLI::App& app, int& status);
void add_probe_command(CLI::App& app, int& status);
void add_alerts_command(CLI::App& app, int& status);
// `check seen`; the other checks need no running agent.
void add_seen_command(CLI::App& check, int& status);
void add_remedy_commands(CLI::App& app, int& status);
void add_backup_commands(CLI::App& app, int& status);
void add_drill_commands(CLI::App& app, int& status);
void add_replace_commands(CLI::App& app, int& status);
// Commands of later versions: each says that it is not there yet, and fails.
void add_not_yet_commands(CLI::App& app, int& status);

}  // namespace agent
