// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "actions/drill/drill_run.h"
#include "actions/remedy/audit_log.h"
#include "core/result.h"
#include "core/store/database.h"
#include "core/time/clock.h"

namespace actions::drill {

// Where runs are written before anything happens. What put() has not confirmed has not been decided.
//
// Thread safety: confined to one thread.
class DrillStore {
 public:
  virtual ~DrillStore() = default;
  // Writes a run as it now is. Refuses a second one that is not over.
  virtual core::Result<void> put(const Run& run) = 0;
  // What is kept, newest first.
  virtual core::Result<std::vector<Run>> recall() = 0;
};

// In SQLite, synchronous=FULL, with an audit log beside it: every put() is an entry there, in the same transaction
// (actions/remedy/audit_log.h). Kept are the newest kKeptRuns, and of each drill its newest and the newest that passed.
class SqliteDrillStore final : public DrillStore {
 public:
  static constexpr std::int64_t kKeptRuns = 200;
  static constexpr std::int64_t kAuditEntries = 20'000;

  // ":memory:" for tests. The clock dates the entries of the audit log.
  static core::Result<SqliteDrillStore> open(const std::string& path, const core::Clock& clock);
  remedy::AuditLog audit() { return remedy::AuditLog(database_); }

  core::Result<void> put(const Run& run) override;
  core::Result<std::vector<Run>> recall() override;

 private:
  SqliteDrillStore(core::store::Database database, const core::Clock& clock)
      : database_(std::move(database)), clock_(&clock) {}
  core::Result<void> prune();

  core::store::Database database_;
  const core::Clock* clock_;
};

}  // namespace actions::drill
