// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "actions/backup/backup_config.h"
#include "actions/backup/backup_store.h"
#include "actions/backup/stop_gate.h"
#include "actions/backup/stopped_clients.h"
#include "actions/backup/triggers.h"
#include "core/process/child_process.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::backup {

// Where a backup stands: for the page, the API and the metrics.
struct Status {
  std::string name;
  std::string repository;
  std::optional<Record> last_success;
  std::optional<Record> last_run;
  std::optional<Record> last_attempt;  // the last run that has ended, and was not held
  bool running = false;
  std::optional<core::WallTime> next_run;     // none without a schedule
  std::vector<std::string> reasons;           // what happened that a run is to be begun for
  std::optional<core::Duration> success_age;  // of the last success' start: what was written since is not in it
  std::optional<Verification> last_drill;     // a restore that was tried
  std::optional<Verification> last_drill_success;
  std::optional<Verification> last_check;
  std::optional<Verification> last_check_success;
  std::optional<core::WallTime> verified_at;  // of the newest drill or check that succeeded
  std::optional<core::Duration> verified_age;
};

// Counts since the start.
struct BackupStats {
  std::atomic<std::uint64_t> runs{0};
  std::atomic<std::uint64_t> failures{0};
  std::atomic<std::uint64_t> held{0};  // not begun, because a client must not be stopped
  std::atomic<std::uint64_t> bytes_added{0};
  std::atomic<std::uint64_t> locks_removed{0};
  std::atomic<std::uint64_t> store_errors{0};
  std::atomic<std::uint64_t> retention_failures{0};
  std::atomic<std::uint64_t> drills{0};
  std::atomic<std::uint64_t> drill_failures{0};
  std::atomic<std::uint64_t> checks{0};
  std::atomic<std::uint64_t> check_failures{0};
};

// Who takes a backup, or tries its restore, by its name: the seam for remediation steps.
class BackupTaker {
 public:
  virtual ~BackupTaker() = default;
  // Blocks until it is done. A backup that failed is a Record with its error; kNotFound: there is no such backup;
  // kUnavailable: its start could not be recorded, so it was not taken.
  virtual core::Result<Record> take(const std::string& name, const std::string& trigger, std::stop_token stop) = 0;
  // Restores the last good snapshot into a scratch folder and looks at it, or checks the repository. Blocks; one that
  // failed is a Verification with its error; kNotFound: no such backup.
  virtual core::Result<Verification> verify(const std::string& name, VerificationKind kind, const std::string& trigger,
                                            std::stop_token stop) = 0;
};

// The configured backups: takes them, when due or when asked, and knows how fresh each is.
//
// Thread safety: any thread. One run of a backup at a time: who asks for one that is being taken waits and then gets
// its own, since what was written meanwhile may not be in the other.
class BackupSet final : public BackupTaker {
 public:
  struct Options {
    std::string database;                             // path of the SQLite file
    std::string stops_database;                       // likewise, of the clients that are stopped
    std::string cache_folder;                         // restic's cache
    std::string scratch_folder;                       // emptied at the start; this program's alone
    core::Duration retry = std::chrono::minutes(10);  // after a failure, if the schedule has nothing sooner
  };

  struct Dependencies {
    core::process::CommandRunner& commands;
    core::process::ServiceControl& services;
    StopGate& gate;
    const core::Clock& clock;
    std::function<void(const std::string& text)> tell;  // of clients that do not start; for the log
    std::function<VotedEpochs()> chain = {};            // whose votes the chain shows; none: nobody watches it
  };

  static core::Result<std::unique_ptr<BackupSet>> open(std::vector<BackupConfig> backups, Options options,
                                                       Dependencies dependencies);

  core::Result<Record> take(const std::string& name, const std::string& trigger, std::stop_token stop) override;
  core::Result<Verification> verify(const std::string& name, VerificationKind kind, const std::string& trigger,
                                    std::stop_token stop) override;
  // Takes what is due now, one after another, then verifies what is due.
  void take_due(std::stop_token stop);
  // Who is told what happens.
  Triggers& triggers() { return triggers_; }
  const Triggers& triggers() const { return triggers_; }
  // Starts the clients that a backup has stopped for too long, or that an earlier process left stopped.
  void look_after_clients(std::stop_token stop) { stopped_->look(std::move(stop)); }
  const StoppedClients& stopped_clients() const { return *stopped_; }
  std::vector<Status> status() const;
  // Newest first.
  core::Result<std::vector<Record>> history(const std::string& name, std::int64_t limit);
  // From now on these are the backups; one that runs ends as it was begun.
  void configure(std::vector<BackupConfig> backups);
  const BackupStats& stats() const { return stats_; }

