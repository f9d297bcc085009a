// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/audit_log.h"

#include <algorithm>

#include "actions/remedy/run.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::store::Row;
using core::store::Statement;

// `previous` of the first entry.
constexpr std::string_view kGenesis = "0000000000000000000000000000000000000000000000000000000000000000";

std::string hash_of(std::string_view previous, std::int64_t time_ms, std::string_view entry) {
  return sha256_hex(fmt::format("{}\n{}\n{}", previous, time_ms, entry));
}

// The entry that says that all up to `sequence`, whose hash was `hash`, were removed.
std::string prune_entry(std::int64_t sequence, std::string_view hash) {
  return fmt::format(R"({{"hash":"{}","sequence":{},"type":"prune"}})", hash, sequence);
}

bool is_prune_entry(std::string_view entry) { return entry.ends_with(R"("type":"prune"})"); }

// Where the chain begins.
struct Front {
  std::int64_t removed = 0;  // entries up to this sequence are gone
  std::string hash{kGenesis};
};

Result<Front> front_of(core::store::Database& database) {
  Result<Statement> select = database.prepare("SELECT sequence, hash FROM audit_front");
  if (!select) return fail(select.error());
  Front front;
  auto read = select->rows([&](const Row& row) { front = {row.integer(0), row.text(1)}; });
  if (!read) return fail(read.error());
  return front;
}

}  // namespace

const char* const AuditLog::kTables =
    "CREATE TABLE audit(sequence INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, previous TEXT NOT NULL,"
    " hash TEXT NOT NULL, entry TEXT NOT NULL);"
    "CREATE TABLE audit_front(only INTEGER PRIMARY KEY CHECK(only = 1), sequence INTEGER NOT NULL,"
    " hash TEXT NOT NULL);"
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is not changed'); END;"
    "CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit"
    " WHEN OLD.sequence > (SELECT coalesce(max(sequence), 0) FROM audit_front)"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is not cut'); END";

Result<void> AuditLog::insert(const std::string& entry, core::WallTime now) {
  std::int64_t sequence = 0;
  std::string previous;
  Result<Statement> last = database_.prepare("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
  if (!last) return fail(last.error());
  auto read = last->rows([&](const Row& row) {
    sequence = row.integer(0);
    previous = row.text(1);
  });
  if (!read) return read;
  if (sequence == 0) previous = kGenesis;
  Result<Statement> insert =
      database_.prepare("INSERT INTO audit(sequence, time_ms, previous, hash, entry) VALUES(?1, ?2, ?3, ?4, ?5)");
  if (!insert) return fail(insert.error());
  const std::int64_t time_ms = core::to_unix_ms(now);
  insert->bind(1, sequence + 1).bind(2, time_ms).bind(3, previous);
  return insert->bind(4, hash_of(previous, time_ms, entry)).bind(5, entry).run();
}

Result<void> AuditLog::append(const std::string& entry, core::WallTime now, std::int64_t entries_max) {
  if (auto inserted = insert(entry, now); !inserted) return inserted;
  return prune(now, entries_max);
}

Result<void> AuditLog::prune(core::WallTime now, std::int64_t entries_max) {
  std::int64_t first = 0;
  std::int64_t last = 0;
  Result<Statement> ends = database_.prepare("SELECT min(sequence), max(sequence) FROM audit");
  if (!ends) return fail(ends.error());
  auto read = ends->rows([&](const Row& row) {
    first = row.integer(0);
    last = row.integer(1);
  });
  if (!read) return read;
  if (last - first + 1 <= entries_max) return {};
  const std::int64_t removed = first + std::max<std::int64_t>(entries_max / 10, 1) - 1;
  std::string hash;
  Result<Statement> select = database_.prepare("SELECT hash FROM audit WHERE sequence=?1");
  if (!select) return fail(select.error());
  if (auto found = select->bind(1, removed).rows([&](const Row& row) { hash = row.text(0); }); !found) return found;
  if (auto noted = insert(prune_entry(removed, hash), now); !noted) return noted;
  Result<Statement> front =
      database_.prepare("INSERT OR REPLACE INTO audit_front(only, sequence, hash) VALUES(1, ?1, ?2)");
  if (!front) return fail(front.error());
  if (auto moved = front->bind(1, removed).bind(2, hash).run(); !moved) return moved;
  Result<Statement> cut = database_.prepare("DELETE FROM audit WHERE sequence <= ?1");
  if (!cut) return fail(cut.error());
  return cut->bind(1, removed).run();
}

// In one read transaction: an agent that prunes meanwhile must not look like somebody who cut the log.
Result<AuditLog::Verified> AuditLog::verify(std::string_view known) {
  if (auto begun = database_.execute("BEGIN"); !begun) return fail(begun.error());
  Result<Verified> verified = verify_snapshot(known);
  if (auto ended = database_.execute("COMMIT"); !ended && verified) return fail(ended.error());
  return verified;
}

Result<AuditLog::Verified> AuditLog::verify_snapshot(std::string_view known) {
  Result<Front> front = front_of(database_);
  if (!front) return fail(front.error());
  Result<Statement> select =
      database_.prepare("SELECT sequence, time_ms, previous, hash, entry FROM audit ORDER BY sequence");
  if (!select) return fail(select.error());
  Verified verified{0, front->removed + 1, front->hash, known.empty() || known == front->hash};
  std::string last_prune;
  Result<void> intact;
  auto read = select->rows([&](const Row& row) {
    if (!intact) return;
    const std::int64_t sequence = front->removed + ++verified.entries;
    const std::string hash = hash_of(verified.head, row.integer(1), row.text(4));
    if (row.integer(0) != sequence || row.text(2) != verified.head || row.text(3) != hash) {
      intact = fail(Errc::kInvalid, "the audit log is broken at entry {}", sequence);
    }
    verified.head = hash;
    verified.holds = verified.holds || hash == known;
    if (is_prune_entry(row.text(4))) last_prune = row.text(4);
  });
  if (!read) return fail(read.error());
  if (!intact) return fail(intact.error());
  // Whoever cuts the front off must have said so inside the chain.
  const std::string expected = front->removed == 0 ? "" : prune_entry(front->removed, front->hash);
  if (last_prune != expected) {
    return fail(Errc::kInvalid, "the audit log is broken: its entries up to {} are gone without a word in it",
                front->removed);
  }
  return verified;
}

Result<void> AuditLog::export_lines(std::string_view run, const std::function<void(std::string_view line)>& each) {
  Result<Statement> select = database_.prepare(
      "SELECT sequence, time_ms, previous, hash, entry FROM audit WHERE ?1='' OR instr(entry, ?1) > 0 ORDER BY "
      "sequence");
  if (!select) return fail(select.error());
  return select->bind(1, run).rows([&](const Row& row) {
    each(fmt::format(R"({{"sequence":{},"time_ms":{},"previous":"{}","hash":"{}","entry":{}}})", row.integer(0),
                     row.integer(1), row.text(2), row.text(3), row.text(4)));
  });
}

}  // namespace actions::remedy
