// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/backup_set.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "actions/backup/scratch.h"
#include "actions/backup/staging.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;

constexpr auto kLook = std::chrono::seconds(5);
// A last run further ahead than this was recorded by a wrong clock.
constexpr auto kClockTolerance = std::chrono::minutes(1);

constexpr std::array<VerificationKind, 2> kVerificationKinds = {VerificationKind::kDrill, VerificationKind::kCheck};

std::string own_hostname() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

// FNV-1a, 64 bits: the same in every build and on every machine.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

core::Duration BackupSet::delay_of(const BackupConfig& config) const {
  if (config.jitter <= core::Millis(0)) return core::Duration::zero();
  const std::uint64_t place =
      hash_of(hostname_ + "/" + config.name) % static_cast<std::uint64_t>(config.jitter.count());
  return core::Millis(static_cast<core::Millis::rep>(place));
}

Result<std::unique_ptr<BackupSet>> BackupSet::open(std::vector<BackupConfig> backups, Options options,
                                                   Dependencies dependencies) {
  Result<BackupStore> store = BackupStore::open(options.database, dependencies.clock.wall_now());
  if (!store) return fail(store.error());
  auto stopped = StoppedClients::open(options.stops_database, {.commands = dependencies.commands,
                                                               .services = dependencies.services,
                                                               .clock = dependencies.clock,
                                                               .tell = dependencies.tell});
  if (!stopped) return fail(stopped.error());
  if (auto cleared = clear_scratch(options.scratch_folder); !cleared) return fail(cleared.error());
  std::unique_ptr<BackupSet> set(
      new BackupSet(std::move(options), std::move(*store), std::move(*stopped), std::move(dependencies)));
  set->configure(std::move(backups));
  return set;
}

BackupSet::BackupSet(Options options, BackupStore store, std::unique_ptr<StoppedClients> stopped,
                     Dependencies dependencies)
    : options_(std::move(options)),
      commands_(dependencies.commands),
      gate_(dependencies.gate),
      clock_(dependencies.clock),
      chain_(std::move(dependencies.chain)),
      stopped_(std::move(stopped)),
      hostname_(own_hostname()),
      opened_(clock_.wall_now()),
      triggers_(clock_),
      store_(std::move(store)) {}

void BackupSet::configure(std::vector<BackupConfig> backups) {
  triggers_.configure(backups);
  const std::scoped_lock lock(mutex_);
  load_locked(std::move(backups));
}

void BackupSet::load_locked(std::vector<BackupConfig> backups) {
  std::map<std::string, Entry> entries;
  for (BackupConfig& backup : backups) {
    Entry entry;
    entry.config = std::make_shared<const BackupConfig>(std::move(backup));
    Result<std::optional<Record>> success = store_.last_success(entry.config->name);
    Result<std::optional<Record>> last = store_.last(entry.config->name);
    Result<std::optional<Record>> attempt = store_.last_attempt(entry.config->name);
    // Without its past a backup counts as never taken: it is taken too often rather than too seldom.
    if (!success || !last || !attempt) ++stats_.store_errors;
    entry.last_success = success.value_or(std::nullopt);
    entry.last_run = last.value_or(std::nullopt);
    entry.last_attempt = attempt.value_or(std::nullopt);
    if (const auto found = store_.last_for_reason(entry.config->name)) {
      entry.last_for_reason = *found;
    } else {
      ++stats_.store_errors;
    }
    for (const VerificationKind kind : kVerificationKinds) {
      if (const auto found = store_.last(entry.config->name, kind); found && *found) entry.verified[kind] = **found;
      const auto found = store_.last_success(entry.config->name, kind);
      if (found && *found) entry.confirmed[kind] = **found;
      if (!found) ++stats_.store_errors;
    }
    const std::string name = entry.config->name;
    entries.insert_or_assign(name, std::move(entry));
  }
  entries_ = std::move(entries);
}

std::optional<WallTime> BackupSet::next_run_locked(const Entry& entry) const {
  if (!entry.config->schedule) return std::nullopt;
  const Schedule& schedule = *entry.config->schedule;
  const core::Duration delay = delay_of(*entry.config);
  if (!entry.last_run) return schedule.next(std::nullopt, opened_, delay);
  const Record& last = *entry.last_run;
  // The wall clock was ahead when that run was recorded: waiting for its time to come again could take years.
  if (last.started > clock_.wall_now() + kClockTolerance) return clock_.wall_now();
  const WallTime regular = schedule.next(last.started, opened_, delay);
  if (last.succeeded || !last.finished) return regular;
  return std::min(regular, *last.finished + std::chrono::duration_cast<WallTime::duration>(options_.retry));
}

