// SPDX-License-Identifier: Apache-2.0
#include "agent/commands/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "agent/api/status_api.h"
#include "agent/commands/commands.h"

namespace agent {
namespace {

void add_version_command(CLI::App& app, int& status) {
  CLI::App* const version = app.add_subcommand("version", "Say which version this is");
  version->callback([&status] {
    const BuildInfo& info = build_info();
    std::printf("watchkeeper %s (revision %s, %s)\n", info.version.c_str(), info.revision.c_str(),
                info.compiler.c_str());
    status = kFine;
  });
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  int status = kFine;
  CLI::App app("Keeps the watch over Ethereum staking hosts, and acts.", "watchkeeper");
  app.require_subcommand(1);
  add_run_command(app, status);
  add_check_commands(app, status);
  add_test_commands(app, status);
  add_query_command(app, status);
  add_probe_command(app, status);
  add_alerts_command(app, status);
  add_remedy_commands(app, status);
  add_backup_commands(app, status);
  add_drill_commands(app, status);
  add_replace_commands(app, status);
  add_docs_commands(app, status);
  add_version_command(app, status);
  add_not_yet_commands(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked_for_help = error.get_exit_code() == 0;
    app.exit(error);
    return asked_for_help ? kFine : kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "watchkeeper: %s\n", error.what());
    return kFailed;
  }
  return status;
}

}  // namespace agent
