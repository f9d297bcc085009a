// SPDX-License-Identifier: Apache-2.0
#include "core/ring/ring_state.h"

#include <sys/mman.h>

#include <algorithm>
#include <thread>

#include "core/check.h"

namespace core::ring {
namespace {

// Zeros that take no memory until they are touched.
Pen* map_pens(std::uint64_t count) {
  void* const memory =
      mmap(nullptr, count * sizeof(Pen), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(memory != MAP_FAILED, "address space for the writers' side of the series");
  return static_cast<Pen*>(memory);
}

std::uint64_t next_instance() {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// Segments before the head that are closed to writers: half of the ring. What is appended stays for half a round at
// least, however seldom its series changes, and a writer that is held up does not write into a slot that has become
// another's.
constexpr std::uint32_t kGuardShare = 2;

}  // namespace

SlotRing::SlotRing(std::byte* file, const RingGeometry& geometry, Superblock& superblock,
                   std::array<Seat, kAppendersMax>& seats)
    : geometry_(geometry),
      superblock_(superblock),
      slots_(reinterpret_cast<Slot*>(file + geometry.slots_at)),
      segment_times_(reinterpret_cast<Word*>(file + geometry.segment_times_at)),
      seats_(seats),
      guard_(geometry.segments / kGuardShare) {}

std::uint32_t SlotRing::take_segment(std::size_t seat, std::int64_t time_ms) {
  // seq_cst, as are the loads of the views below and look(): either the writer that is held up is seen here, or it sees
  // the head that this moved.
  const std::uint64_t taken = superblock_.segments_taken.fetch_add(1, std::memory_order_seq_cst);
  for (std::size_t other = 0; other < seats_.size(); ++other) {
    if (other == seat) continue;
    // It was held up in the middle of a scrape while the rest of the ring was written. It has only to go on.
    while (true) {
      const std::uint64_t view = seats_[other].view.load(std::memory_order_seq_cst);
      if (view == ~std::uint64_t{0} || taken < view + guard_) break;
      std::this_thread::yield();
    }
  }
  const auto segment = static_cast<std::uint32_t>(taken % geometry_.segments);
  // relaxed: a figure for people and for giving up old series.
  segment_times_[segment].store(static_cast<std::uint64_t>(time_ms), std::memory_order_relaxed);
  return segment;
}

void SlotRing::look(std::size_t seat) {
  seats_[seat].view.store(superblock_.segments_taken.load(std::memory_order_seq_cst), std::memory_order_seq_cst);
  looked_[seat] = superblock_.segments_taken.load(std::memory_order_seq_cst) % geometry_.segments;
}

void SlotRing::look_away(std::size_t seat) { seats_[seat].view.store(~std::uint64_t{0}, std::memory_order_seq_cst); }

std::optional<std::int64_t> SlotRing::horizon_ms() const {
  const std::uint64_t taken = segments_taken();
  if (taken < geometry_.segments) return std::nullopt;
  return segment_time(static_cast<std::uint32_t>(taken % geometry_.segments));
}

std::uint64_t SlotRing::segments_used() const { return std::min<std::uint64_t>(segments_taken(), geometry_.segments); }

std::int64_t SlotRing::segment_time(std::uint32_t segment) const {
  return static_cast<std::int64_t>(segment_times_[segment].load(std::memory_order_relaxed));
}

RingState::RingState(std::unique_ptr<MappedFile> mapped, const RingGeometry& shape)
    : file(std::move(mapped)),
      geometry(shape),
      superblock(*reinterpret_cast<Superblock*>(file->data())),
      entries(reinterpret_cast<SeriesEntry*>(file->data() + shape.series_at)),
      timelines(file->data(), shape, superblock),
      slots(file->data(), shape, superblock, seats),
      hot(file->data(), file->size()),
      labels(file->data() + shape.labels_at, shape.label_bytes),
      index(labels, entries, shape.max_series),
      pens(map_pens(shape.max_series)),
      erased(new std::atomic<std::uint64_t>[shape.max_series / 64 + 1]()),
      instance(next_instance()),
      timeline_seats(shape.max_timelines, 0),
      series_of_timeline(shape.max_timelines, 0),
      left_present(shape.max_timelines) {}

RingState::~RingState() { munmap(pens, geometry.max_series * sizeof(Pen)); }

}  // namespace core::ring
