// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/journal.h"

#include <openssl/evp.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/check.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;
using core::store::Database;
using core::store::Row;
using core::store::Statement;

constexpr std::array<core::store::Migration, 1> kSchema = {{
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
}};

// Finished runs that are kept; the audit log keeps all.
constexpr std::int64_t kKeptRuns = 10'000;

// `previous` of the first entry.
constexpr std::string_view kGenesis = "0000000000000000000000000000000000000000000000000000000000000000";

std::string hash_of(std::string_view previous, std::int64_t time_ms, std::string_view entry) {
  return sha256_hex(fmt::format("{}\n{}\n{}", previous, time_ms, entry));
}

std::string pause_entry(const RecordPause& record) {
  nlohmann::json entry = {{"type", record.pause ? "pause" : "resume"}, {"who", record.who}};
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

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  CHECK(done == 1 && size == 32, "SHA-256 of OpenSSL does not work");
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Result<SqliteJournal> SqliteJournal::open(const std::string& path) {
  Result<Database> database = Database::open(path, kSchema, core::store::Durability::kFull);
  if (!database) return fail(database.error());
  Result<Statement> prune = database->prepare(
      "DELETE FROM runs WHERE active=0 AND id NOT IN"
      " (SELECT id FROM runs WHERE active=0 ORDER BY created_ms DESC LIMIT ?1)");
  if (!prune) return fail(prune.error());
  if (auto done = prune->bind(1, kKeptRuns).run(); !done) return fail(done.error());
  return SqliteJournal(std::move(*database));
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
  Result<Statement> starts =
      database_.prepare("SELECT remediation, id, started_ms FROM runs WHERE started_ms >= ?1 ORDER BY started_ms");
  if (!starts) return fail(starts.error());
  auto read = starts->bind(1, core::to_unix_ms(starts_since)).rows([&](const Row& row) {
    recollection.starts.push_back({row.text(0), row.text(1), core::from_unix_ms(row.integer(2)), std::nullopt});
  });
  if (!read) return fail(read.error());
  Result<Statement> pause = database_.prepare("SELECT reason, who, since_ms FROM pause");
  if (!pause) return fail(pause.error());
  read = pause->rows([&](const Row& row) {
    recollection.pause = Pause{row.text(0), row.text(1), core::from_unix_ms(row.integer(2))};
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
  return database_.transaction([&]() -> Result<void> {
    for (const Effect& effect : effects) {
      if (const auto* record = std::get_if<RecordRun>(&effect)) {
        if (auto done = write_run(*record->run); !done) return done;
        const std::string entry = fmt::format(R"({{"run":{},"type":"run"}})", to_json_text(*record->run));
        if (auto done = append_audit(entry, now); !done) return done;
      } else if (const auto* pause = std::get_if<RecordPause>(&effect)) {
        if (auto done = write_pause(pause->pause); !done) return done;
        if (auto done = append_audit(pause_entry(*pause), now); !done) return done;
      }
    }
    return {};
  });
}

Result<void> SqliteJournal::probe(WallTime now) {
  Result<Statement> write = database_.prepare("INSERT OR REPLACE INTO probe(only, time_ms) VALUES(1, ?1)");
  if (!write) return fail(write.error());
  return write->bind(1, core::to_unix_ms(now)).run();
}

Result<void> SqliteJournal::write_run(const Run& run) {
  Result<Statement> upsert = database_.prepare(
      "INSERT INTO runs(id, remediation, active, created_ms, started_ms, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
      " ON CONFLICT(id) DO UPDATE SET active=?3, started_ms=?5, body=?6");
  if (!upsert) return fail(upsert.error());
  upsert->bind(1, run.id).bind(2, run.remediation).bind(3, std::int64_t{!run.final});
  upsert->bind(4, core::to_unix_ms(run.created)).bind(6, to_json_text(run));
  if (run.started) {
    upsert->bind(5, core::to_unix_ms(*run.started));
  } else {
    upsert->bind_null(5);
  }
  return upsert->run();
}

Result<void> SqliteJournal::write_pause(const std::optional<Pause>& pause) {
  if (!pause) return database_.execute("DELETE FROM pause");
  Result<Statement> insert =
      database_.prepare("INSERT OR REPLACE INTO pause(only, reason, who, since_ms) VALUES(1, ?1, ?2, ?3)");
  if (!insert) return fail(insert.error());
  return insert->bind(1, pause->reason).bind(2, pause->who).bind(3, core::to_unix_ms(pause->since)).run();
}

Result<void> SqliteJournal::append_audit(const std::string& entry, WallTime now) {
  std::string previous(kGenesis);
  Result<Statement> last = database_.prepare("SELECT hash FROM audit ORDER BY sequence DESC LIMIT 1");
  if (!last) return fail(last.error());
  if (auto read = last->rows([&](const Row& row) { previous = row.text(0); }); !read) return read;
  Result<Statement> insert = database_.prepare(
      "INSERT INTO audit(sequence, time_ms, previous, hash, entry)"
      " VALUES((SELECT coalesce(max(sequence), 0) + 1 FROM audit), ?1, ?2, ?3, ?4)");
  if (!insert) return fail(insert.error());
  const std::int64_t time_ms = core::to_unix_ms(now);
  return insert->bind(1, time_ms).bind(2, previous).bind(3, hash_of(previous, time_ms, entry)).bind(4, entry).run();
}

Result<SqliteJournal::Verified> SqliteJournal::verify() {
  Result<Statement> select =
      database_.prepare("SELECT sequence, time_ms, previous, hash, entry FROM audit ORDER BY sequence");
  if (!select) return fail(select.error());
  Verified verified{0, std::string(kGenesis)};
  Result<void> intact;
  auto read = select->rows([&](const Row& row) {
    if (!intact) return;
    ++verified.entries;
    const std::string hash = hash_of(verified.head, row.integer(1), row.text(4));
    if (row.integer(0) != verified.entries || row.text(2) != verified.head || row.text(3) != hash) {
      intact = fail(Errc::kInvalid, "the audit log is broken at entry {}", verified.entries);
    }
    verified.head = hash;
  });
  if (!read) return fail(read.error());
  if (!intact) return fail(intact.error());
  return verified;
}

Result<void> SqliteJournal::export_lines(const std::function<void(std::string_view line)>& each) {
  Result<Statement> select =
      database_.prepare("SELECT sequence, time_ms, previous, hash, entry FROM audit ORDER BY sequence");
  if (!select) return fail(select.error());
  return select->rows([&](const Row& row) {
    each(fmt::format(R"({{"sequence":{},"time_ms":{},"previous":"{}","hash":"{}","entry":{}}})", row.integer(0),
                     row.integer(1), row.text(2), row.text(3), row.text(4)));
  });
}

}  // namespace actions::remedy
