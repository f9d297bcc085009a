// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "core/result.h"
#include "core/store/database.h"

namespace collector::remote_write {

// Where a remote stood when a pass over the ring began.
struct SavedCursor {
  std::int64_t start_ms = 0;    // of a series that is not in `series`, samples after this are to be sent
  std::int64_t covered_ms = 0;  // all samples up to here that were there had been sent
  std::int64_t end_ms = 0;      // the pass goes up to here; 0: it was over
  std::uint64_t shards = 1;     // of the pass
  std::string series;           // SeriesCursors::save()
  bool operator==(const SavedCursor&) const = default;
};

// The cursors of all remotes, by name, in SQLite (docs/formats/remote_write.md). They survive a killed process; after a
// power failure they may be a little older than the ring, and samples are sent again.
//
// Thread safety: confined to one thread.
class CursorStore {
 public:
  static core::Result<CursorStore> open(const std::string& path);

  core::Result<std::map<std::string, SavedCursor>> load();
  core::Result<void> save(const std::string& remote, const SavedCursor& cursor);
  // Forgets the remotes that are not among these.
  core::Result<void> keep_only(const std::set<std::string>& remotes);

 private:
  explicit CursorStore(core::store::Database database) : database_(std::move(database)) {}
  core::store::Database database_;
};

}  // namespace collector::remote_write
