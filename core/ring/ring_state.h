// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/ring/chunk_writer.h"
#include "core/ring/hot_pages.h"
#include "core/ring/label_store.h"
#include "core/ring/mapped_file.h"
#include "core/ring/mapped_ring.h"
#include "core/ring/ring_layout.h"
#include "core/ring/series_index.h"
#include "core/ring/timelines.h"

namespace core::ring {

inline constexpr std::size_t kAppendersMax = 64;
// Pen::owner: the timeline's number and one more.
inline constexpr std::uint16_t kNoOwner = 0;
// The series was given up: nobody may append to it any more.
inline constexpr std::uint16_t kErasedOwner = 0xffff;
inline std::uint16_t owner_of(TimelineNumber timeline) { return static_cast<std::uint16_t>(timeline + 1); }

// Pen::mode.
enum PenMode : std::uint16_t {
  kUnread = 0,       // nothing is known yet: the entry and its chunk have to be looked at
  kFresh = 1,        // no sample yet
  kBare = 2,         // one run so far, all of it in the entry
  kChunk = 3,        // a chunk is open
  kDetached = 4,     // the next sample opens a chunk on another timeline
  kTimedChunk = 5,   // a timed chunk is open, or will be
  kBareToTimed = 6,  // kBare and kChunk with samples waiting that have times of their own
  kChunkToTimed = 7,
};

// What the writer of a series keeps in ordinary memory: a quarter of a cache line, so that a sample which changes
// nothing touches no other. The owner's, but for `owner`. All zeros is what it begins with. What else there is to know
// of an open chunk stands in the chunk and in the series' entry.
struct Pen {
  std::uint64_t last = 0;  // bits of the newest sample
  // Whose it is: the timeline that its samples are appended on. seq_cst where it is taken away and where its writer
  // looks, with Seat::round: see MappedAppender::begin().
  std::atomic<std::uint16_t> owner{kNoOwner};
  std::uint16_t generation = 0;  // the lower half of the series' generation
  // The lower half of the newest scrape with a sample. While the series is present that is the timeline's newest scrape
  // or the open one; otherwise it means nothing.
  std::uint16_t touched = 0;
  std::uint16_t data : 10 = 0;  // where the next data of the open chunk go, from the beginning of the stream
  std::uint16_t mode : 3 = kUnread;
  std::uint16_t absent : 1 = 0;
  std::uint16_t staged : 1 = 0;  // was not present, and has a sample in the open scrape
  std::uint16_t aside : 1 = 0;   // ChunkPen::aside

  // One run or chunk goes on, and the timeline's newest scrape has a sample.
  bool is_present() const { return absent == 0 && (mode == kBare || mode == kChunk); }
  // Nothing is known of the series any more.
  void forget() {
    touched = 0;
    data = mode = absent = staged = aside = 0;
  }
};
static_assert(sizeof(Pen) == 16 && kSlotBits - kStreamBegin < 1U << 10);

// An appender's place in the ring.
struct alignas(64) Seat {
  std::atomic<bool> taken{false};
  std::atomic<std::uint64_t> round{0};                 // odd between begin() and the end of publish()
  std::atomic<std::uint64_t> view{~std::uint64_t{0}};  // SlotRing: what it took the ring's head for when it last looked
};

// The ring of chunk slots. A writer takes a segment of slots at a time from the ring's head, which is the oldest one,
// whoever wrote it.
//
// Thread safety: take_segment() and limit() by appenders; the rest by any thread.
class SlotRing {
 public:
  SlotRing(std::byte* file, const RingGeometry& geometry, Superblock& superblock,
           std::array<Seat, kAppendersMax>& seats);

  Slot& slot(std::uint32_t number) const { return slots_[number]; }
  bool known(ChunkLink link) const { return link.slot < geometry_.slots(); }
  std::uint32_t slots() const { return geometry_.slots(); }

  // The next segment. `time_ms` is noted as the age of what will be in it.
  std::uint32_t take_segment(std::size_t seat, std::int64_t time_ms);
  // Looks where the head is, and lets the other appenders know.
  void look(std::size_t seat);
  void look_away(std::size_t seat);
  // Whether the segment of a slot is far enough from the head as this appender saw it to be written to.
  bool writable(std::size_t seat, std::uint32_t slot) const {
    const std::uint32_t segment = slot / kSlotsPerSegment;
    const auto head = static_cast<std::uint32_t>(looked_[seat]);
    const std::uint32_t ahead = segment >= head ? segment - head : segment + geometry_.segments - head;
    return ahead >= guard_;
  }

  std::uint64_t segments_taken() const { return superblock_.segments_taken.load(std::memory_order_relaxed); }
  // When the oldest segment that is still whole was begun; none as long as none was overwritten.
  std::optional<std::int64_t> horizon_ms() const;
  std::uint64_t segments_used() const;
  // For recovery and migration: when a segment was begun, and its place in the order of writing.
  std::int64_t segment_time(std::uint32_t segment) const;

