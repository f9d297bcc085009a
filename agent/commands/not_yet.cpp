// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/commands/commands.h"

namespace agent {
namespace {

void add_not_yet(CLI::App& app, const char* name, const char* help, int& status) {
  CLI::App* const command = app.add_subcommand(name, std::string(help) + " (not yet)");
  command->allow_extras();
  command->callback([name, &status] {
    std::fprintf(stderr, "watchkeeper %s: not yet part of this version\n", name);
    status = kFailed;
  });
}

}  // namespace

void add_not_yet_commands(CLI::App& app, int& status) {
  add_not_yet(app, "silence", "Silence alerts for a time", status);
  add_not_yet(app, "maintenance", "Announce maintenance of a host", status);
  add_not_yet(app, "failover", "Move validators to another site", status);
}

}  // namespace agent
