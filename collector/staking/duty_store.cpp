// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/duty_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

namespace collector::staking {
namespace {

using core::fail;
using core::Result;
using core::store::Row;
using nlohmann::json;

constexpr std::array kMigrations = {
    core::store::Migration{"duties", R"sql(
      CREATE TABLE books (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        genesis_ms INTEGER NOT NULL,
        slot_ms INTEGER NOT NULL,
        slots_per_epoch INTEGER NOT NULL,
        next_slot INTEGER NOT NULL,
        next_epoch INTEGER NOT NULL,
        judged_epoch INTEGER,
        blind_epochs TEXT NOT NULL,
        rewarded_epochs TEXT NOT NULL,
        reorgs_after_verdict INTEGER NOT NULL,
        missed_proposal_key TEXT,
        missed_proposal_slot INTEGER);
      CREATE TABLE counts (
        scope TEXT NOT NULL,
        labels TEXT NOT NULL,
        counts TEXT NOT NULL,
        PRIMARY KEY (scope, labels));
      CREATE TABLE validators (
        pubkey TEXT PRIMARY KEY,
        status TEXT NOT NULL,
        consecutive_misses INTEGER NOT NULL,
        slashing_told INTEGER NOT NULL);
    )sql"},
};

constexpr std::string_view kWatched = "watched";
constexpr std::string_view kNetwork = "network";

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t unsigned_number(const Row& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

std::string text_of_counts(const DutyCounts& counts) {
  json object = json::object();
  for (std::size_t i = 0; i < kDutyCounts; ++i) object[std::string(to_string(static_cast<DutyCount>(i)))] = counts[i];
  return object.dump();
}

// A count that the text does not have is one that was not counted then.
DutyCounts counts_of(const std::string& text) {
  DutyCounts counts{};
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return counts;
  for (std::size_t i = 0; i < kDutyCounts; ++i) {
    const auto found = object.find(std::string(to_string(static_cast<DutyCount>(i))));
    if (found != object.end() && found->is_number()) counts[i] = found->get<double>();
  }
  return counts;
}

std::vector<std::uint64_t> epochs_of(const std::string& text) {
  std::vector<std::uint64_t> epochs;
  const json list = json::parse(text, nullptr, false);
  if (!list.is_array()) return epochs;
  for (const json& each : list) {
    if (each.is_number_unsigned()) epochs.push_back(each.get<std::uint64_t>());
  }
  return epochs;
}

ValidatorStatus status_of(const std::string& text) {
  for (std::size_t i = 0; i < kValidatorStatuses; ++i) {
    const auto status = static_cast<ValidatorStatus>(i);
    if (to_string(status) == text) return status;
  }
  return ValidatorStatus::kUnknown;
}

}  // namespace

Result<DutyStore> DutyStore::open(const std::string& path) {
  auto database = core::store::Database::open(path, kMigrations, core::store::Durability::kNormal);
  if (!database) return fail(database.error());
  return DutyStore(std::move(*database));
}

Result<std::optional<DutyBooks>> DutyStore::load() {
  auto statement = database_.prepare(
      "SELECT genesis_ms, slot_ms, slots_per_epoch, next_slot, next_epoch, judged_epoch, blind_epochs, "
      "rewarded_epochs, reorgs_after_verdict, missed_proposal_key, missed_proposal_slot FROM books");
  if (!statement) return fail(statement.error());
  std::optional<DutyBooks> books;
  auto done = statement->rows([&](const Row& row) {
    books.emplace();
    books->genesis_ms = row.integer(0);
    books->slot_ms = row.integer(1);
    books->slots_per_epoch = unsigned_number(row, 2);
    books->next_slot = unsigned_number(row, 3);
    books->next_epoch = unsigned_number(row, 4);
    if (!row.is_null(5)) books->judged_epoch = unsigned_number(row, 5);
    books->blind_epochs = epochs_of(row.text(6));
    books->rewarded_epochs = epochs_of(row.text(7));
    books->reorgs_after_verdict = unsigned_number(row, 8);
    const auto key = row.is_null(9) ? std::nullopt : parse_public_key(row.text(9));
    if (key) books->missed_proposal = {*key, unsigned_number(row, 10)};
  });
  if (!done) return fail(done.error());
  if (!books) return books;
  if (auto counts = load_counts(*books); !counts) return fail(counts.error());
  if (auto validators = load_validators(*books); !validators) return fail(validators.error());
  return books;
}

Result<void> DutyStore::load_counts(DutyBooks& books) {
  auto statement = database_.prepare("SELECT scope, labels, counts FROM counts");
  if (!statement) return fail(statement.error());
  return statement->rows([&](const Row& row) {
    const DutyCounts counts = counts_of(row.text(2));
    if (row.text(0) == kNetwork) {
      books.network = counts;
    } else {
      books.counts[row.text(1)] = counts;
    }
  });
}

Result<void> DutyStore::load_validators(DutyBooks& books) {
  auto statement =
      database_.prepare("SELECT pubkey, status, consecutive_misses, slashing_told FROM validators ORDER BY pubkey");
  if (!statement) return fail(statement.error());
  books.validators.emplace();
  return statement->rows([&](const Row& row) {
    const auto key = parse_public_key(row.text(0));
    if (!key) return;
    books.validators->push_back(
        {*key, status_of(row.text(1)), static_cast<std::uint32_t>(row.integer(2)), row.integer(3) != 0});
  });
}

Result<void> DutyStore::save(DutyBooks books) {
  auto validators = std::exchange(books.validators, std::nullopt);
  if (!validators) validators = std::exchange(unsaved_, std::nullopt);
  auto done = database_.transaction([&]() -> Result<void> {
    if (auto head = save_head(books); !head) return head;
    if (auto counts = save_counts(books); !counts) return counts;
    if (validators && validators != saved_validators_) return save_validators(*validators);
    return {};
  });
  if (!done) {
    unsaved_ = std::move(validators);
    return done;
  }
  if (validators) saved_validators_ = std::move(validators);
  saved_ = std::move(books);
  return {};
}

Result<void> DutyStore::save_head(const DutyBooks& books) {
  auto statement =
      database_.prepare("INSERT OR REPLACE INTO books VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  if (!statement) return fail(statement.error());
  statement->bind(1, books.genesis_ms)
      .bind(2, books.slot_ms)
      .bind(3, number(books.slots_per_epoch))
      .bind(4, number(books.next_slot))
      .bind(5, number(books.next_epoch))
      .bind(7, json(books.blind_epochs).dump())
      .bind(8, json(books.rewarded_epochs).dump())
      .bind(9, number(books.reorgs_after_verdict));
  if (books.judged_epoch) {
    statement->bind(6, number(*books.judged_epoch));
  } else {
    statement->bind_null(6);
  }
  if (books.missed_proposal) {
    statement->bind(10, to_string(books.missed_proposal->first)).bind(11, number(books.missed_proposal->second));
  } else {
    statement->bind_null(10).bind_null(11);
  }
  return statement->run();
}

Result<void> DutyStore::save_counts(const DutyBooks& books) {
  auto write = database_.prepare("INSERT OR REPLACE INTO counts VALUES (?1, ?2, ?3)");
  if (!write) return fail(write.error());
  const auto put = [&](std::string_view scope, const std::string& labels, const DutyCounts& counts) {
    return write->bind(1, scope).bind(2, labels).bind(3, text_of_counts(counts)).run();
  };
  if (!saved_ || saved_->network != books.network) {
    if (auto done = put(kNetwork, "", books.network); !done) return done;
  }
  for (const auto& [labels, counts] : books.counts) {
    if (saved_) {
      const auto before = saved_->counts.find(labels);
      if (before != saved_->counts.end() && before->second == counts) continue;
    }
    if (auto done = put(kWatched, labels, counts); !done) return done;
  }
  // What the keys file has no more goes, or the file would grow with every name that there ever was.
  std::vector<std::string> gone;
  auto list = database_.prepare("SELECT labels FROM counts WHERE scope = 'watched'");
  if (!list) return fail(list.error());
  auto listed = list->rows([&](const Row& row) {
    if (!books.counts.contains(row.text(0))) gone.push_back(row.text(0));
  });
  if (!listed) return listed;
  auto remove = database_.prepare("DELETE FROM counts WHERE scope = 'watched' AND labels = ?1");
  if (!remove) return fail(remove.error());
  for (const std::string& labels : gone) {
    if (auto done = remove->bind(1, labels).run(); !done) return done;
  }
  return {};
}

Result<void> DutyStore::save_validators(const std::vector<DutyBooks::Validator>& validators) {
  static const std::vector<DutyBooks::Validator> kNone;
  const auto& before = saved_validators_ ? *saved_validators_ : kNone;
  if (!saved_validators_) {
    if (auto cleared = database_.execute("DELETE FROM validators"); !cleared) return cleared;
  }
  auto write = database_.prepare("INSERT OR REPLACE INTO validators VALUES (?1, ?2, ?3, ?4)");
  if (!write) return fail(write.error());
  auto remove = database_.prepare("DELETE FROM validators WHERE pubkey = ?1");
  if (!remove) return fail(remove.error());
  // Both are sorted by key.
  auto old = before.begin();
  for (const DutyBooks::Validator& each : validators) {
    for (; old != before.end() && old->key < each.key; ++old) {
      if (auto done = remove->bind(1, to_string(old->key)).run(); !done) return done;
    }
    const bool same = old != before.end() && *old == each;
    if (old != before.end() && old->key == each.key) ++old;
    if (same) continue;
    auto done = write->bind(1, to_string(each.key))
                    .bind(2, to_string(each.status))
                    .bind(3, static_cast<std::int64_t>(each.misses))
                    .bind(4, static_cast<std::int64_t>(each.slashing_told ? 1 : 0))
                    .run();
    if (!done) return done;
  }
  for (; old != before.end(); ++old) {
    if (auto done = remove->bind(1, to_string(old->key)).run(); !done) return done;
  }
  return {};
}

}  // namespace collector::staking