Result<Record> BackupSet::begin_locked(const std::string& name, const std::string& trigger) {
  Record record;
  record.backup = name;
  record.trigger = trigger;
  record.started = clock_.wall_now();
  const Result<std::int64_t> id = store_.begin(name, trigger, record.started);
  if (!id) {
    ++stats_.store_errors;
    return fail(Errc::kUnavailable, "backup \"{}\" not taken, its start cannot be recorded: {}", name,
                id.error().message);
  }
  record.id = *id;
  return record;
}

Result<Record> BackupSet::take(const std::string& name, const std::string& trigger, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  // Bounded: whoever holds the name is ended by its own timeout.
  if (!ended_.wait(lock, stop, [&] { return !running_.contains(name); })) {
    return fail(Errc::kCancelled, "backup \"{}\": stopped while waiting for its current run", name);
  }
  const auto found = entries_.find(name);
  if (found == entries_.end()) return fail(Errc::kNotFound, "no backup is named \"{}\"", name);
  const std::shared_ptr<const BackupConfig> config = found->second.config;
  const bool after_failure = found->second.last_attempt && !found->second.last_attempt->succeeded;
  Result<Record> record = begin_locked(name, trigger);
  if (!record) return record;
  running_.insert(name);
  found->second.last_run = *record;
  if (Triggers::is_reason(trigger)) found->second.last_for_reason = *record;
  lock.unlock();

  const Result<void> outcome = perform(*config, *record, after_failure, stop);

  lock.lock();
  running_.erase(name);
  record->finished = clock_.wall_now();
  record->succeeded = outcome.has_value();
  if (outcome) {
    stats_.bytes_added += record->snapshot.bytes_added;
  } else {
    record->error = outcome.error().message;
    record->snapshot = {};
    record->watermarks.reset();
    record->chain.reset();
    ++(record->held ? stats_.held : stats_.failures);
  }
  ++stats_.runs;
  // If this cannot be written, the next start takes the run for interrupted: an older success is reported, never a
  // newer one than there is.
  if (!store_.finish(*record)) ++stats_.store_errors;
  if (const auto entry = entries_.find(name); entry != entries_.end()) {
    entry->second.last_run = *record;
    if (!record->held) entry->second.last_attempt = *record;
    if (Triggers::is_reason(trigger)) entry->second.last_for_reason = *record;
    if (record->succeeded) entry->second.last_success = *record;
  }
  ended_.notify_all();
  return record;
}

Result<void> BackupSet::perform(const BackupConfig& config, Record& record, bool after_failure, std::stop_token stop) {
  const Result<RepositoryPassword> password = find_password(config, clock_, stop);
  if (!password) return fail(password.error());
  const Restic restic(commands_, config, *password, options_.cache_folder, hostname_);
  if (auto ready = ensure_repository(restic, config, stop); !ready) return fail(ready.error());
  const Result<Snapshot> snapshot = config.source.client() != nullptr
                                        ? back_up_client(config, restic, record, after_failure, stop)
                                        : back_up_files(config, restic, record, after_failure, stop);
  if (!snapshot) return fail(snapshot.error());
  record.snapshot = *snapshot;
  if (config.keep.everything()) return {};
  // The backup is good, whatever becomes of the older ones.
  if (const Result<void> forgotten = restic.forget(config.keep, stop); !forgotten) {
    ++stats_.retention_failures;
    record.note += fmt::format("{}older snapshots were not removed: {}", record.note.empty() ? "" : "; ",
                               forgotten.error().message);
  }
  return {};
}

