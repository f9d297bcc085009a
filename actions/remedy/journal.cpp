// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/journal.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;
using core::store::Database;
using core::store::Row;
using core::store::Statement;

constexpr std::array<core::store::Migration, 2> kSchema = {{
    {"runs and audit",
     "CREATE TABLE runs(id TEXT PRIMARY KEY, remediation TEXT NOT NULL, active INTEGER NOT NULL,"
     " created_ms INTEGER NOT NULL, started_ms INTEGER, body TEXT NOT NULL);"
     "CREATE INDEX runs_by_creation ON runs(active, created_ms);"
     "CREATE INDEX runs_by_start ON runs(started_ms);"
     "CREATE TABLE pause(only INTEGER PRIMARY KEY CHECK(only = 1), reason TEXT NOT NULL, who TEXT NOT NULL,"
     " since_ms INTEGER NOT NULL);"
     "CREATE TABLE probe(only INTEGER PRIMARY KEY CHECK(only = 1), time_ms INTEGER NOT NULL);"
     "CREATE TABLE audit(sequence INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, previous TEXT NOT NULL,"
     " hash TEXT NOT NULL, entry TEXT NOT NULL);"
     "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit"
     " BEGIN SELECT RAISE(ABORT, 'the audit log is not changed'); END;"
     "CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit"
     " BEGIN SELECT RAISE(ABORT, 'the audit log is not cut'); END"},
    {"pauses, boots and the front of the audit log",
     "ALTER TABLE runs ADD COLUMN started_steady_ns INTEGER;"
     "ALTER TABLE runs ADD COLUMN boot TEXT;"
     "CREATE TABLE pauses(remediation TEXT PRIMARY KEY, reason TEXT NOT NULL, who TEXT NOT NULL,"
     " since_ms INTEGER NOT NULL);"
     "INSERT INTO pauses SELECT '', reason, who, since_ms FROM pause;"
     "DROP TABLE pause;"
     "CREATE TABLE audit_front(only INTEGER PRIMARY KEY CHECK(only = 1), sequence INTEGER NOT NULL,"
     " hash TEXT NOT NULL);"
     "DROP TRIGGER audit_is_not_cut;"
     "CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit"
     " WHEN OLD.sequence > (SELECT coalesce(max(sequence), 0) FROM audit_front)"
     " BEGIN SELECT RAISE(ABORT, 'the audit log is not cut'); END"},
}};

// Finished runs that are kept; the audit log keeps more.
constexpr std::int64_t kKeptRuns = 10'000;
// Commits between two looks whether there are more.
constexpr int kPruneEvery = 1000;

