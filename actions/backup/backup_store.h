// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actions/backup/interchange.h"
#include "actions/backup/restic.h"
#include "core/result.h"
#include "core/store/database.h"
#include "core/time/clock.h"

namespace actions::backup {

// One run of a backup.
struct Record {
  std::int64_t id = 0;
  std::string backup;
  std::string trigger;  // "schedule", or who asked
  core::WallTime started;
  std::optional<core::WallTime> finished;  // none: still running
  bool succeeded = false;
  bool held = false;                     // not taken, because its client must not be stopped now; no failure
  Snapshot snapshot;                     // empty unless it succeeded
  std::string error;                     // empty if it succeeded or runs; why, if it was held
  std::string note;                      // what is worth knowing of a success: a lock that was removed
  std::optional<Watermarks> watermarks;  // of a slashing-protection database
  std::optional<ChainComparison> chain;  // likewise, as it was when it was taken; none: nobody watches the chain
};

enum class VerificationKind { kDrill, kCheck };

// One restore that was tried, or one check of the repository.
struct Verification {
  std::int64_t id = 0;
  std::string backup;
  VerificationKind kind = VerificationKind::kDrill;
  std::string trigger;
  std::string snapshot;  // that was restored; empty for a check
  core::WallTime started;
  std::optional<core::WallTime> finished;  // none: still running
  bool succeeded = false;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::string error;
};

// The runs of all backups and the repositories that are known to exist, in SQLite.
//
// Thread safety: confined to one thread at a time.
class BackupStore {
 public:
  // ":memory:" for tests. Runs without an outcome become failed ones: the agent was ended while they ran.
  static core::Result<BackupStore> open(const std::string& path, core::WallTime now);

  core::Result<std::int64_t> begin(const std::string& backup, const std::string& trigger, core::WallTime started);
  core::Result<void> finish(const Record& record);
  core::Result<std::optional<Record>> last(const std::string& backup);
  core::Result<std::optional<Record>> last_success(const std::string& backup);
  // The newest run that has ended, and was not held.
  core::Result<std::optional<Record>> last_attempt(const std::string& backup);
  // The newest run that something which happened was the reason for.
  core::Result<std::optional<Record>> last_for_reason(const std::string& backup);
  // Whether a good run had this trigger.
  core::Result<bool> has_answered(const std::string& backup, const std::string& trigger);
  // Newest first, at most `limit`.
  core::Result<std::vector<Record>> recent(const std::string& backup, std::int64_t limit);

  core::Result<std::int64_t> begin(const Verification& verification);
  core::Result<void> finish(const Verification& verification);
  core::Result<std::optional<Verification>> last(const std::string& backup, VerificationKind kind);
  core::Result<std::optional<Verification>> last_success(const std::string& backup, VerificationKind kind);

  // A repository that existed once and is gone is not created again in silence.
  core::Result<bool> has_existed(const std::string& repository);
  core::Result<void> remember(const std::string& repository, core::WallTime now);

 private:
  explicit BackupStore(core::store::Database database) : database_(std::move(database)) {}

  core::Result<std::vector<Record>> select(const std::string& backup, const std::string& condition, std::int64_t limit);

  core::Result<std::optional<Verification>> newest(const std::string& backup, VerificationKind kind,
                                                   const std::string& condition);

  core::store::Database database_;
};

}  // namespace actions::backup