Result<Snapshot> BackupSet::back_up_files(const BackupConfig& config, const Restic& restic, Record& record,
                                          bool after_failure, std::stop_token stop) {
  std::optional<Scratch> scratch;
  if (config.source.staged()) {
    Result<Scratch> made = Scratch::make(options_.scratch_folder, config.name);
    if (!made) return fail(made.error());
    scratch.emplace(std::move(*made));
  }
  // Before the database is read: what the chain has was signed before, and the database must know it.
  const bool compared = !config.source.sqlite.empty() && chain_;
  const VotedEpochs chain = compared ? chain_() : VotedEpochs();
  const Result<Staged> staged = stage(config.source, scratch ? scratch->path() : "", config.timeout, clock_, stop);
  if (!staged) return fail(staged.error());
  record.note = staged->note;
  record.watermarks = staged->watermarks;
  if (compared && staged->watermarks) {
    const ChainComparison comparison = compare(staged->voted, chain);
    if (comparison.keys > 0) record.chain = comparison;
    if (comparison.behind > 0) {
      record.note += fmt::format(
          "{}{} of {} keys have voted on the chain without this database, {} by {} epochs: who signs for them?",
          record.note.empty() ? "" : "; ", comparison.behind, comparison.keys, comparison.furthest,
          comparison.epochs_max);
    }
  }
  return back_up(restic, record, {.paths = staged->paths}, after_failure, stop);
}

Result<Snapshot> BackupSet::back_up(const Restic& restic, Record& record, const Intake& intake, bool after_failure,
                                    std::stop_token stop) {
  const auto unlock = [&]() -> Result<bool> {
    const Result<std::vector<Lock>> removed = restic.remove_own_stale_locks(stop);
    if (!removed) return fail(removed.error());
    for (const Lock& lock : *removed) {
      record.note += fmt::format("{}removed the stale lock of our PID {}", record.note.empty() ? "" : "; ", lock.pid);
    }
    stats_.locks_removed += removed->size();
    return !removed->empty();
  };
  // A restic of ours that was killed leaves a lock which does not hinder a backup, but does hinder pruning.
  // What another host holds does not concern a backup either, so an error here is none.
  if (after_failure) (void)unlock();
  Result<Snapshot> snapshot = restic.back_up(intake, stop);
  if (snapshot || snapshot.error().code != Errc::kUnavailable) return snapshot;
  const Result<bool> unlocked = unlock();
  if (!unlocked) return fail(snapshot.error().with_context("{}", unlocked.error().message));
  if (!*unlocked) return snapshot;
  Result<Snapshot> again = restic.back_up(intake, stop);
  if (!again) return fail(again.error().with_context("run {}, after removing a stale lock", record.id));
  return again;
}

Result<void> BackupSet::ensure_repository(const Restic& restic, const BackupConfig& config, std::stop_token stop) {
  const Result<Restic::Repository> repository = restic.look(stop);
  if (!repository) return fail(repository.error());
  const auto store_failed = [&](const core::Error& error) {
    ++stats_.store_errors;
    return fail(error);
  };
  std::unique_lock lock(mutex_);
  if (*repository == Restic::Repository::kAbsent) {
    const Result<bool> existed = store_.has_existed(config.repository);
    if (!existed) return store_failed(existed.error());
    if (*existed) {
      return fail(Errc::kFailed,
                  "the repository {} was there and is gone (not mounted?); if it is to begin anew, run `restic init`",
                  config.repository);
    }
    lock.unlock();
    if (auto created = restic.create(stop); !created) return created;
    lock.lock();
  }
  if (auto remembered = store_.remember(config.repository, clock_.wall_now()); !remembered) {
    return store_failed(remembered.error());
  }
  return {};
}

std::vector<Triggers::Reason> BackupSet::due_reasons_locked(const std::string& name, const Entry& entry) {
  std::vector<Triggers::Reason> reasons = triggers_.reasons(name);
  // What an earlier process took a backup for is told again after a restart.
  std::vector<Triggers::Reason> known;
  std::erase_if(reasons, [&](const Triggers::Reason& reason) {
    const Result<bool> answered = store_.has_answered(name, reason.text);
    if (!answered) ++stats_.store_errors;
    if (!answered || !*answered || reason.text.starts_with("event ")) return false;
    known.push_back(reason);
    return true;
  });
  triggers_.answered(name, known);
  const TriggerLimits& limits = entry.config->on_limits;
  if (reasons.empty() || clock_.steady_now() < reasons.front().since + limits.after) return {};
  if (!entry.last_for_reason) return reasons;
  const Record& last = *entry.last_for_reason;
  const WallTime now = clock_.wall_now();
  // As for the schedule: that run was recorded by a wrong clock.
  if (last.started > now + kClockTolerance) return reasons;
  const WallTime next = last.succeeded || !last.finished
                            ? last.started + limits.every
                            : *last.finished + std::chrono::duration_cast<WallTime::duration>(options_.retry);
  return now < next ? std::vector<Triggers::Reason>() : reasons;
}

