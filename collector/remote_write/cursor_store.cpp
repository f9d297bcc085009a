// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/cursor_store.h"

#include <array>
#include <utility>

namespace collector::remote_write {
namespace {

using core::fail;
using core::Result;
using core::store::Row;

constexpr std::array kMigrations = {
    core::store::Migration{"cursors", R"sql(
      CREATE TABLE cursors (
        remote TEXT PRIMARY KEY,
        start_ms INTEGER NOT NULL,
        covered_ms INTEGER NOT NULL,
        end_ms INTEGER NOT NULL,
        shards INTEGER NOT NULL,
        series BLOB NOT NULL);
    )sql"},
};

}  // namespace

Result<CursorStore> CursorStore::open(const std::string& path) {
  auto database = core::store::Database::open(path, kMigrations, core::store::Durability::kNormal);
  if (!database) return fail(database.error());
  return CursorStore(std::move(*database));
}

Result<std::map<std::string, SavedCursor>> CursorStore::load() {
  auto statement = database_.prepare("SELECT remote, start_ms, covered_ms, end_ms, shards, series FROM cursors");
  if (!statement) return fail(statement.error());
  std::map<std::string, SavedCursor> cursors;
  auto done = statement->rows([&](const Row& row) {
    cursors[row.text(0)] = {.start_ms = row.integer(1),
                            .covered_ms = row.integer(2),
                            .end_ms = row.integer(3),
                            .shards = static_cast<std::uint64_t>(row.integer(4)),
                            .series = row.blob(5)};
  });
  if (!done) return fail(done.error());
  return cursors;
}

Result<void> CursorStore::save(const std::string& remote, const SavedCursor& cursor) {
  auto statement = database_.prepare("INSERT OR REPLACE INTO cursors VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  if (!statement) return fail(statement.error());
  return statement->bind(1, remote)
      .bind(2, cursor.start_ms)
      .bind(3, cursor.covered_ms)
      .bind(4, cursor.end_ms)
      .bind(5, static_cast<std::int64_t>(cursor.shards))
      .bind_blob(6, cursor.series)
      .run();
}

Result<void> CursorStore::keep_only(const std::set<std::string>& remotes) {
  const auto known = load();
  if (!known) return fail(known.error());
  for (const auto& [name, cursor] : *known) {
    if (remotes.contains(name)) continue;
    auto statement = database_.prepare("DELETE FROM cursors WHERE remote = ?1");
    if (!statement) return fail(statement.error());
    if (auto done = statement->bind(1, name).run(); !done) return done;
  }
  return {};
}

}  // namespace collector::remote_write
