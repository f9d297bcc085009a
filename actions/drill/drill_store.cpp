// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_store.h"

#include <array>
#include <utility>

namespace actions::drill {
namespace {

using core::fail;
using core::Result;
using core::store::Database;
using core::store::Row;
using core::store::Statement;

const std::array<core::store::Migration, 2> kSchema = {{
    {"runs of drills",
     "CREATE TABLE runs(id TEXT PRIMARY KEY, drill TEXT NOT NULL, open INTEGER NOT NULL, passed INTEGER NOT NULL,"
     " created_ms INTEGER NOT NULL, body TEXT NOT NULL);"
     "CREATE INDEX runs_by_creation ON runs(created_ms);"
     "CREATE UNIQUE INDEX one_at_a_time ON runs(open) WHERE open = 1"},
    {"audit log", remedy::AuditLog::kTables},
}};

}  // namespace

Result<SqliteDrillStore> SqliteDrillStore::open(const std::string& path, const core::Clock& clock) {
  Result<Database> database = Database::open(path, kSchema, core::store::Durability::kFull);
  if (!database) return fail(database.error());
  return SqliteDrillStore(std::move(*database), clock);
}

Result<void> SqliteDrillStore::put(const Run& run) {
  return database_.transaction([&]() -> Result<void> {
    Result<Statement> upsert = database_.prepare(
        "INSERT INTO runs(id, drill, open, passed, created_ms, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT(id) DO UPDATE SET open=?3, passed=?4, body=?6");
    if (!upsert) return fail(upsert.error());
    upsert->bind(1, run.id).bind(2, run.drill).bind(3, std::int64_t{run.phase != Phase::kOver});
    upsert->bind(4, std::int64_t{run.ending == Ending::kPassed}).bind(5, core::to_unix_ms(run.created));
    const std::string body = to_json_text(run);
    upsert->bind(6, body);
    if (auto done = upsert->run(); !done) return done;
    const std::string entry = fmt::format(R"({{"run":{},"type":"drill"}})", body);
    if (auto done = audit().append(entry, clock_->wall_now(), kAuditEntries); !done) return done;
    return run.phase == Phase::kOver ? prune() : Result<void>();
  });
}

Result<void> SqliteDrillStore::prune() {
  Result<Statement> prune = database_.prepare(
      "DELETE FROM runs WHERE open = 0"
      " AND id NOT IN (SELECT id FROM runs ORDER BY created_ms DESC LIMIT ?1)"
      " AND created_ms < (SELECT max(created_ms) FROM runs AS other WHERE other.drill = runs.drill)"
      " AND NOT (passed = 1 AND created_ms ="
      " (SELECT max(created_ms) FROM runs AS other WHERE other.drill = runs.drill AND other.passed = 1))");
  if (!prune) return fail(prune.error());
  return prune->bind(1, kKeptRuns).run();
}

Result<std::vector<Run>> SqliteDrillStore::recall() {
  Result<Statement> select = database_.prepare("SELECT body FROM runs ORDER BY open DESC, created_ms DESC");
  if (!select) return fail(select.error());
  std::vector<Run> runs;
  Result<void> parsed;
  auto read = select->rows([&](const Row& row) {
    Result<Run> run = run_from_json_text(row.text(0));
    if (run) {
      runs.push_back(std::move(*run));
    } else if (parsed) {
      parsed = fail(run.error());
    }
  });
  if (!read) return fail(read.error());
  if (!parsed) return fail(parsed.error());
  return runs;
}

}  // namespace actions::drill
