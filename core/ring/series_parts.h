// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/ring/chunk_decode.h"
#include "core/ring/ring_state.h"

namespace core::ring {

// A stretch of a series: a chunk, or a run that is all in the series' entry.
struct Part {
  enum class Kind { kRun, kChunk, kTimed };
  Kind kind = Kind::kRun;
  TimelineNumber timeline = kNoTimeline;
  ScrapeRange range;        // what of it is asked for
  std::uint32_t first = 0;  // kRun
  std::uint64_t bits = 0;   // kRun
  ChunkStart start;         // kChunk: without its first value
  SlotImage image{};        // the last word stays 0
};

// The scrapes in a window of time, remembered for the next series of the same target in the same query.
struct FoundRange {
  std::uint64_t instance = 0;
  TimelineNumber timeline = kNoTimeline;
  std::uint32_t count = 0;
  std::int64_t from_ms = 0;
  std::int64_t to_ms = -1;
  ScrapeRange range;
  bool burnt = false;         // a scrape among them was not published
  std::int64_t first_ms = 0;  // of the first and the last of them, if none is burnt
  std::int64_t last_ms = 0;
};

// REQUIRES: the timeline is known. The reference is good until the next call on this thread.
const FoundRange& find_range(const RingState& ring, TimelineNumber timeline, std::uint32_t count, std::int64_t from_ms,
                             std::int64_t to_ms);

// The parts of a series that a window of time touches, newest first.
//
// Thread safety: confined to one thread, and one at a time there: they share scratch memory.
class PartList {
 public:
  PartList(const RingState& ring, std::int64_t from_ms, std::int64_t to_ms)
      : ring_(ring), from_ms_(from_ms), to_ms_(to_ms), parts_(scratch()) {}

  // False if the newest chunk was not there: replaced, or overwritten by the ring.
  bool collect(const SeriesView& view);

  bool burnt() const { return burnt_; }
  // The time of a scrape of the window: mostly its first or its last, which were looked up when it was found.
  std::optional<std::int64_t> time_of(const RingState& ring, TimelineNumber timeline, std::uint32_t index) const;
  bool timed() const {
    const auto end = parts_.begin() + static_cast<std::ptrdiff_t>(size_);
    return std::any_of(parts_.begin(), end, [](const Part& part) { return part.kind == Part::Kind::kTimed; });
  }
  // Oldest first.
  template <class Visit>
  void each(Visit&& visit) {
    for (std::size_t i = size_; i-- > 0;) visit(parts_[i]);
  }
  std::size_t size() const { return size_; }

 private:
  // Kept from call to call, so that a read allocates nothing, and clears nothing that it is going to write.
  static std::vector<Part>& scratch();
  Part& add() {
    if (size_ == parts_.size()) parts_.emplace_back();
    return parts_[size_++];
  }

  void enter_timeline(std::uint32_t count);

  ScrapeRange within(std::int64_t first, std::int64_t end) const;

  void add_run(std::uint32_t first, std::uint64_t bits, std::int64_t end);

  // Goes from the chunk in the newest part back to where the window begins. `end` is the first scrape that is not the
  // chunk's any more.
  void follow(std::int64_t end);

  // Whether the time of a scrape is still there.
  bool has_page(std::uint32_t index);

  const RingState& ring_;
  const std::int64_t from_ms_;
  const std::int64_t to_ms_;
  std::vector<Part>& parts_;  // the first size_ of them
  std::size_t size_ = 0;
  TimelineNumber timeline_ = kNoTimeline;
  ScrapeRange found_;
  std::uint32_t least_ = 0;
  bool burnt_ = false;
  TimelineNumber paged_timeline_ = kNoTimeline;  // of which `page_` was there
  std::uint32_t page_ = 0;
  // Of the newest published chunk so many controls count, if its samples have times of their own.
  bool newest_ = true;
  std::uint16_t controls_ = 0xffff;
  std::uint32_t count_ = 0;
};

template <class Sink>
void walk(Part& part, Sink& sink) {
  if (part.kind == Part::Kind::kRun) {
    sink.begin(part, 1);
    sink.run(part.first, sink.last() - part.first + 1, std::bit_cast<double>(part.bits));
    sink.end();
    return;
  }
  decode_first_into(part.start, part.image);
  sink.begin(part, kPowersOfTen[part.start.params.domain.places]);
  const ChunkEnd end = walk_chunk<false>(part.image, part.start, sink);
  // What follows the last event is its value, up to the end of the part.
  if (!end.absent && !end.damaged && end.index < sink.last()) {
    sink.run(end.index + 1, sink.last() - end.index, std::bit_cast<double>(end.bits));
  }
  sink.end();
}

// Finds the parts of a series; false if the series is not there.
bool collect(const RingState& ring, SeriesNumber series, std::uint32_t generation, PartList& parts);

}  // namespace core::ring
