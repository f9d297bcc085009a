// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actions/remedy/audit_log.h"
#include "actions/remedy/decision.h"
#include "core/result.h"
#include "core/store/database.h"

namespace actions::remedy {

// What a process starts from.
struct Recollection {
  std::vector<RunPtr> runs;
  std::vector<Start> starts;  // oldest first
  std::map<std::string, Pause> pauses;
};

// Where decisions are written before they take effect. What commit() has not confirmed has not been decided.
//
// Thread safety: confined to one thread.
class Journal {
 public:
  virtual ~Journal() = default;
  // All unfinished runs, the newest `history` finished ones, and the starts since `starts_since` or in this boot.
  virtual core::Result<Recollection> recall(std::size_t history, core::WallTime starts_since) = 0;
  virtual core::Result<std::optional<Run>> find(const std::string& run) = 0;
  // All records of one decision, or none.
  virtual core::Result<void> commit(std::span<const Effect> effects, core::WallTime now) = 0;
  // Whether commit() would work now: writes something that means nothing.
  virtual core::Result<void> probe(core::WallTime now) = 0;
};

struct JournalOptions {
  // What tells one boot of the machine from the next: within one, starts are counted on the steady clock as well, so
  // that neither a restart of the agent nor a step of the wall clock ends a cool-down.
  std::string boot;
  std::int64_t audit_entries_max = 20'000;
};

// The journal in SQLite, synchronous=FULL, with the audit log beside it: every record becomes an entry there in the
// same transaction.
class SqliteJournal final : public Journal {
 public:
  // ":memory:" for tests.
  static core::Result<SqliteJournal> open(const std::string& path, JournalOptions options = {});

  core::Result<Recollection> recall(std::size_t history, core::WallTime starts_since) override;
  core::Result<std::optional<Run>> find(const std::string& run) override;
  core::Result<void> commit(std::span<const Effect> effects, core::WallTime now) override;
  core::Result<void> probe(core::WallTime now) override;

  AuditLog audit() { return AuditLog(database_); }

 private:
  SqliteJournal(core::store::Database database, JournalOptions options)
      : database_(std::move(database)), options_(std::move(options)) {}

  core::Result<void> write_run(const Run& run);
  core::Result<void> write_pause(const RecordPause& record);
  core::Result<void> prune();

  core::store::Database database_;
  JournalOptions options_;
  int commits_ = 0;  // since the last prune()
};

}  // namespace actions::remedy
