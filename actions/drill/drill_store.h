// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "actions/drill/drill_run.h"
#include "core/result.h"
#include "core/store/database.h"

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

// In SQLite, synchronous=FULL. Kept are the newest kKeptRuns, and of each drill its newest and the newest that passed.
class SqliteDrillStore final : public DrillStore {
 public:
  static constexpr std::int64_t kKeptRuns = 200;

  // ":memory:" for tests.
  static core::Result<SqliteDrillStore> open(const std::string& path);

  core::Result<void> put(const Run& run) override;
  core::Result<std::vector<Run>> recall() override;

 private:
  explicit SqliteDrillStore(core::store::Database database) : database_(std::move(database)) {}
  core::Result<void> prune();

  core::store::Database database_;
};

}  // namespace actions::drill
