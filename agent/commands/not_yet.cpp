// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "agent/commands/commands.h"

namespace agent {
namespace {

void add_not_yet(const Command& root, const char* name, const char* help) {
  const Command command = root.add_command(name, std::string(help) + " (not yet)");
  command.takes_anything();
  command.runs([name] {
    std::fprintf(stderr, "watchkeeper %s: not yet part of this version\n", name);
    return kFailed;
  });
}

}  // namespace

void add_not_yet_commands(const Command& root) {
  add_not_yet(root, "silence", "Silence alerts for a time");
  add_not_yet(root, "maintenance", "Announce maintenance of a host");
  add_not_yet(root, "failover", "Move validators to another site");
}

}  // namespace agent
