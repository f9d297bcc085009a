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

constexpr std::array<core::store::Migration, 4> kSchema = {{
    {"runs and repositories",
     "CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, backup TEXT NOT NULL, trigger TEXT NOT NULL,"
     " started_ms INTEGER NOT NULL, finished_ms INTEGER, succeeded INTEGER NOT NULL DEFAULT 0,"
     " snapshot TEXT NOT NULL DEFAULT '', files INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
     " bytes_added INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '');"
     "CREATE INDEX runs_by_backup ON runs(backup, id);"
     "CREATE TABLE repositories(repository TEXT PRIMARY KEY, seen_ms INTEGER NOT NULL)"},
    {"watermarks and verifications",
     "ALTER TABLE runs ADD COLUMN keys INTEGER;"
     "ALTER TABLE runs ADD COLUMN keys_without_history INTEGER;"
     "ALTER TABLE runs ADD COLUMN slot INTEGER;"
     "ALTER TABLE runs ADD COLUMN source_epoch INTEGER;"
     "ALTER TABLE runs ADD COLUMN target_epoch INTEGER;"
     "CREATE TABLE verifications(id INTEGER PRIMARY KEY AUTOINCREMENT, backup TEXT NOT NULL, kind TEXT NOT NULL,"
     " trigger TEXT NOT NULL, snapshot TEXT NOT NULL, started_ms INTEGER NOT NULL, finished_ms INTEGER,"
     " succeeded INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
     " error TEXT NOT NULL DEFAULT '');"
     "CREATE INDEX verifications_by_backup ON verifications(backup, kind, id)"},
    {"comparison with the chain",
     "ALTER TABLE runs ADD COLUMN chain_keys INTEGER;"
     "ALTER TABLE runs ADD COLUMN chain_behind INTEGER;"
     "ALTER TABLE runs ADD COLUMN chain_epochs INTEGER;"
     "ALTER TABLE runs ADD COLUMN chain_furthest TEXT NOT NULL DEFAULT ''"},
    {"runs that were held", "ALTER TABLE runs ADD COLUMN held INTEGER NOT NULL DEFAULT 0"},
}};

// Runs kept of each backup, beside its last success and its last attempt.
constexpr std::int64_t kKeptRuns = 500;

constexpr const char* kInterrupted = "interrupted: the agent ended before the backup did; its outcome is not known";

std::uint64_t unsigned_at(const Row& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

std::optional<std::uint64_t> optional_at(const Row& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(unsigned_at(row, column));
}

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
  if (!row.is_null(12)) {
    record.watermarks = Watermarks{unsigned_at(row, 12), unsigned_at(row, 13), optional_at(row, 14),
                                   optional_at(row, 15), optional_at(row, 16)};
  }
  if (!row.is_null(17)) {
    record.chain = ChainComparison{unsigned_at(row, 17), unsigned_at(row, 18), unsigned_at(row, 19), row.text(20)};
  }
  record.held = row.integer(21) != 0;
  return record;
}

std::string_view name_of(VerificationKind kind) { return kind == VerificationKind::kDrill ? "drill" : "check"; }

void bind_optional(Statement& statement, int parameter, const std::optional<std::uint64_t>& value) {
  if (value) {
    statement.bind(parameter, static_cast<std::int64_t>(*value));
  } else {
    statement.bind_null(parameter);
  }
}

}  // namespace

Result<BackupStore> BackupStore::open(const std::string& path, WallTime now) {
  Result<Database> database = Database::open(path, kSchema, core::store::Durability::kFull);
  if (!database) return fail(database.error());
  Result<Statement> close = database->prepare("UPDATE runs SET finished_ms=?1, error=?2 WHERE finished_ms IS NULL");
  if (!close) return fail(close.error());
  if (auto done = close->bind(1, core::to_unix_ms(now)).bind(2, kInterrupted).run(); !done) return fail(done.error());
  close = database->prepare("UPDATE verifications SET finished_ms=?1, error=?2 WHERE finished_ms IS NULL");
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
      " AND id <> (SELECT coalesce(max(id), 0) FROM runs WHERE backup=?1 AND succeeded=1)"
      " AND id <> (SELECT coalesce(max(id), 0) FROM runs WHERE backup=?1 AND held=0 AND finished_ms IS NOT NULL)");
  if (!prune) return fail(prune.error());
  if (auto done = prune->bind(1, backup).bind(2, kKeptRuns).run(); !done) return fail(done.error());
  return id;
}

Result<void> BackupStore::finish(const Record& record) {
  Result<Statement> update = database_.prepare(
      "UPDATE runs SET finished_ms=?2, succeeded=?3, snapshot=?4, files=?5, bytes=?6, bytes_added=?7, error=?8, "
      "note=?9,"
      " keys=?10, keys_without_history=?11, slot=?12, source_epoch=?13, target_epoch=?14,"
      " chain_keys=?15, chain_behind=?16, chain_epochs=?17, chain_furthest=?18, held=?19"
      " WHERE id=?1");
  if (!update) return fail(update.error());
  update->bind(1, record.id).bind(2, core::to_unix_ms(record.finished.value_or(record.started)));
  update->bind(3, std::int64_t{record.succeeded}).bind(4, record.snapshot.id);
  update->bind(5, static_cast<std::int64_t>(record.snapshot.files));
  update->bind(6, static_cast<std::int64_t>(record.snapshot.bytes));
  update->bind(7, static_cast<std::int64_t>(record.snapshot.bytes_added));
  update->bind(8, record.error).bind(9, record.note);
  const Watermarks marks = record.watermarks.value_or(Watermarks{});
  bind_optional(*update, 10, record.watermarks ? std::optional(marks.keys) : std::nullopt);
  bind_optional(*update, 11, marks.keys_without_history);
  bind_optional(*update, 12, marks.slot);
  bind_optional(*update, 13, marks.source_epoch);
  bind_optional(*update, 14, marks.target_epoch);
  const ChainComparison chain = record.chain.value_or(ChainComparison{});
  bind_optional(*update, 15, record.chain ? std::optional(chain.keys) : std::nullopt);
  bind_optional(*update, 16, chain.behind);
  bind_optional(*update, 17, chain.epochs_max);
  update->bind(18, chain.furthest).bind(19, std::int64_t{record.held});
  return update->run();
}

