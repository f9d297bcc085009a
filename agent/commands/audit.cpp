// SPDX-License-Identifier: Apache-2.0
// The audit logs of remediations and drills, from the data folder: no agent needs to run.
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "actions/remedy/audit_log.h"
#include "agent/commands/api_client.h"
#include "agent/commands/commands.h"
#include "core/store/database.h"

namespace agent {
namespace {

struct AuditArguments {
  std::string data_dir = "/var/lib/watchkeeper";
  std::string database;  // its name in that folder
  std::string head;
  std::string run;
};

int with_audit_log(const AuditArguments& arguments, const std::function<int(actions::remedy::AuditLog&)>& use) {
  auto database = core::store::Database::open_read_only(arguments.data_dir + "/" + arguments.database);
  if (!database) return failed(database.error());
  actions::remedy::AuditLog log(*database);
  return use(log);
}

int verify(const AuditArguments& arguments) {
  return with_audit_log(arguments, [&](actions::remedy::AuditLog& log) {
    const auto verified = log.verify(arguments.head);
    if (!verified) return failed(verified.error());
    if (!verified->holds) {
      return failed(core::error(core::Errc::kInvalid, "the hash {} is not in the audit log", arguments.head));
    }
    std::printf("%lld entries from %lld on, none changed, none missing; the last hash is %s\n",
                static_cast<long long>(verified->entries), static_cast<long long>(verified->first),
                verified->head.c_str());
    return kFine;
  });
}

int print(const AuditArguments& arguments) {
  return with_audit_log(arguments, [&](actions::remedy::AuditLog& log) {
    const auto done = log.export_lines(arguments.run, [](std::string_view line) {
      std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
    });
    return done ? kFine : failed(done.error());
  });
}

}  // namespace

void add_audit_commands(const Command& parent, const std::string& database) {
  const auto arguments = std::make_shared<AuditArguments>();
  arguments->database = database;
  const Command audit = parent.add_command("audit", "The record of every decision");
  const Command checked = audit.add_command("verify", "Recompute its chain of hashes: whether something was changed");
  checked.add_option("--head", arguments->head, "A hash that was noted earlier and must be in it");
  checked.runs([arguments] { return verify(*arguments); });
  const Command exported = audit.add_command("export", "Print it, one JSON object a line");
  exported.add_option("--run", arguments->run, "Only entries of this run");
  exported.runs([arguments] { return print(*arguments); });
  for (const Command& command : {checked, exported}) {
    command.add_option("--data-dir", arguments->data_dir, "The agent's data folder").default_shown();
  }
}

}  // namespace agent
