// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/commands/commands.h"
#include "agent/config/documents.h"

namespace agent {

void add_docs_commands(CLI::App& app, int& status) {
  CLI::App* const docs = app.add_subcommand("docs", "Print what is generated from the configuration's description");
  docs->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, std::string (*document)()) {
    docs->add_subcommand(name, help)->callback([&status, document] {
      std::fputs(document().c_str(), stdout);
      status = kFine;
    });
  };
  add("reference", "Every key, as Markdown", configuration_reference);
  add("schema", "JSON Schema, for editors", configuration_schema);
  add("probes", "Reasons, metrics and options of probes, as Markdown", probe_reference);
  add("example", "A commented configuration for a staking host", configuration_example);
}

}  // namespace agent
