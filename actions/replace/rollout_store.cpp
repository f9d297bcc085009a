// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/rollout_store.h"

#include <utility>

namespace actions::replace {

using core::fail;
using core::Result;

namespace {

constexpr core::store::Migration kMigrations[] = {
    {"rolling updates", "CREATE TABLE rollouts (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;"}};

}  // namespace

Result<SqliteRolloutStore> SqliteRolloutStore::open(const std::string& path) {
  auto database = core::store::Database::open(path, kMigrations, core::store::Durability::kFull);
  if (!database) return fail(database.error());
  return SqliteRolloutStore(std::move(*database));
}

Result<std::vector<Rollout>> SqliteRolloutStore::load() {
  auto statement = database_.prepare("SELECT body FROM rollouts ORDER BY name");
  if (!statement) return fail(statement.error());
  std::vector<Rollout> all;
  Result<void> read;
  auto done = statement->rows([&](const core::store::Row& row) {
    Result<Rollout> rollout = rollout_from_json_text(row.text(0));
    if (rollout) {
      all.push_back(std::move(*rollout));
    } else {
      read = fail(rollout.error());
    }
  });
  if (!done) return fail(done.error());
  if (!read) return fail(read.error());
  return all;
}

Result<void> SqliteRolloutStore::save(const Rollout& rollout) {
  auto statement = database_.prepare("INSERT OR REPLACE INTO rollouts (name, body) VALUES (?1, ?2)");
  if (!statement) return fail(statement.error());
  const std::string body = to_json_text(rollout);
  return statement->bind(1, std::string_view(rollout.group)).bind(2, std::string_view(body)).run();
}

}  // namespace actions::replace
