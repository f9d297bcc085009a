// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/backup_store.h"

#include <array>
#include <utility>

namespace actions::backup {
namespace {

using core::fail;
using core::Result;
using core::WallTime;
using core::store::Database;
using core::store::Row;
using core::store::Statement;

constexpr std::array<core::store::Migration, 1> kSchema = {{
    {"runs and repositories",
     "CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, backup TEXT NOT NULL, trigger TEXT NOT NULL,"
     " started_ms INTEGER NOT NULL, finished_ms INTEGER, succeeded INTEGER NOT NULL DEFAULT 0,"
     " snapshot TEXT NOT NULL DEFAULT '', files INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
     " bytes_added INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '');"
     "CREATE INDEX runs_by_backup ON runs(backup, id);"
     "CREATE TABLE repositories(repository TEXT PRIMARY KEY, seen_ms INTEGER NOT NULL)"},
}};

// Runs kept of each backup, beside its last success.
constexpr std::int64_t kKeptRuns = 500;

constexpr const char* kInterrupted = "interrupted: the agent ended before the backup did; its outcome is not known";

std::uint64_t unsigned_at(const Row& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

Record read_record(const Row& row) {
  Record record;
  record.id = row.integer(0);
  record.backup = row.text(1);
  record.trigger = row.text(2);
  record.started = core::from_unix_ms(row.integer(3));
  if (!row.is_null(4)) record.finished = core::from_unix_ms(row.integer(4));
  record.succeeded = row.integer(5) != 0;
  record.snapshot = {row.text(6), unsigned_at(row, 7), unsigned_at(row, 8), unsigned_at(row, 9)};
  record.error = row.text(10);
  record.note = row.text(11);
  return record;
}

}  // namespace

Result<BackupStore> BackupStore::open(const std::string& path, WallTime now) {
  Result<Database> database = Database::open(path, kSchema, core::store::Durability::kFull);
  if (!database) return fail(database.error());
  Result<Statement> close = database->prepare("UPDATE runs SET finished_ms=?1, error=?2 WHERE finished_ms IS NULL");
  if (!close) return fail(close.error());
  if (auto done = close->bind(1, core::to_unix_ms(now)).bind(2, kInterrupted).run(); !done) return fail(done.error());
  return BackupStore(std::move(*database));
}

Result<std::int64_t> BackupStore::begin(const std::string& backup, const std::string& trigger, WallTime started) {
  Result<Statement> insert = database_.prepare("INSERT INTO runs(backup, trigger, started_ms) VALUES(?1, ?2, ?3)");
  if (!insert) return fail(insert.error());
  insert->bind(1, backup).bind(2, trigger).bind(3, core::to_unix_ms(started));
  if (auto done = insert->run(); !done) return fail(done.error());
  const std::int64_t id = database_.last_insert_id();
  Result<Statement> prune = database_.prepare(
      "DELETE FROM runs WHERE backup=?1 AND id NOT IN (SELECT id FROM runs WHERE backup=?1 ORDER BY id DESC LIMIT ?2)"
      " AND id <> (SELECT coalesce(max(id), 0) FROM runs WHERE backup=?1 AND succeeded=1)");
  if (!prune) return fail(prune.error());
  if (auto done = prune->bind(1, backup).bind(2, kKeptRuns).run(); !done) return fail(done.error());
  return id;
}

Result<void> BackupStore::finish(const Record& record) {
  Result<Statement> update = database_.prepare(
      "UPDATE runs SET finished_ms=?2, succeeded=?3, snapshot=?4, files=?5, bytes=?6, bytes_added=?7, error=?8, note=?9"
      " WHERE id=?1");
  if (!update) return fail(update.error());
  update->bind(1, record.id).bind(2, core::to_unix_ms(record.finished.value_or(record.started)));
  update->bind(3, std::int64_t{record.succeeded}).bind(4, record.snapshot.id);
  update->bind(5, static_cast<std::int64_t>(record.snapshot.files));
  update->bind(6, static_cast<std::int64_t>(record.snapshot.bytes));
  update->bind(7, static_cast<std::int64_t>(record.snapshot.bytes_added));
  return update->bind(8, record.error).bind(9, record.note).run();
}

Result<std::vector<Record>> BackupStore::select(const std::string& backup, const std::string& condition,
                                                std::int64_t limit) {
  Result<Statement> select = database_.prepare(
      "SELECT id, backup, trigger, started_ms, finished_ms, succeeded, snapshot, files, bytes, bytes_added, error, note"
      " FROM runs WHERE backup=?1 AND " +
      condition + " ORDER BY id DESC LIMIT ?2");
  if (!select) return fail(select.error());
  std::vector<Record> records;
  auto read = select->bind(1, backup).bind(2, limit).rows([&](const Row& row) { records.push_back(read_record(row)); });
  if (!read) return fail(read.error());
  return records;
}

Result<std::optional<Record>> BackupStore::last(const std::string& backup) {
  return select(backup, "1", 1).map([](std::vector<Record> records) {
    return records.empty() ? std::nullopt : std::optional(records.front());
  });
}

Result<std::optional<Record>> BackupStore::last_success(const std::string& backup) {
  return select(backup, "succeeded=1", 1).map([](std::vector<Record> records) {
    return records.empty() ? std::nullopt : std::optional(records.front());
  });
}

Result<std::vector<Record>> BackupStore::recent(const std::string& backup, std::int64_t limit) {
  return select(backup, "1", limit);
}

Result<bool> BackupStore::has_existed(const std::string& repository) {
  Result<Statement> select = database_.prepare("SELECT 1 FROM repositories WHERE repository=?1");
  if (!select) return fail(select.error());
  bool found = false;
  auto read = select->bind(1, repository).rows([&](const Row&) { found = true; });
  if (!read) return fail(read.error());
  return found;
}

Result<void> BackupStore::remember(const std::string& repository, WallTime now) {
  Result<Statement> insert =
      database_.prepare("INSERT OR IGNORE INTO repositories(repository, seen_ms) VALUES(?1, ?2)");
  if (!insert) return fail(insert.error());
  return insert->bind(1, repository).bind(2, core::to_unix_ms(now)).run();
}

}  // namespace actions::backup