std::string pause_entry(const RecordPause& record) {
  nlohmann::json entry = {{"type", record.pause ? "pause" : "resume"}, {"who", record.who}};
  if (!record.remediation.empty()) entry["remediation"] = record.remediation;
  if (record.pause) entry["reason"] = record.pause->reason;
  return entry.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Reads the body in column 0 of each row.
Result<std::vector<Run>> read_runs(Statement& select) {
  std::vector<Run> runs;
  Result<void> parsed;
  auto read = select.rows([&](const Row& row) {
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

}  // namespace

Result<SqliteJournal> SqliteJournal::open(const std::string& path, JournalOptions options) {
  Result<Database> database = Database::open(path, kSchema, core::store::Durability::kFull);
  if (!database) return fail(database.error());
  SqliteJournal journal(std::move(*database), std::move(options));
  if (auto pruned = journal.prune(); !pruned) return fail(pruned.error());
  return journal;
}

// A start is looked back at for no longer than its remediation's window; what holds cool-downs must not be pruned
// sooner, so the starts of a great many runs stay.
Result<void> SqliteJournal::prune() {
  commits_ = 0;
  Result<Statement> prune = database_.prepare(
      "DELETE FROM runs WHERE active=0 AND id NOT IN"
      " (SELECT id FROM runs WHERE active=0 ORDER BY coalesce(started_ms, 0) DESC, created_ms DESC LIMIT ?1)"
      " AND id NOT IN (SELECT id FROM runs WHERE active=0 ORDER BY created_ms DESC LIMIT ?1)");
  if (!prune) return fail(prune.error());
  return prune->bind(1, kKeptRuns).run();
}

Result<Recollection> SqliteJournal::recall(std::size_t history, WallTime starts_since) {
  Recollection recollection;
  for (const bool active : {true, false}) {
    Result<Statement> select =
        database_.prepare("SELECT body FROM runs WHERE active=?1 ORDER BY created_ms DESC LIMIT ?2");
    if (!select) return fail(select.error());
    // Every unfinished run, however many: one that is forgotten is one whose effect is forgotten.
    select->bind(1, std::int64_t{active}).bind(2, active ? std::int64_t{-1} : static_cast<std::int64_t>(history));
    Result<std::vector<Run>> runs = read_runs(*select);
    if (!runs) return fail(runs.error());
    for (Run& run : *runs) recollection.runs.push_back(std::make_shared<const Run>(std::move(run)));
  }
  Result<Statement> starts = database_.prepare(
      "SELECT remediation, id, started_ms, started_steady_ns, boot FROM runs"
      " WHERE started_ms >= ?1 OR (started_ms IS NOT NULL AND boot = ?2) ORDER BY started_ms");
  if (!starts) return fail(starts.error());
  starts->bind(1, core::to_unix_ms(starts_since)).bind(2, options_.boot);
  auto read = starts->rows([&](const Row& row) {
    Start start{row.text(0), row.text(1), core::from_unix_ms(row.integer(2)), std::nullopt};
    const bool this_boot = !row.is_null(3) && row.text(4) == options_.boot;
    if (this_boot) start.steady = core::SteadyTime(std::chrono::nanoseconds(row.integer(3)));
    recollection.starts.push_back(std::move(start));
  });
  if (!read) return fail(read.error());
  Result<Statement> pauses = database_.prepare("SELECT remediation, reason, who, since_ms FROM pauses");
  if (!pauses) return fail(pauses.error());
  read = pauses->rows([&](const Row& row) {
    recollection.pauses[row.text(0)] = Pause{row.text(1), row.text(2), core::from_unix_ms(row.integer(3))};
  });
  if (!read) return fail(read.error());
  return recollection;
}

Result<std::optional<Run>> SqliteJournal::find(const std::string& run) {
  Result<Statement> select = database_.prepare("SELECT body FROM runs WHERE id=?1");
  if (!select) return fail(select.error());
  select->bind(1, run);
  Result<std::vector<Run>> runs = read_runs(*select);
  if (!runs) return fail(runs.error());
  if (runs->empty()) return std::optional<Run>();
  return std::optional<Run>(std::move(runs->front()));
}

Result<void> SqliteJournal::commit(std::span<const Effect> effects, WallTime now) {
  AuditLog log(database_);
  const auto committed = database_.transaction([&]() -> Result<void> {
    for (const Effect& effect : effects) {
      if (const auto* record = std::get_if<RecordRun>(&effect)) {
        if (auto done = write_run(*record->run); !done) return done;
        const std::string entry = fmt::format(R"({{"run":{},"type":"run"}})", to_json_text(*record->run));
        if (auto done = log.append(entry, now, options_.audit_entries_max); !done) return done;
      } else if (const auto* pause = std::get_if<RecordPause>(&effect)) {
        if (auto done = write_pause(*pause); !done) return done;
        if (auto done = log.append(pause_entry(*pause), now, options_.audit_entries_max); !done) return done;
      }
    }
    return {};
  });
  // A prune that fails costs disk, not safety; it is tried again.
  if (committed && ++commits_ >= kPruneEvery) (void)prune();
  return committed;
}

Result<void> SqliteJournal::probe(WallTime now) {
  Result<Statement> write = database_.prepare("INSERT OR REPLACE INTO probe(only, time_ms) VALUES(1, ?1)");
  if (!write) return fail(write.error());
  return write->bind(1, core::to_unix_ms(now)).run();
}

Result<void> SqliteJournal::write_run(const Run& run) {
  Result<Statement> upsert = database_.prepare(
      "INSERT INTO runs(id, remediation, active, created_ms, started_ms, body, started_steady_ns, boot)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
      " ON CONFLICT(id) DO UPDATE SET active=?3, started_ms=?5, body=?6,"
      " started_steady_ns=coalesce(?7, started_steady_ns), boot=coalesce(?8, boot)");
  if (!upsert) return fail(upsert.error());
  upsert->bind(1, run.id).bind(2, run.remediation).bind(3, std::int64_t{!run.final});
  upsert->bind(4, core::to_unix_ms(run.created)).bind(6, to_json_text(run));
  if (run.started) {
    upsert->bind(5, core::to_unix_ms(*run.started));
  } else {
    upsert->bind_null(5);
  }
  if (run.started_steady) {
    upsert->bind(7, std::int64_t{run.started_steady->time_since_epoch().count()}).bind(8, options_.boot);
  } else {
    upsert->bind_null(7).bind_null(8);
  }
  return upsert->run();
}

Result<void> SqliteJournal::write_pause(const RecordPause& record) {
  if (!record.pause) {
    Result<Statement> remove = database_.prepare("DELETE FROM pauses WHERE remediation=?1");
    if (!remove) return fail(remove.error());
    return remove->bind(1, record.remediation).run();
  }
  Result<Statement> insert =
      database_.prepare("INSERT OR REPLACE INTO pauses(remediation, reason, who, since_ms) VALUES(?1, ?2, ?3, ?4)");
  if (!insert) return fail(insert.error());
  insert->bind(1, record.remediation).bind(2, record.pause->reason).bind(3, record.pause->who);
  return insert->bind(4, core::to_unix_ms(record.pause->since)).run();
}

}  // namespace actions::remedy