Result<std::vector<Record>> BackupStore::select(const std::string& backup, const std::string& condition,
                                                std::int64_t limit) {
  Result<Statement> select = database_.prepare(
      "SELECT id, backup, trigger, started_ms, finished_ms, succeeded, snapshot, files, bytes, bytes_added, error, "
      "note,"
      " keys, keys_without_history, slot, source_epoch, target_epoch,"
      " chain_keys, chain_behind, chain_epochs, chain_furthest, held"
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

Result<std::optional<Record>> BackupStore::last_attempt(const std::string& backup) {
  return select(backup, "held=0 AND finished_ms IS NOT NULL", 1).map([](std::vector<Record> records) {
    return records.empty() ? std::nullopt : std::optional(records.front());
  });
}

Result<std::optional<Record>> BackupStore::last_for_reason(const std::string& backup) {
  return select(backup, "(trigger LIKE 'alert %' OR trigger LIKE 'event %')", 1).map([](std::vector<Record> records) {
    return records.empty() ? std::nullopt : std::optional(records.front());
  });
}

Result<bool> BackupStore::has_answered(const std::string& backup, const std::string& trigger) {
  Result<Statement> select =
      database_.prepare("SELECT 1 FROM runs WHERE backup=?1 AND trigger=?2 AND succeeded=1 LIMIT 1");
  if (!select) return fail(select.error());
  bool found = false;
  auto read = select->bind(1, backup).bind(2, trigger).rows([&](const Row&) { found = true; });
  if (!read) return fail(read.error());
  return found;
}

Result<std::vector<Record>> BackupStore::recent(const std::string& backup, std::int64_t limit) {
  return select(backup, "1", limit);
}

Result<std::int64_t> BackupStore::begin(const Verification& verification) {
  Result<Statement> insert = database_.prepare(
      "INSERT INTO verifications(backup, kind, trigger, snapshot, started_ms) VALUES(?1, ?2, ?3, ?4, ?5)");
  if (!insert) return fail(insert.error());
  insert->bind(1, verification.backup).bind(2, name_of(verification.kind)).bind(3, verification.trigger);
  insert->bind(4, verification.snapshot).bind(5, core::to_unix_ms(verification.started));
  if (auto done = insert->run(); !done) return fail(done.error());
  const std::int64_t id = database_.last_insert_id();
  Result<Statement> prune = database_.prepare(
      "DELETE FROM verifications WHERE backup=?1 AND kind=?2 AND id NOT IN (SELECT id FROM verifications"
      " WHERE backup=?1 AND kind=?2 ORDER BY id DESC LIMIT ?3)"
      " AND id <> (SELECT coalesce(max(id), 0) FROM verifications WHERE backup=?1 AND kind=?2 AND succeeded=1)");
  if (!prune) return fail(prune.error());
  prune->bind(1, verification.backup).bind(2, name_of(verification.kind)).bind(3, kKeptRuns);
  if (auto done = prune->run(); !done) return fail(done.error());
  return id;
}

Result<void> BackupStore::finish(const Verification& verification) {
  Result<Statement> update = database_.prepare(
      "UPDATE verifications SET finished_ms=?2, succeeded=?3, files=?4, bytes=?5, error=?6 WHERE id=?1");
  if (!update) return fail(update.error());
  update->bind(1, verification.id);
  update->bind(2, core::to_unix_ms(verification.finished.value_or(verification.started)));
  update->bind(3, std::int64_t{verification.succeeded}).bind(4, static_cast<std::int64_t>(verification.files));
  return update->bind(5, static_cast<std::int64_t>(verification.bytes)).bind(6, verification.error).run();
}

Result<std::optional<Verification>> BackupStore::newest(const std::string& backup, VerificationKind kind,
                                                        const std::string& condition) {
  Result<Statement> select = database_.prepare(
      "SELECT id, trigger, snapshot, started_ms, finished_ms, succeeded, files, bytes, error FROM verifications"
      " WHERE backup=?1 AND kind=?2 AND " +
      condition + " ORDER BY id DESC LIMIT 1");
  if (!select) return fail(select.error());
  std::optional<Verification> found;
  auto read = select->bind(1, backup).bind(2, name_of(kind)).rows([&](const Row& row) {
    Verification& each = found.emplace();
    each.id = row.integer(0);
    each.backup = backup;
    each.kind = kind;
    each.trigger = row.text(1);
    each.snapshot = row.text(2);
    each.started = core::from_unix_ms(row.integer(3));
    if (!row.is_null(4)) each.finished = core::from_unix_ms(row.integer(4));
    each.succeeded = row.integer(5) != 0;
    each.files = unsigned_at(row, 6);
    each.bytes = unsigned_at(row, 7);
    each.error = row.text(8);
  });
  if (!read) return fail(read.error());
  return found;
}

Result<std::optional<Verification>> BackupStore::last(const std::string& backup, VerificationKind kind) {
  return newest(backup, kind, "1");
}

Result<std::optional<Verification>> BackupStore::last_success(const std::string& backup, VerificationKind kind) {
  return newest(backup, kind, "succeeded=1");
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
