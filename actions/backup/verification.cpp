// SPDX-License-Identifier: Apache-2.0
// The half of BackupSet that proves that backups can be restored.
#include <utility>

#include "actions/backup/backup_set.h"
#include "actions/backup/chain_folders.h"
#include "actions/backup/scratch.h"
#include "actions/backup/staging.h"

namespace actions::backup {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;

std::optional<WallTime> BackupSet::next_verification_locked(const Entry& entry, VerificationKind kind) const {
  const bool is_drill = kind == VerificationKind::kDrill;
  const std::optional<Schedule>& schedule = is_drill ? entry.config->drill.schedule : entry.config->check.schedule;
  // Without a backup there is nothing to verify, and the backup's own age says so.
  if (!schedule || !entry.last_success) return std::nullopt;
  const auto last = entry.verified.find(kind);
  const core::Duration delay = delay_of(*entry.config);
  if (last == entry.verified.end()) return schedule->next(std::nullopt, opened_, delay);
  // As for a backup that a wrong clock recorded.
  if (last->second.started > clock_.wall_now() + std::chrono::minutes(1)) return clock_.wall_now();
  return schedule->next(last->second.started, opened_, delay);
}

Result<Verification> BackupSet::verify(const std::string& name, VerificationKind kind, const std::string& trigger,
                                       std::stop_token stop) {
  std::unique_lock lock(mutex_);
  if (!ended_.wait(lock, stop, [&] { return !running_.contains(name); })) {
    return fail(Errc::kCancelled, "backup \"{}\": stopped while waiting for its current run", name);
  }
  const auto found = entries_.find(name);
  if (found == entries_.end()) return fail(Errc::kNotFound, "no backup is named \"{}\"", name);
  const std::shared_ptr<const BackupConfig> config = found->second.config;
  const std::optional<Record> good = found->second.last_success;
  Verification verification;
  verification.backup = name;
  verification.kind = kind;
  verification.trigger = trigger;
  verification.started = clock_.wall_now();
  if (good && kind == VerificationKind::kDrill) verification.snapshot = good->snapshot.id;
  const Result<std::int64_t> id = store_.begin(verification);
  if (!id) {
    ++stats_.store_errors;
    return fail(Errc::kUnavailable, "backup \"{}\" not verified, its start cannot be recorded: {}", name,
                id.error().message);
  }
  verification.id = *id;
  running_.insert(name);
  found->second.verified[kind] = verification;
  lock.unlock();

  const Result<void> outcome = perform(*config, good, verification, stop);

  lock.lock();
  running_.erase(name);
  verification.finished = clock_.wall_now();
  verification.succeeded = outcome.has_value();
  const bool is_drill = kind == VerificationKind::kDrill;
  ++(is_drill ? stats_.drills : stats_.checks);
  if (!outcome) {
    verification.error = outcome.error().message;
    ++(is_drill ? stats_.drill_failures : stats_.check_failures);
  }
  if (!store_.finish(verification)) ++stats_.store_errors;
  if (const auto entry = entries_.find(name); entry != entries_.end()) {
    entry->second.verified[kind] = verification;
    if (verification.succeeded) entry->second.confirmed[kind] = verification;
  }
  ended_.notify_all();
  return verification;
}

Result<void> BackupSet::perform(const BackupConfig& config, const std::optional<Record>& good,
                                Verification& verification, std::stop_token stop) {
  const Result<RepositoryPassword> password = find_password(config, clock_, stop);
  if (!password) return fail(password.error());
  const Restic restic(commands_, config, *password, options_.cache_folder, hostname_);
  if (verification.kind == VerificationKind::kCheck) return restic.check(config.check.read_data_subset, stop);
  if (!good) return fail(Errc::kNotFound, "there is no good snapshot to restore");
  const Result<Scratch> scratch = Scratch::make(options_.scratch_folder, "drill-" + config.name);
  if (!scratch) return fail(scratch.error());
  if (auto room = expect_room(scratch->path(), good->snapshot.bytes); !room) return room;
  if (auto restored = restic.restore(good->snapshot.id, scratch->path(), {}, stop); !restored) return restored;
  const Result<Findings> findings = examine(scratch->path(), config.source.staged());
  if (!findings) return fail(findings.error());
  if (const ClientConfig* const client = config.source.client()) {
    auto examined = examine_chain_folders(config.source, scratch->path() + client->snapshot.root);
    if (!examined) return fail(examined.error());
  }
  verification.files = findings->files;
  verification.bytes = findings->bytes;
  if (good->watermarks && findings->watermarks != good->watermarks) {
    return fail(Errc::kInvalid, "the interchange does not reach the slots and epochs that were recorded for it");
  }
  // A snapshot of plain paths has no manifest: its files must be as many as restic counted.
  if (findings->files < good->snapshot.files) {
    return fail(Errc::kInvalid, "{} files came back of {}", findings->files, good->snapshot.files);
  }
  if (config.drill.command.empty()) return {};
  core::process::Command command;
  command.argv = config.drill.command;
  command.working_directory = scratch->path();
  command.environment = {{"WATCHKEEPER_RESTORED", scratch->path()}, {"WATCHKEEPER_BACKUP", config.name}};
  command.timeout = config.drill.timeout;
  const Result<core::process::Exit> exit = commands_.run(command, stop);
  if (!exit) return fail(exit.error().with_context("{}", config.drill.command.front()));
  if (!exit->succeeded()) {
    return fail(Errc::kFailed, "{} {}: {}", config.drill.command.front(), exit->to_string(),
                exit->errors.substr(0, 1000));
  }
  return {};
}

}  // namespace actions::backup
