// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "core/result.h"
#include "core/time/clock.h"

namespace core::store {

struct LiveCopyOptions {
  Duration patience = std::chrono::seconds(30);  // for a lock, or for a pause between two writes
  std::uint64_t bytes_max = std::uint64_t{16} << 30;
};

struct LiveCopy {
  std::uint64_t bytes = 0;
  // Its program keeps the file locked for as long as it runs (locking_mode=EXCLUSIVE), so that SQLite lets nobody else
  // read it: the bytes were copied between two of its writes.
  bool between_writes = false;
};

// Copies the SQLite database `from`, which another program may be writing, into the new file `to` (mode 0600): one
// state of it, as some transaction left it, in one file without a journal. The other program is held up for no longer
// than SQLite needs to read a few megabytes, unless it writes faster than those can be read.
//
// Errors: kNotFound; kUnavailable: locked within a transaction for longer than the patience; kInvalid: not a database;
// kCancelled; kLimitExceeded. What there is of `to` then is worth nothing.
//
// Thread safety: any thread.
Result<LiveCopy> copy_live(const std::string& from, const std::string& to, const Clock& clock,
                           const LiveCopyOptions& options, std::stop_token stop);

// PRAGMA integrity_check of a file that nobody writes: kInvalid with what it found first.
Result<void> check_integrity(const std::string& path);

}  // namespace core::store
