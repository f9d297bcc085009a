// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/ledger.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace actions::notify {
namespace {

using core::fail;
using core::Result;
using core::store::Database;
using core::store::Row;

constexpr std::array kMigrations = {
    core::store::Migration{"groups, outbox, dead letters", R"sql(
      CREATE TABLE groups (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE outbox (
        id INTEGER PRIMARY KEY,
        integration TEXT NOT NULL,
        key TEXT NOT NULL,
        document TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        next_attempt_ms INTEGER NOT NULL);
      CREATE TABLE dead_letters (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        integration TEXT NOT NULL,
        key TEXT NOT NULL,
        document TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        why TEXT NOT NULL);
    )sql"},
};

}  // namespace

bool Changes::empty() const {
  return groups_saved.empty() && groups_removed.empty() && rows_saved.empty() && rows_removed.empty() &&
         dead_letters.empty();
}

void Changes::save_group(const std::string& id, std::string document) {
  groups_removed.erase(id);
  groups_saved.insert_or_assign(id, std::move(document));
}

void Changes::remove_group(const std::string& id) {
  groups_saved.erase(id);
  groups_removed.insert(id);
}

void Changes::save_row(OutboxRow row) {
  const std::int64_t id = row.id;
  rows_saved.insert_or_assign(id, std::move(row));
}

void Changes::remove_row(std::int64_t id) {
  rows_saved.erase(id);
  rows_removed.insert(id);
}

void Changes::merge(Changes later) {
  for (auto& [id, document] : later.groups_saved) save_group(id, std::move(document));
  for (const std::string& id : later.groups_removed) remove_group(id);
  for (auto& [id, row] : later.rows_saved) save_row(std::move(row));
  for (const std::int64_t id : later.rows_removed) remove_row(id);
  std::move(later.dead_letters.begin(), later.dead_letters.end(), std::back_inserter(dead_letters));
  const auto limit = static_cast<std::size_t>(Ledger::kDeadLettersMax);
  if (dead_letters.size() > limit) {
    dead_letters.erase(dead_letters.begin(), dead_letters.end() - static_cast<std::ptrdiff_t>(limit));
  }
}

Result<Ledger> Ledger::open(const std::string& path, std::int64_t pages_max) {
  auto database = Database::open(path, kMigrations, core::store::Durability::kFull);
  if (!database) return fail(database.error());
  if (auto set = database->execute(fmt::format("PRAGMA max_page_count = {}", pages_max)); !set) {
    return fail(set.error());
  }
  return Ledger(std::move(*database));
}

Result<LedgerContent> Ledger::load() {
  LedgerContent content;
  auto groups = database_.prepare("SELECT document FROM groups ORDER BY id");
  if (!groups) return fail(groups.error());
  if (auto read = groups->rows([&](const Row& row) { content.groups.push_back(row.text(0)); }); !read) {
    return fail(read.error());
  }
  auto rows = database_.prepare(
      "SELECT id, integration, key, document, created_ms, expires_ms, attempts, next_attempt_ms FROM outbox ORDER BY "
      "id");
  if (!rows) return fail(rows.error());
  auto read = rows->rows([&](const Row& row) {
    content.rows.push_back({row.integer(0), row.text(1), row.text(2), row.text(3), row.integer(4), row.integer(5),
                            row.integer(6), row.integer(7)});
  });
  if (!read) return fail(read.error());
  return content;
}

Result<void> Ledger::write(Changes changes) {
  due_.merge(std::move(changes));
  if (due_.empty()) return {};
  auto written = database_.transaction([this]() -> Result<void> {
    if (auto done = write_groups(); !done) return done;
    if (auto done = write_rows(); !done) return done;
    return write_dead_letters();
  });
  if (written) due_ = {};
  return written;
}

Result<void> Ledger::write_groups() {
  auto save = database_.prepare("INSERT OR REPLACE INTO groups (id, document) VALUES (?1, ?2)");
  if (!save) return fail(save.error());
  for (const auto& [id, document] : due_.groups_saved) {
    if (auto done = save->bind(1, std::string_view(id)).bind(2, std::string_view(document)).run(); !done) return done;
  }
  auto remove = database_.prepare("DELETE FROM groups WHERE id = ?1");
  if (!remove) return fail(remove.error());
  for (const std::string& id : due_.groups_removed) {
    if (auto done = remove->bind(1, std::string_view(id)).run(); !done) return done;
  }
  return {};
}

Result<void> Ledger::write_rows() {
  // Removed first: on a full disk that makes room.
  auto remove = database_.prepare("DELETE FROM outbox WHERE id = ?1");
  if (!remove) return fail(remove.error());
  for (const std::int64_t id : due_.rows_removed) {
    if (auto done = remove->bind(1, id).run(); !done) return done;
  }
  auto save = database_.prepare(
      "INSERT OR REPLACE INTO outbox "
      "(id, integration, key, document, created_ms, expires_ms, attempts, next_attempt_ms) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
  if (!save) return fail(save.error());
  for (const auto& [id, row] : due_.rows_saved) {
    save->bind(1, row.id).bind(2, std::string_view(row.integration)).bind(3, std::string_view(row.key));
    save->bind(4, std::string_view(row.document)).bind(5, row.created_ms).bind(6, row.expires_ms);
    save->bind(7, row.attempts).bind(8, row.next_attempt_ms);
    if (auto done = save->run(); !done) return done;
  }
  return {};
}

Result<void> Ledger::write_dead_letters() {
  if (due_.dead_letters.empty()) return {};
  auto save = database_.prepare(
      "INSERT INTO dead_letters (integration, key, document, at_ms, why) VALUES (?1, ?2, ?3, ?4, ?5)");
  if (!save) return fail(save.error());
  for (const DeadLetter& letter : due_.dead_letters) {
    save->bind(1, std::string_view(letter.integration)).bind(2, std::string_view(letter.key));
    save->bind(3, std::string_view(letter.document)).bind(4, letter.at_ms).bind(5, std::string_view(letter.why));
    if (auto done = save->run(); !done) return done;
  }
  auto trim = database_.prepare("DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - ?1");
  if (!trim) return fail(trim.error());
  return trim->bind(1, kDeadLettersMax).run();
}

Result<std::vector<DeadLetter>> Ledger::dead_letters(std::size_t count) {
  auto query =
      database_.prepare("SELECT integration, key, document, at_ms, why FROM dead_letters ORDER BY id DESC LIMIT ?1");
  if (!query) return fail(query.error());
  query->bind(1, static_cast<std::int64_t>(count));
  std::vector<DeadLetter> letters;
  auto read = query->rows(
      [&](const Row& row) { letters.push_back({row.text(0), row.text(1), row.text(2), row.integer(3), row.text(4)}); });
  if (!read) return fail(read.error());
  return letters;
}

}  // namespace actions::notify
