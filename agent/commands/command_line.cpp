// SPDX-License-Identifier: Apache-2.0
#include "agent/commands/command_line.h"

#include <cstdio>

#include "agent/api/status_api.h"
#include "agent/commands/commands.h"

namespace agent {
namespace {

void add_version_command(const Command& root) {
  root.add_command("version", "Say which version this is").runs([] {
    const BuildInfo& info = build_info();
    std::printf("watchkeeper %s (revision %s, %s)\n", info.version.c_str(), info.revision.c_str(),
                info.compiler.c_str());
    return kFine;
  });
}

}  // namespace

int failed(const core::Error& error) {
  std::fprintf(stderr, "watchkeeper: %s\n", error.message.c_str());
  return kFailed;
}

int run_command_line(int argc, const char* const* argv) {
  CommandLine line("watchkeeper", "Keeps the watch over Ethereum staking hosts, and acts.");
  const Command root = line.root();
  add_run_command(root);
  add_check_commands(root);
  add_test_commands(root);
  add_query_command(root);
  add_probe_command(root);
  add_alerts_command(root);
  add_remedy_commands(root);
  add_backup_commands(root);
  add_drill_commands(root);
  add_replace_commands(root);
  add_docs_commands(root);
  add_version_command(root);
  add_not_yet_commands(root);
  return line.run(argc, argv);
}

}  // namespace agent
