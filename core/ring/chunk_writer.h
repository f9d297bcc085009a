// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "core/ring/chunk_decode.h"
#include "core/ring/chunk_format.h"

namespace core::ring {

// What has to be known of an open chunk to write on.
struct ChunkPen {
  std::int64_t m = 0;
  std::int32_t ulps = 0;
  std::uint32_t index = 0;     // the scrape that was coded last; the first absent one, if it is absent
  std::uint32_t data = 0;      // where the next data go
  std::uint32_t controls = 0;  // how many there are
  bool absent = false;
  bool aside = false;  // the last value stands in the chunk as it is: m and ulps are of one before it
};

// m and ulps of a pen whose last value was `bits`, and is not aside.
void take_value(ChunkPen& pen, Domain domain, std::uint64_t bits);

// Where a series was before the chunk that begins its time on another timeline.
struct LeftTimeline {
  std::uint16_t timeline = kNoTimeline;
  std::uint32_t index = 0;  // the first scrape there that is not the series' any more
};

struct ChunkOpening {
  ChunkLink self;
  PreviousChunk previous;
  ChunkParams params;
  std::uint32_t owner_check = 0;  // of the series' labels
  std::uint32_t index = 0;
  std::uint64_t bits = 0;
  std::optional<LeftTimeline> left;
  std::optional<std::int64_t> time_ms;  // makes it a timed chunk
};

// The seed of a chunk's running check: it stands for whose chunk this is and where it lies.
std::uint32_t chunk_seed(std::uint32_t owner_check, std::uint32_t slot, const SlotImage& image);

// Fills the slot anew with a chunk of one sample. REQUIRES: params.domain holds the value.
void open_chunk(Slot& slot, const ChunkOpening& opening, ChunkPen& pen);

// Adds the value of scrape `index`, with a run of unchanged samples before it if scrapes lie between; `previous` are
// the bits of the sample before. False, and nothing is written, if there is no room. REQUIRES: index > pen.index; >= if
// absent. The value differs from the one before, or the series was absent.
bool append_value(Slot& slot, ChunkPen& pen, std::uint32_t index, std::uint64_t bits, std::uint64_t previous);
// The same for a value of which append_near() has said that it is not near.
bool append_other(Slot& slot, ChunkPen& pen, std::uint32_t index, std::uint64_t bits, std::uint64_t previous);
// What became of a value that may be near the one before.
enum class Near {
  kWritten,
  kFull,   // it is near, but the slot has no room for it: nothing was done, and append_value() would do nothing either
  kOther,  // it is not: nothing was done
};
// What most changes are: a few scrapes at most after the last one, in the chunk's domain, and near. The same as
// append_value(), without going through its parts, and without a pen: what `data` and `last_index`, the members of one,
// do not say is found in the slot and in `previous`. REQUIRES: neither absent nor aside.
Near append_near(Slot& slot, std::uint32_t& data, std::uint32_t last_index, std::uint32_t index, std::uint64_t bits,
                 std::uint64_t previous);
// From scrape `index` on there is no sample. REQUIRES: as above, and not absent already.
bool append_absent(Slot& slot, ChunkPen& pen, std::uint32_t index);

// A timed chunk has no runs: each sample stands for itself.
struct TimedStep {
  std::int64_t time_ms = 0;  // of the sample before
  std::int64_t step_ms = 0;  // between the two before, 0 for the first
};
// REQUIRES: time_ms > before.time_ms.
bool append_timed(Slot& slot, ChunkPen& pen, const TimedStep& before, std::int64_t time_ms, std::uint64_t bits,
                  std::uint64_t previous);

// A copy that is whole if the slot's generation is still `generation`, as far as `mask` goes, afterwards; none if it
// was recycled.
std::optional<SlotImage> copy_slot(const Slot& slot, std::uint16_t generation, std::uint16_t mask = 0xffff);
// The same into `image`, whose last word is left as it is; whether it is whole.
bool copy_slot_into(SlotImage& image, const Slot& slot, std::uint16_t generation, std::uint16_t mask = 0xffff);
inline std::optional<SlotImage> copy_previous(const Slot& slot, const PreviousChunk& previous) {
  return copy_slot(slot, previous.link.generation, kLinkGenerations);
}

}  // namespace core::ring
