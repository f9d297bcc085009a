// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/ring/ring.h"

namespace core::ring {

inline constexpr std::uint64_t kLeastMappedRingBytes = 4ULL << 20;
// Bytes of the file for each series, where the number of series is not given.
inline constexpr std::uint64_t kBytesPerSeriesDefault = 512;

struct MappedRingOptions {
  std::string path;
  // The file's size, whatever is in it: tables, labels and samples.
  std::uint64_t size_bytes = 512ULL << 20;
  std::uint64_t max_series = 0;  // 0: one for each kBytesPerSeriesDefault
  bool lock_memory = false;      // mlock: never paged out, and never late for it
  bool huge_pages = false;       // ask for them; the kernel may not have any for files
  // What tells one boot of the machine from the next; empty: the kernel's (/proc/sys/kernel/random/boot_id).
  std::string boot_id;
};

// How the ring that was found in the file had been left.
enum class FoundState {
  kNew,       // there was none
  kClean,     // closed in order
  kKilled,    // its process ended in the middle of something; nothing published is lost
  kRebooted,  // the machine was started anew since: everything was checked
  kMigrated,  // of another size: what fits was taken over, the newest first
};

std::string_view to_string(FoundState state);

struct RingRecovery {
  FoundState found = FoundState::kNew;
  std::uint64_t series = 0;          // taken over
  std::uint64_t series_dropped = 0;  // their bytes were bad
  std::uint64_t chunks_dropped = 0;  // likewise
  std::uint64_t times_dropped = 0;   // pages of scrape times, likewise
};

// A ring in a file that is mapped into memory: fixed in size, and what was published survives the process. The format
// is docs/formats/ring.md.
//
// Thread safety: any thread.
class MappedRing : public Ring {
 public:
  virtual const RingRecovery& recovery() const = 0;
};

// Opens the ring in the file, or makes one. The disk must have room for all of it (kLimitExceeded); a file that is not
// a ring, or of a version this program does not know, is refused and left as it is (kInvalid); one that is open
// elsewhere is refused (kUnavailable).
Result<std::unique_ptr<MappedRing>> open_mapped_ring(const MappedRingOptions& options);

// What a ring takes at most, in its file and in ordinary memory together.
std::uint64_t mapped_ring_bytes_max(const MappedRingOptions& options);

}  // namespace core::ring
