// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/store/database.h"
#include "core/time/clock.h"

namespace actions::remedy {

// The record of every decision, inside the database that the decisions are written to: never changed, each entry's hash
// over the hash before it, its time and its own text, so that a changed, missing or inserted entry shows. Old entries
// are removed from the front only; the removal is an entry itself, and the chain goes on from the hash that was last.
// docs/formats/remediations.md has the format, and what the chain cannot show: an end that was cut off, unless somebody
// kept a later hash.
//
// Thread safety: confined to its database's thread.
class AuditLog {
 public:
  // What it needs in a database, for one that has none of it yet.
  static const char* const kTables;

  explicit AuditLog(core::store::Database& database) : database_(database) {}

  // REQUIRES: inside a transaction of the database. `entries_max`: more than these are removed, a tenth at a time.
  core::Result<void> append(const std::string& entry, core::WallTime now, std::int64_t entries_max);

  struct Verified {
    std::int64_t entries = 0;
    std::int64_t first = 1;  // sequence of the oldest one that is kept
    std::string head;        // hash of the newest
    bool holds = true;       // the hash that was asked for
  };
  // Recomputes every hash; kInvalid names the first entry that is wrong. `known`: a hash that was noted earlier, which
  // must be in the chain (or be that of the last entry removed); empty: none.
  core::Result<Verified> verify(std::string_view known = {});
  // Oldest first, one line of JSON each: {"sequence":1,"time_ms":...,"previous":"...","hash":"...","entry":{...}}.
  // `run`: only entries that name it; empty: all.
  core::Result<void> export_lines(std::string_view run, const std::function<void(std::string_view line)>& each);

 private:
  core::Result<Verified> verify_snapshot(std::string_view known);
  core::Result<void> insert(const std::string& entry, core::WallTime now);
  core::Result<void> prune(core::WallTime now, std::int64_t entries_max);

  core::store::Database& database_;
};

}  // namespace actions::remedy
