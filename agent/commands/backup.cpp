// SPDX-License-Identifier: Apache-2.0
// Backups: asking a running agent about them or for one; and without an agent, from its configuration file, what one
// would do, and restoring.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "actions/backup/backup_plan.h"
#include "actions/backup/backup_set.h"
#include "agent/commands/api_client.h"
#include "agent/commands/commands.h"
#include "agent/config/load.h"
#include "core/net/url.h"
#include "core/process/child_process.h"
#include "core/time/duration.h"

namespace agent {
namespace {

using nlohmann::json;

struct BackupArguments {
  std::string url = kDefaultUrl;
  std::string name;
  std::string who;
  std::string output = "text";
  std::string config = "/etc/watchkeeper/watchkeeper.yml";
  std::string target;
  std::string snapshot = "latest";
  std::string root;
  bool dry_run = false;
};

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

// One object a backup; what is not known is null.
void print_json(const json& backups) {
  json list = json::array();
  for (const json& backup : backups) {
    const json& good = backup.at("lastSuccess");
    list.push_back({{"name", backup.at("name")},
                    {"snapshot", good.is_null() ? json(nullptr) : good.at("snapshot")},
                    {"time", good.is_null() ? json(nullptr) : good.at("started")},
                    {"bytes", good.is_null() ? json(nullptr) : good.at("bytes")},
                    {"verified_at", backup.at("verifiedAt")}});
  }
  std::printf("%s\n", list.dump(2).c_str());
}

std::string took(const json& verification) {
  const json& seconds = verification.at("tookSeconds");
  if (!seconds.is_number()) return "";
  return ", took " + core::format_duration(core::Millis(static_cast<std::int64_t>(seconds.get<double>() * 1000)));
}

void print_text(const json& backup) {
  const json& good = backup.at("lastSuccess");
  std::printf("%s  %s%s\n", text_of(backup.at("name")).c_str(),
              good.is_null()
                  ? "never succeeded"
                  : ("last good " + text_of(good.at("started")) + " snapshot " + text_of(good.at("snapshot"))).c_str(),
              backup.at("running").get<bool>() ? "  running now" : "");
  if (const json& last = backup.at("lastRun"); !last.is_null() && !text_of(last.at("error")).empty()) {
    std::printf("  last run %s: %s\n", last.at("held").get<bool>() ? "held" : "failed",
                text_of(last.at("error")).c_str());
  }
  if (!good.is_null() && !text_of(good.at("note")).empty()) std::printf("  %s\n", text_of(good.at("note")).c_str());
  const json& tested = backup.at("lastDrillSuccess");
  std::printf("  recovery %s%s\n",
              tested.is_null() ? "never tested" : ("tested " + text_of(tested.at("started"))).c_str(),
              tested.is_null() ? "" : took(tested).c_str());
  for (const char* const kind : {"lastDrill", "lastCheck"}) {
    const json& last = backup.at(kind);
    if (last.is_null() || text_of(last.at("error")).empty()) continue;
    std::printf("  %s failed: %s\n", kind, text_of(last.at("error")).c_str());
  }
}

int list_backups(const BackupArguments& arguments) {
  const auto data = data_of(ApiClient(arguments.url).get("/api/watchkeeper/v1/backups"));
  if (!data) return failed(data.error());
  if (arguments.output == "json") {
    print_json(data->at("backups"));
  } else {
    for (const json& backup : data->at("backups")) print_text(backup);
  }
  return kFine;
}

int ask(const BackupArguments& arguments, const char* verb) {
  const char* const sudo = std::getenv("SUDO_USER");
  const char* const user = sudo != nullptr ? sudo : std::getenv("USER");
  std::string who = arguments.who;
  if (who.empty()) who = user == nullptr ? "command line" : user;
  const std::string path = "/api/watchkeeper/v1/backups/" + core::net::escape_query(arguments.name) + "/" + verb;
  const auto data = data_of(ApiClient(arguments.url).post(path, {{"who", who}}));
  if (!data) return failed(data.error());
  std::printf("begun; `watchkeeper backup list` shows what becomes of it\n");
  return kFine;
}

core::Result<actions::backup::BackupConfig> configured(const BackupArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return core::fail(config.error().front());
  for (const actions::backup::BackupConfig& backup : (*config)->settings.backups) {
    if (backup.name == arguments.name) return backup;
  }
  return core::fail(core::Errc::kNotFound, "{} has no backup \"{}\"", arguments.config, arguments.name);
}

int print_plan(const BackupArguments& arguments) {
  const auto backup = configured(arguments);
  if (!backup) return failed(backup.error());
  for (const std::string& line : actions::backup::plan_of(*backup)) std::printf("%s\n", line.c_str());
  return kFine;
}

int run(const BackupArguments& arguments) { return arguments.dry_run ? print_plan(arguments) : ask(arguments, "run"); }

int restore(const BackupArguments& arguments) {
  const auto backup = configured(arguments);
  if (!backup) return failed(backup.error());
  const core::SystemClock clock;
  core::process::ChildProcessRunner commands(clock);
  const actions::backup::RestoreOptions options{
      .snapshot = arguments.snapshot, .target = arguments.target, .genesis_validators_root = arguments.root};
  if (arguments.dry_run) {
    const auto plan = actions::backup::plan_restore(*backup, options, commands, clock);
    if (!plan) return failed(plan.error());
    for (const std::string& line : plan->lines) std::printf("%s\n", line.c_str());
    for (const std::string& objection : plan->objections) std::printf("REFUSED  %s\n", objection.c_str());
    return plan->objections.empty() ? kFine : kFailed;
  }
  const auto restored = actions::backup::restore_snapshot(*backup, options, commands, clock);
  if (!restored) return failed(restored.error());
  if (!restored->refused.empty()) std::fprintf(stderr, "refused: %s.\n", restored->refused.c_str());
  std::printf("restored %s\n", restored->path.c_str());
  return kFine;
}

Command add_asking(const Command& backup, const char* name, const char* verb, const char* help,
                   const std::shared_ptr<BackupArguments>& arguments) {
  const Command command = backup.add_command(name, help);
  command.add_option("NAME", arguments->name, "Its name in the configuration").required();
  command.add_option("--url", arguments->url, "Where the agent is").default_shown();
  command.add_option("--who", arguments->who, "Who asks; default: the user");
  command.runs([arguments, verb] { return ask(*arguments, verb); });
  return command;
}

}  // namespace

void add_backup_commands(const Command& root) {
  const Command backup = root.add_command("backup", "Backups: take, list, verify, restore, try a restore");
  const auto arguments = std::make_shared<BackupArguments>();
  const Command list = backup.add_command("list", "List backups, their last runs and when they were verified");
  list.add_option("--url", arguments->url, "Where the agent is").default_shown();
  list.add_option("-o,--output", arguments->output, "text or json").one_of({"text", "json"});
  list.runs([arguments] { return list_backups(*arguments); });
  const Command taken = add_asking(backup, "run", "run", "Take a backup now; returns when it is begun", arguments);
  taken.add_flag("--dry-run", arguments->dry_run, "As `plan`: say what it does, from --config, and do nothing");
  taken.runs([arguments] { return run(*arguments); });
  const Command planned = backup.add_command("plan", "Print what a backup does, step by step. Needs no running agent");
  planned.add_option("NAME", arguments->name, "Its name in the configuration").required();
  planned.runs([arguments] { return print_plan(*arguments); });
  for (const Command& command : {taken, planned}) {
    command.add_option("--config", arguments->config, "The configuration file").default_shown();
  }
  add_asking(backup, "verify", "verify", "Check the repository now, as check: says", arguments);
  add_asking(backup, "drill", "drill", "Restore the newest snapshot into a scratch folder now, and look at it",
             arguments);
  const Command restore_command = backup.add_command(
      "restore", "Restore a snapshot; of slashing protection only the interchange. Needs no running agent");
  restore_command.add_option("NAME", arguments->name, "Its name in the configuration").required();
  restore_command.add_option("--config", arguments->config, "The configuration file").default_shown();
  restore_command.add_option("--target", arguments->target, "An empty or new folder").required();
  restore_command.add_option("--snapshot", arguments->snapshot, "Its id").default_shown();
  restore_command.add_option("--genesis-validators-root", arguments->root,
                             "For an interchange that was made without it");
  restore_command.add_flag("--dry-run", arguments->dry_run, "Say what would be restored, and write nothing");
  restore_command.runs([arguments] { return restore(*arguments); });
}

}  // namespace agent
