// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <unordered_map>

#include "core/ring/chunk_decode.h"
#include "core/ring/ring_recovery.h"
#include "core/ring/series_reader.h"

namespace core::ring {
namespace {

// relaxed throughout: nobody else is there.
std::uint64_t own(const Word& word) { return word.load(std::memory_order_relaxed); }

// Of the new ring's slots so many are filled at most: the rest is for what is appended first.
constexpr std::uint64_t kFilledEighths = 7;

class Migration {
 public:
  Migration(RingState& from, RingState& to) : from_(from), to_(to) {}

  void run() {
    timelines_ = to_.timelines.take_over(from_.timelines);
    choose_series();
    list_chunks();
    for (const OldChunk& chunk : chunks_) copy_chunk(chunk);
    for (const Moved& each : moved_) finish_entry(each);
    to_.index.flush();
  }

 private:
  struct Moved {
    SeriesNumber from = 0;
    SeriesNumber to = 0;
    LabelRef set = 0;
    PreviousChunk newest;  // copied so far
  };
  struct OldChunk {
    std::uint32_t age = 0;  // 0 is the oldest
    std::uint32_t slot = 0;
    std::uint32_t moved = 0;
  };

  std::uint32_t age_of(std::uint32_t slot) const {
    const std::uint32_t segments = from_.geometry.segments;
    const auto head = static_cast<std::uint32_t>(from_.slots.segments_taken() % segments);
    const std::uint32_t segment = slot / kSlotsPerSegment;
    return (segment + segments - head) % segments * kSlotsPerSegment + slot % kSlotsPerSegment;
  }

  // The series with the newest samples, and room for their labels.
  void choose_series() {
    const ReadEpoch::Guard guard(from_.index.epoch());
    std::vector<std::pair<std::int64_t, SeriesIndex::Candidate>> series;
    for (const auto& each : from_.index.candidates({})) {
      const auto generation = static_cast<std::uint32_t>(own(from_.entries[each.series].changed) >> 32);
      if (const auto newest = find_newest(from_, each.series, generation)) series.emplace_back(newest->time_ms, each);
    }
    std::stable_sort(series.begin(), series.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [newest_ms, each] : series) {
      const SeriesPlace place = SeriesPlace::unpack(own(from_.entries[each.series].place));
      if (timelines_[place.timeline] == kNoTimeline) continue;
      const auto labels = from_.labels.materialise(each.set);
      if (!labels) continue;
      const auto room = to_.index.make(*labels);
      if (!room) break;
      moved_.push_back({each.series, room->series, room->set, {}});
      to_.superblock.series_used.store(moved_.size(), std::memory_order_relaxed);
    }
  }

  void list_chunks() {
    for (std::uint32_t i = 0; i < moved_.size(); ++i) list_chunks_of(i);
    std::stable_sort(chunks_.begin(), chunks_.end(),
                     [](const OldChunk& a, const OldChunk& b) { return a.age < b.age; });
    const std::uint64_t room = std::uint64_t{to_.slots.slots()} / 8 * kFilledEighths;
    if (chunks_.size() > room) {
      chunks_.erase(chunks_.begin(), chunks_.end() - static_cast<std::ptrdiff_t>(room));
    }
  }

  // Oldest first. Two writers fill their segments side by side, so that a series which went from one to the other and
  // back has chunks whose places are not in their order: each counts as no older than the one before it.
  void list_chunks_of(std::uint32_t moved) {
    const ChunkLink head = SeriesPlace::unpack(own(from_.entries[moved_[moved].from].place)).head;
    if (!from_.slots.known(head)) return;
    std::vector<std::uint32_t> slots;
    auto image = copy_slot(from_.slots.slot(head.slot), head.generation);
    if (image) slots.push_back(head.slot);
    while (image && slots.size() < from_.slots.slots()) {
      const PreviousChunk previous = unpack_previous((*image)[1]);
      if (!from_.slots.known(previous.link)) break;
      image = copy_previous(from_.slots.slot(previous.link.slot), previous);
      if (image) slots.push_back(previous.link.slot);
    }
    std::uint32_t age = 0;
    for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) {
      age = std::max(age, age_of(*slot));
      chunks_.push_back({age, *slot, moved});
    }
  }

  void copy_chunk(const OldChunk& chunk) {
    Moved& moved = moved_[chunk.moved];
    SlotImage image{};
    for (std::size_t i = 0; i < kSlotWords; ++i) image[i] = own(from_.slots.slot(chunk.slot).words[i]);
    if (next_ % kSlotsPerSegment == 0) {
      next_ = to_.slots.take_segment(0, from_.slots.segment_time(chunk.slot / kSlotsPerSegment)) * kSlotsPerSegment;
    }
    const std::uint32_t slot = next_++;
    ChunkStart start = decode_start(image);
    image[1] = pack_previous(moved.newest, start.params);
    if (start.head.starts) rename_timeline(image, start);
    ChunkHead head = start.head;
    head.generation = 1;
    image[0] = head.pack();
    start = decode_start(image);
    start.head.check = chunk_seed(to_.labels.set_check(moved.set), slot, image);
    NoSink sink;
    const ChunkEnd end = head.timed ? walk_timed<true>(image, start, sink) : walk_chunk<true>(image, start, sink);
    head.check = end.check;
    image[0] = head.pack();
    for (std::size_t i = 0; i < kSlotWords; ++i) {
      to_.slots.slot(slot).words[i].store(image[i], std::memory_order_relaxed);
    }
    moved.newest = {{slot, head.generation}, head.controls};
  }

  // The timeline that the series was on before has another number here, or is left behind.
  void rename_timeline(SlotImage& image, const ChunkStart& start) const {
    const std::uint32_t at = kStreamBegin + (start.params.has_center ? kCenterBits : 0);
    const bool known = start.left_timeline < timelines_.size();
    const std::uint64_t renamed = known ? timelines_[start.left_timeline] : kNoTimeline;
    for (std::uint32_t bit = 0; bit < kStartsTimelineBits; ++bit) {
      std::uint64_t& word = image[(at + bit) / 64];
      const std::uint64_t mask = std::uint64_t{1} << (at + bit) % 64;
      word = (renamed >> bit & 1) != 0 ? word | mask : word & ~mask;
    }
  }

  void finish_entry(const Moved& moved) {
    const SeriesEntry& old = from_.entries[moved.from];
    SeriesEntry& entry = to_.entries[moved.to];
    const SeriesPlace place{moved.newest.link, timelines_[SeriesPlace::unpack(own(old.place)).timeline]};
    const std::uint64_t changed = pack_changed(static_cast<std::uint32_t>(own(old.changed)), 1);
    const std::uint64_t last = own(old.last);
    const SeriesState state = state_of(own(old.labels));
    entry.place.store(place.pack(), std::memory_order_relaxed);
    entry.changed.store(changed, std::memory_order_relaxed);
    entry.last.store(last, std::memory_order_relaxed);
    const std::uint32_t check = entry_check(place.pack(), last, changed, moved.set, state);
    entry.labels.store(pack_labels(moved.set, check, state), std::memory_order_relaxed);
    to_.index.insert(moved.to);
  }

  RingState& from_;
  RingState& to_;
  std::vector<TimelineNumber> timelines_;
  std::vector<Moved> moved_;
  std::vector<OldChunk> chunks_;
  std::uint32_t next_ = 0;
};

}  // namespace

void migrate_ring(RingState& from, RingState& to) { Migration(from, to).run(); }

}  // namespace core::ring