 private:
  const RingGeometry geometry_;
  Superblock& superblock_;
  Slot* const slots_;
  Word* const segment_times_;
  std::array<Seat, kAppendersMax>& seats_;
  std::array<std::uint64_t, kAppendersMax> looked_{};  // each its appender's own
  const std::uint32_t guard_;                          // segments before the head that are not written to any more
};

struct RingCounters {
  std::atomic<std::uint64_t> appended{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> reclaimed{0};
  std::atomic<std::uint64_t> damaged{0};
};

// What appenders and readers of one ring share.
//
// Thread safety: as each member says.
struct RingState {
  RingState(std::unique_ptr<MappedFile> mapped, const RingGeometry& shape);
  ~RingState();
  RingState(const RingState&) = delete;
  RingState& operator=(const RingState&) = delete;

  const std::unique_ptr<MappedFile> file;
  const RingGeometry geometry;
  Superblock& superblock;
  SeriesEntry* const entries;
  std::array<Seat, kAppendersMax> seats;
  Timelines timelines;
  SlotRing slots;
  HotPages hot;
  LabelStore labels;
  SeriesIndex index;
  RingCounters counters;
  Pen* const pens;  // one a series, in memory that is only there once it is touched
  // A bit for each series that was given up. Its writer may not know yet and write to its entry once more: readers look
  // here, where only erase_series() and collect_erased() write.
  const std::unique_ptr<std::atomic<std::uint64_t>[]> erased;
  const std::uint64_t instance;  // tells rings of one process apart

  bool is_erased(SeriesNumber series) const {
    // acquire: pairs with erase_series(), through the owner that the writer saw before it published.
    return (erased[series / 64].load(std::memory_order_acquire) >> (series % 64) & 1) != 0;
  }

  std::mutex index_mutex;  // for index and labels, and for giving series to writers
  // Below: under index_mutex.
  std::vector<std::uint16_t> timeline_seats;      // who owns each timeline: the seat and one more, 0 for nobody
  std::vector<std::uint32_t> series_of_timeline;  // how many series belong to it
  // After a start, the series that are present on each timeline, for when it is continued.
  std::vector<std::vector<SeriesNumber>> left_present;
  SeriesNumber sweep_at = 0;
  std::uint64_t publishes = 0;  // since the start
  std::int64_t first_ms = 0;    // of the first of them
  std::int64_t newest_ms = 0;
  std::int64_t last_pressure_ms = 0;
};

// What a series' entry says, read so that it fits together; none if it is not (or no more) the series of that
// generation.
struct SeriesView {
  SeriesPlace place;
  std::uint64_t last = 0;
  std::uint32_t changed = 0;
  SeriesState state = SeriesState::kFree;
  std::uint32_t count = 0;  // of the place's timeline, from before the rest was read
};
std::optional<SeriesView> view_series(const RingState& ring, SeriesNumber series, std::uint32_t generation);

// Asks for the memory of a series that is about to be read.
inline void prefetch_entry(const RingState& ring, SeriesNumber series) {
  if (series < ring.geometry.max_series) __builtin_prefetch(&ring.entries[series]);
}
inline void prefetch_newest_chunk(const RingState& ring, SeriesNumber series) {
  if (series >= ring.geometry.max_series) return;
  // relaxed: whatever it says, only memory is asked for.
  const SeriesPlace place = SeriesPlace::unpack(ring.entries[series].place.load(std::memory_order_relaxed));
  if (!ring.slots.known(place.head)) return;
  const Slot& slot = ring.slots.slot(place.head.slot);
  __builtin_prefetch(&slot.words[0]);
  __builtin_prefetch(&slot.words[8]);
}

// The newest scrape of a timeline, remembered for the next series of the same target in the same query.
struct NewestScrape {
  TimelineNumber timeline = kNoTimeline;
  std::uint32_t count = 0;  // of the timeline then
  std::optional<Timelines::Scrape> scrape;
};

inline SeriesRef make_ref(SeriesNumber series, std::uint32_t generation) {
  return SeriesRef{(std::uint64_t{generation} << 32) | (series + 1)};
}
inline SeriesNumber number_of(SeriesRef ref) { return static_cast<std::uint32_t>(static_cast<std::uint64_t>(ref)) - 1; }
inline std::uint32_t generation_of(SeriesRef ref) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(ref) >> 32);
}

// reclaim.cpp. REQUIRES: index_mutex is held; `caller` is the calling appender's seat.
// Takes a series out of sight; its number comes back when its writer is out of the way.
void erase_series(RingState& ring, SeriesNumber series, std::size_t caller);
// Gives up what the ring has lost anyway, `steps` series from where the last call stopped.
void sweep(RingState& ring, std::uint64_t steps, std::size_t caller);
// The table is nearly full: gives up ended series as well, the whole table at once. Not more often than makes sense.
void sweep_under_pressure(RingState& ring, std::size_t caller);
void collect_erased(RingState& ring);

}  // namespace core::ring