void BackupSet::take_for(const std::string& name, const std::string& trigger,
                         const std::vector<Triggers::Reason>& reasons, std::stop_token stop) {
  // Its outcome is in the store and in status(); a start that could not be recorded is counted.
  const Result<Record> record = take(name, trigger, std::move(stop));
  if (record && record->succeeded) triggers_.answered(name, reasons);
}

void BackupSet::take_due(std::stop_token stop) {
  std::vector<std::string> due;
  std::vector<std::pair<std::string, std::vector<Triggers::Reason>>> for_reasons;
  std::vector<std::pair<std::string, VerificationKind>> unverified;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, entry] : entries_) {
      if (running_.contains(name)) continue;
      const std::optional<WallTime> next = next_run_locked(entry);
      if (next && *next <= clock_.wall_now()) {
        due.push_back(name);
      } else if (auto reasons = due_reasons_locked(name, entry); !reasons.empty()) {
        for_reasons.emplace_back(name, std::move(reasons));
      }
      for (const VerificationKind kind : kVerificationKinds) {
        const std::optional<WallTime> verification = next_verification_locked(entry, kind);
        if (verification && *verification <= clock_.wall_now()) unverified.emplace_back(name, kind);
      }
    }
  }
  for (const auto& [name, reasons] : for_reasons) {
    if (stop.stop_requested()) return;
    take_for(name, reasons.front().text, reasons, stop);
  }
  for (const std::string& name : due) {
    if (stop.stop_requested()) return;
    take_for(name, "schedule", triggers_.reasons(name), stop);
  }
  for (const auto& [name, kind] : unverified) {
    if (stop.stop_requested()) return;
    (void)verify(name, kind, "schedule", stop);
  }
}

std::vector<Status> BackupSet::status() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Status> all;
  for (const auto& [name, entry] : entries_) {
    Status status;
    status.name = name;
    status.repository = entry.config->repository;
    status.last_success = entry.last_success;
    status.last_run = entry.last_run;
    status.last_attempt = entry.last_attempt;
    status.running = running_.contains(name);
    status.next_run = next_run_locked(entry);
    for (const Triggers::Reason& reason : triggers_.reasons(name)) status.reasons.push_back(reason.text);
    if (entry.last_success) status.success_age = clock_.wall_now() - entry.last_success->started;
    const auto find = [](const auto& from, VerificationKind kind) {
      const auto found = from.find(kind);
      return found == from.end() ? std::nullopt : std::optional(found->second);
    };
    status.last_drill = find(entry.verified, VerificationKind::kDrill);
    status.last_check = find(entry.verified, VerificationKind::kCheck);
    status.last_drill_success = find(entry.confirmed, VerificationKind::kDrill);
    status.last_check_success = find(entry.confirmed, VerificationKind::kCheck);
    for (const auto& [kind, each] : entry.confirmed) {
      if (!status.verified_at || *status.verified_at < each.started) status.verified_at = each.started;
    }
    if (status.verified_at) status.verified_age = clock_.wall_now() - *status.verified_at;
    all.push_back(std::move(status));
  }
  return all;
}

Result<std::vector<Record>> BackupSet::history(const std::string& name, std::int64_t limit) {
  const std::scoped_lock lock(mutex_);
  return store_.recent(name, limit);
}

BackupLoop::BackupLoop(BackupSet& backups)
    : thread_([this, &backups](std::stop_token stop) {
        while (!stop.stop_requested()) {
          backups.take_due(stop);
          std::unique_lock lock(mutex_);
          wake_.wait_for(lock, stop, kLook, [] { return false; });
        }
      }),
      clients_thread_([this, &backups](std::stop_token stop) {
        while (!stop.stop_requested()) {
          backups.look_after_clients(stop);
          std::unique_lock lock(mutex_);
          wake_.wait_for(lock, stop, kLook, [] { return false; });
        }
      }) {}

BackupLoop::~BackupLoop() = default;

}  // namespace actions::backup
