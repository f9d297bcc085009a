// SPDX-License-Identifier: Apache-2.0
// The tables of Lighthouse's slashing_protection.sqlite: validators(id, public_key), where the key is 0x and hex digits
// as text, signed_blocks(validator_id, slot, signing_root) and signed_attestations(validator_id, source_epoch,
// target_epoch, signing_root), where the root is 32 bytes, all zero for one that is not known.
#include <string>
#include <utility>

#include "actions/backup/interchange.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::store::Database;
using core::store::Row;
using core::store::Statement;

constexpr std::string_view kNoRoot = "0000000000000000000000000000000000000000000000000000000000000000";

// Numbers are signed in SQLite, and any column may hold anything.
Result<std::uint64_t> number_at(const Row& row, int column, const char* name) {
  const std::string text = row.text(column);
  const std::int64_t value = row.integer(column);
  if (row.is_null(column) || value < 0 || std::to_string(value) != text) {
    return fail(Errc::kInvalid, "slashing protection: {} \"{}\" is not a slot or an epoch", name, text.substr(0, 40));
  }
  return static_cast<std::uint64_t>(value);
}

// `column` holds hex(signing_root).
Result<std::string> root_at(const Row& row, int column) {
  std::string text = row.text(column);
  if (text == kNoRoot || text.empty()) return std::string();
  text = "0x" + text;
  if (!is_hex(text, 32)) return fail(Errc::kInvalid, "slashing protection: a signing root is not 32 bytes");
  for (char& c : text) c = c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c;
  return text;
}

// Runs `sql` and hands each row to `each` until that fails.
template <class Each>
Result<void> for_each_row(Database& database, std::string_view sql, Each each) {
  Result<Statement> select = database.prepare(sql);
  if (!select) return fail(select.error());
  Result<void> outcome;
  const auto read = select->rows([&](const Row& row) {
    if (outcome) outcome = each(row);
  });
  if (!read) return fail(read.error());
  return outcome;
}

using KeysById = std::map<std::int64_t, std::string>;

Result<KeysById> read_keys(Database& database, Interchange& into) {
  KeysById keys;
  // Old databases hold the key's bytes.
  const std::string_view sql =
      "SELECT id, CASE WHEN length(public_key)=48 THEN '0x' || hex(public_key) ELSE CAST(public_key AS TEXT) END"
      " FROM validators";
  auto read = for_each_row(database, sql, [&](const Row& row) -> Result<void> {
    std::string key = row.text(1);
    if (!is_hex(key, 48)) {
      return fail(Errc::kInvalid, "slashing protection: public key \"{}\" is not 48 bytes", key.substr(0, 100));
    }
    for (char& c : key) c = c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c;
    into.keys[key];
    keys[row.integer(0)] = std::move(key);
    return {};
  });
  if (!read) return fail(read.error());
  return keys;
}

Result<SigningHistory*> history_of(const Row& row, const KeysById& keys, Interchange& into) {
  const auto found = keys.find(row.integer(0));
  if (found == keys.end()) {
    return fail(Errc::kInvalid, "slashing protection: validator_id {} has signed, but has no key", row.integer(0));
  }
  return &into.keys[found->second];
}

}  // namespace

Result<bool> is_slashing_protection(Database& database) {
  std::int64_t found = 0;
  auto read = for_each_row(database,
                           "SELECT count(*) FROM sqlite_schema WHERE type='table' AND name IN"
                           " ('validators', 'signed_blocks', 'signed_attestations')",
                           [&](const Row& row) -> Result<void> {
                             found = row.integer(0);
                             return {};
                           });
  if (!read) return fail(read.error());
  return found == 3;
}

Result<Interchange> read_slashing_protection(Database& database, bool minify) {
  Interchange interchange;
  const Result<KeysById> keys = read_keys(database, interchange);
  if (!keys) return fail(keys.error());
  const std::string_view blocks =
      minify ? "SELECT validator_id, max(slot), '' FROM signed_blocks GROUP BY validator_id"
             : "SELECT validator_id, slot, hex(signing_root) FROM signed_blocks ORDER BY validator_id, slot";
  auto read = for_each_row(database, blocks, [&](const Row& row) -> Result<void> {
    const Result<SigningHistory*> history = history_of(row, *keys, interchange);
    if (!history) return fail(history.error());
    const Result<std::uint64_t> slot = number_at(row, 1, "slot");
    if (!slot) return fail(slot.error());
    Result<std::string> root = root_at(row, 2);
    if (!root) return fail(root.error());
    (*history)->blocks.push_back({*slot, std::move(*root)});
    return {};
  });
  if (!read) return fail(read.error());
  const std::string_view attestations =
      minify ? "SELECT validator_id, max(source_epoch), max(target_epoch), '' FROM signed_attestations"
               " GROUP BY validator_id"
             : "SELECT validator_id, source_epoch, target_epoch, hex(signing_root) FROM signed_attestations"
               " ORDER BY validator_id, target_epoch";
  read = for_each_row(database, attestations, [&](const Row& row) -> Result<void> {
    const Result<SigningHistory*> history = history_of(row, *keys, interchange);
    if (!history) return fail(history.error());
    const Result<std::uint64_t> source = number_at(row, 1, "source_epoch");
    if (!source) return fail(source.error());
    const Result<std::uint64_t> target = number_at(row, 2, "target_epoch");
    if (!target) return fail(target.error());
    Result<std::string> root = root_at(row, 3);
    if (!root) return fail(root.error());
    (*history)->attestations.push_back({*source, *target, std::move(*root)});
    return {};
  });
  if (!read) return fail(read.error());
  return interchange;
}

}  // namespace actions::backup