 private:
  struct Entry {
    std::shared_ptr<const BackupConfig> config;
    std::optional<Record> last_success;
    std::optional<Record> last_run;
    std::optional<Record> last_attempt;                  // that has ended, and was not held
    std::optional<Record> last_for_reason;               // of a reason of Triggers
    std::map<VerificationKind, Verification> verified;   // the last of each kind
    std::map<VerificationKind, Verification> confirmed;  // the last success of each kind
  };

  BackupSet(Options options, BackupStore store, std::unique_ptr<StoppedClients> stopped, Dependencies dependencies);

  // REQUIRES: mutex_ is held, for all that have `locked` in their name.
  void load_locked(std::vector<BackupConfig> backups);
  std::optional<core::WallTime> next_run_locked(const Entry& entry) const;
  // The reasons for a run now; empty if there are none, or it is too early.
  std::vector<Triggers::Reason> due_reasons_locked(const std::string& name, const Entry& entry);
  void take_for(const std::string& name, const std::string& trigger, const std::vector<Triggers::Reason>& reasons,
                std::stop_token stop);
  core::Duration delay_of(const BackupConfig& config) const;
  core::Result<Record> begin_locked(const std::string& name, const std::string& trigger);
  std::optional<core::WallTime> next_verification_locked(const Entry& entry, VerificationKind kind) const;
  // Fills in what came of it.
  core::Result<void> perform(const BackupConfig& config, Record& record, bool after_failure, std::stop_token stop);
  core::Result<Snapshot> back_up_files(const BackupConfig& config, const Restic& restic, Record& record,
                                       bool after_failure, std::stop_token stop);
  core::Result<Snapshot> back_up(const Restic& restic, Record& record, const Intake& intake, bool after_failure,
                                 std::stop_token stop);
  core::Result<Snapshot> back_up_client(const BackupConfig& config, const Restic& restic, Record& record,
                                        bool after_failure, std::stop_token stop);
  core::Result<Snapshot> copy_while_stopped(const BackupConfig& config, const Restic& restic, Record& record,
                                            Intake intake, bool after_failure, std::stop_token stop);
  core::Result<Snapshot> copy_from_snapshot(const BackupConfig& config, const Restic& restic, Record& record,
                                            bool after_failure, std::stop_token stop);
  core::Result<void> may_be_stopped(const ClientConfig& client, Record& record, std::stop_token stop);
  core::Result<void> run_hook(const std::string& backup, const std::vector<std::string>& argv, core::Duration timeout,
                              std::stop_token stop);
  core::Result<void> perform(const BackupConfig& config, const std::optional<Record>& good, Verification& verification,
                             std::stop_token stop);
  core::Result<void> ensure_repository(const Restic& restic, const BackupConfig& config, std::stop_token stop);

  const Options options_;
  core::process::CommandRunner& commands_;
  StopGate& gate_;
  const core::Clock& clock_;
  const std::function<VotedEpochs()> chain_;
  const std::unique_ptr<StoppedClients> stopped_;
  const std::string hostname_;
  const core::WallTime opened_;
  BackupStats stats_;
  Triggers triggers_;

  mutable std::mutex mutex_;
  std::condition_variable_any ended_;
  BackupStore store_;
  std::map<std::string, Entry> entries_;
  std::set<std::string> running_;
};

struct RestoreOptions {
  std::string snapshot = "latest";
  std::string target;                   // a folder that is empty or not there yet
  std::string genesis_validators_root;  // for an interchange that lacks it
};

struct Restored {
  std::string path;     // of the interchange, or the target
  std::string refused;  // why something of the snapshot was not given
};

// Restores a snapshot for a person. A slashing-protection database never comes back: of a backup of one there is only
// the interchange, and Lighthouse's file stays out of any other. Needs no BackupSet; blocks.
core::Result<Restored> restore_snapshot(const BackupConfig& config, const RestoreOptions& options,
                                        core::process::CommandRunner& commands, const core::Clock& clock,
                                        std::stop_token stop = {});

// What such a restore would do, a line each, and what stands in its way: the repository is asked, nothing is written.
struct RestorePlan {
  std::vector<std::string> lines;
  std::vector<std::string> objections;  // why it would fail; empty: nothing that can be seen before
};
core::Result<RestorePlan> plan_restore(const BackupConfig& config, const RestoreOptions& options,
                                       core::process::CommandRunner& commands, const core::Clock& clock,
                                       std::stop_token stop = {});

// The threads that take backups when they are due, and that start clients which were stopped for them, whatever the
// other one does. Both look every few seconds, so that a step of the wall clock or the end of a suspension is noticed.
//
// Thread safety: confined to its creator; the destructor stops a running backup.
class BackupLoop {
 public:
  explicit BackupLoop(BackupSet& backups);
  ~BackupLoop();

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
  std::jthread clients_thread_;
};

}  // namespace actions::backup
