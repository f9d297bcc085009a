// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/commands/commands.h"

namespace agent {
namespace {

void add_not_yet(CLI::App& app, const char* name, const char* help, int& status) {
  CLI::App* const command = app.add_subcommand(name, std::string(help) + " (not yet)");
  command->allow_extras();
  const std::string full = app.get_name().empty() || app.get_parent() == nullptr ? name : app.get_name() + " " + name;
  command->callback([full, &status] {
    std::fprintf(stderr, "watchkeeper %s: not yet part of this version\n", full.c_str());
    status = kFailed;
  });
}

}  // namespace

void add_not_yet_commands(CLI::App& app, int& status) {
  CLI::App* const test = app.add_subcommand("test", "Test files without running anything");
  test->require_subcommand(1);
  add_not_yet(*test, "rules", "Run rule unit tests in promtool's format", status);
  add_not_yet(app, "probe", "Probe a target once", status);
  add_not_yet(app, "silence", "Silence alerts for a time", status);
  add_not_yet(app, "maintenance", "Announce maintenance of a host", status);
  add_not_yet(app, "failover", "Move validators to another site", status);
}

}  // namespace agent
