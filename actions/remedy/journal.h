// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "actions/remedy/decision.h"
#include "core/result.h"
#include "core/store/database.h"

namespace actions::remedy {

// What a process starts from.
struct Recollection {
  std::vector<RunPtr> runs;
  std::vector<Start> starts;  // oldest first
  std::optional<Pause> pause;
};

// Where decisions are written before they take effect. What commit() has not confirmed has not been decided.
//
// Thread safety: confined to one thread.
class Journal {
 public:
  virtual ~Journal() = default;
  // All unfinished runs, the newest `history` finished ones, and the starts since `starts_since`.
  virtual core::Result<Recollection> recall(std::size_t history, core::WallTime starts_since) = 0;
  virtual core::Result<std::optional<Run>> find(const std::string& run) = 0;
  // All records of one decision, or none.
  virtual core::Result<void> commit(std::span<const Effect> effects, core::WallTime now) = 0;
  // Whether commit() would work now: writes something that means nothing.
  virtual core::Result<void> probe(core::WallTime now) = 0;
};

// The journal in SQLite, synchronous=FULL, with an audit log beside it: every record, never changed, each entry's hash
// over the hash before it and its own text, so that a changed, missing or inserted entry shows.
class SqliteJournal final : public Journal {
 public:
  // ":memory:" for tests.
  static core::Result<SqliteJournal> open(const std::string& path);

  core::Result<Recollection> recall(std::size_t history, core::WallTime starts_since) override;
  core::Result<std::optional<Run>> find(const std::string& run) override;
  core::Result<void> commit(std::span<const Effect> effects, core::WallTime now) override;
  core::Result<void> probe(core::WallTime now) override;

  // Recomputes every hash. The number of entries and the last hash; kInvalid names the first entry that is wrong.
  struct Verified {
    std::int64_t entries = 0;
    std::string head;
  };
  core::Result<Verified> verify();
  // Oldest first, one line of JSON each: {"sequence":1,"previous":"...","hash":"...","entry":{...}}.
  core::Result<void> export_lines(const std::function<void(std::string_view line)>& each);

 private:
  explicit SqliteJournal(core::store::Database database) : database_(std::move(database)) {}

  core::Result<void> write_run(const Run& run);
  core::Result<void> write_pause(const std::optional<Pause>& pause);
  core::Result<void> append_audit(const std::string& entry, core::WallTime now);

  core::store::Database database_;
};

// The one JSON form of a run: in the journal, the audit log and the API. Times are RFC 3339.
std::string to_json_text(const Run& run);
core::Result<Run> run_from_json_text(std::string_view text);

// Lower-case hexadecimal SHA-256.
std::string sha256_hex(std::string_view bytes);

}  // namespace actions::remedy
