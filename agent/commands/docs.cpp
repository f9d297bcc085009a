// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "agent/commands/commands.h"
#include "agent/config/documents.h"

namespace agent {

void add_docs_commands(const Command& root) {
  const Command docs = root.add_command("docs", "Print what is generated from the configuration's description");
  const auto add = [&](const char* name, const char* help, std::string (*document)()) {
    docs.add_command(name, help).runs([document] {
      std::fputs(document().c_str(), stdout);
      return kFine;
    });
  };
  add("reference", "Every key, as Markdown", configuration_reference);
  add("schema", "JSON Schema, for editors", configuration_schema);
  add("probes", "Reasons, metrics and options of probes, as Markdown", probe_reference);
  add("example", "A commented configuration for a staking host", configuration_example);
}

}  // namespace agent
