// SPDX-License-Identifier: Apache-2.0
#include "core/ring/series_parts.h"
#include "core/ring/series_reader.h"

namespace core::ring {
namespace {

// Folds samples as those of a counter, by the numbers of their scrapes; times are looked up at the end.
class CounterSink {
 public:
  static constexpr bool kMantissas = true;
  static constexpr bool kOnlyFirst = false;

  void begin(const Part& part, double power) {
    first_ = static_cast<std::uint32_t>(part.range.first);
    last_ = static_cast<std::uint32_t>(part.range.last);
    timeline_ = part.timeline;
    power_ = power;
  }
  void end() {}

  std::uint32_t first() const { return first_; }
  std::uint32_t last() const { return last_; }
  // Whole numbers and decimals fall when their mantissas fall: values are made at both ends and where one falls.
  bool mantissas(std::uint32_t index, const std::int64_t* ms, std::uint32_t count) {
    if (index > last_) return false;
    const std::uint32_t wanted = std::min(count, last_ - index + 1);
    add(index, index, decimal_value(ms[0], power_));
    for (std::uint32_t i = 1; i < wanted; ++i) {
      if (ms[i] < ms[i - 1]) [[unlikely]]
        folded_.lost_to_resets += decimal_value(ms[i - 1], power_);
    }
    folded_.count += wanted - 1;
    folded_.last.value = decimal_value(ms[wanted - 1], power_);
    last_index_ = index + wanted - 1;
    return wanted == count;
  }
  bool one(std::uint32_t index, double value) {
    if (index > last_) return false;
    add(index, index, value);
    return true;
  }
  bool many(std::uint32_t index, const double* values, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (!one(index + i, values[i])) return false;
    }
    return true;
  }
  bool run(std::uint32_t index, std::uint32_t count, double value) {
    const std::uint32_t last = index + count - 1;
    if (last >= first_) add(std::max(index, first_), std::min(last, last_), value);
    return last < last_;
  }
  bool absent(std::uint32_t index) { return index <= last_; }

  // False if a time was lost meanwhile.
  bool finish(const RingState& ring, const PartList& parts, CounterWindow& out) const {
    out = folded_;
    if (folded_.count == 0) return true;
    const auto first = parts.time_of(ring, first_timeline_, first_index_);
    const auto last = parts.time_of(ring, last_timeline_, last_index_);
    if (!first || !last) return false;
    out.first.time_ms = *first;
    out.last.time_ms = *last;
    return true;
  }

 private:
  void add(std::uint32_t first, std::uint32_t last, double value) {
    if (is_stale(value)) return;
    if (folded_.count == 0) {
      folded_.first.value = value;
      first_index_ = first;
      first_timeline_ = timeline_;
    } else if (value < folded_.last.value) {
      folded_.lost_to_resets += folded_.last.value;
    }
    folded_.last.value = value;
    folded_.count += last - first + 1;
    last_index_ = last;
    last_timeline_ = timeline_;
  }

  CounterWindow folded_;
  std::uint32_t first_ = 0;
  std::uint32_t last_ = 0;
  double power_ = 1;
  TimelineNumber timeline_ = kNoTimeline;
  TimelineNumber first_timeline_ = kNoTimeline;
  TimelineNumber last_timeline_ = kNoTimeline;
  std::uint32_t first_index_ = 0;
  std::uint32_t last_index_ = 0;
};

// The value of one scrape.
class ValueAt {
 public:
  static constexpr bool kMantissas = false;
  static constexpr bool kOnlyFirst = true;

  explicit ValueAt(std::uint32_t index) : index_(index) {}
  std::uint32_t first() const { return index_; }
  bool one(std::uint32_t, double value) { return take(value); }
  bool many(std::uint32_t, const double* values, std::uint32_t) { return take(values[0]); }
  bool run(std::uint32_t, std::uint32_t, double value) { return take(value); }
  bool absent(std::uint32_t) { return false; }
  std::optional<double> value() const { return value_; }

 private:
  bool take(double value) {
    value_ = value;
    return false;
  }
  std::uint32_t index_;
  std::optional<double> value_;
};

// The slot's first three words, if it is the chunk the link names.
struct ChunkFront {
  ChunkHead head;
  PreviousChunk previous;
  std::uint32_t index = 0;
};
std::optional<ChunkFront> front_of(const Slot& slot, std::uint16_t generation, std::uint16_t mask) {
  // acquire and relaxed: as in copy_slot().
  const std::uint64_t head = slot.words[0].load(std::memory_order_acquire);
  const std::uint64_t previous = slot.words[1].load(std::memory_order_acquire);
  const std::uint64_t index = slot.words[2].load(std::memory_order_acquire);
  const std::uint64_t again = slot.words[0].load(std::memory_order_relaxed);
  ChunkFront front{ChunkHead::unpack(head), unpack_previous(previous), static_cast<std::uint32_t>(index)};
  if ((front.head.generation & mask) != generation) return std::nullopt;
  if (ChunkHead::unpack(again).generation != front.head.generation) return std::nullopt;
  return front;
}

// The value at a scrape from which on, up to the newest one, the series never fell and was never away. None if that is
// not known of it.
std::optional<double> find_even_start(const RingState& ring, const SeriesView& view, std::uint32_t scrape) {
  constexpr int kChunksMax = 32;
  // Kept from call to call: to clear them costs as much as to use them.
  thread_local SlotImage image{};
  thread_local ChunkStart start;
  ChunkLink link = view.place.head;
  std::uint16_t mask = 0xffff;
  for (int i = 0; i < kChunksMax && ring.slots.known(link); ++i) {
    const Slot& slot = ring.slots.slot(link.slot);
    const auto front = front_of(slot, link.generation, mask);
    if (!front || front->head.timed || front->head.uneven) return std::nullopt;
    if (front->index <= scrape) {
      if (!copy_slot_into(image, slot, link.generation, mask)) return std::nullopt;
      decode_start_into(start, image);
      // What it had on another timeline may be newer than the scrape before this one.
      if (start.head.uneven || (start.head.starts && start.index == scrape)) return std::nullopt;
      ValueAt sink(scrape);
      const ChunkEnd end = walk_chunk<false>(image, start, sink);
      if (end.damaged || end.absent) return std::nullopt;
      return sink.value() ? *sink.value() : std::bit_cast<double>(end.bits);
    }
    if (front->head.starts || front->previous.fell) return std::nullopt;
    link = front->previous.link;
    mask = kLinkGenerations;
  }
  return std::nullopt;
}

// Most windows: the series was there all the time and never fell, so that its first and its last value say everything.
// False if it takes a closer look.
bool fold_even(const RingState& ring, const SeriesView& view, std::int64_t from_ms, std::int64_t to_ms,
               CounterWindow& out) {
  if (view.state != SeriesState::kPresent || view.changed >= view.count) return false;
  if (!ring.timelines.known(view.place.timeline)) return false;
  const FoundRange& found = find_range(ring, view.place.timeline, view.count, from_ms, to_ms);
  if (found.burnt || found.range.empty() || view.changed > found.range.last) return false;
  if (found.range.first < ring.timelines.first(view.place.timeline)) return false;
  const double last = std::bit_cast<double>(view.last);
  if (is_stale(last)) return false;
  double first = last;
  if (view.changed >= found.range.first) {
    const auto start = find_even_start(ring, view, static_cast<std::uint32_t>(found.range.first));
    if (!start) return false;
    first = *start;
  }
  out.count = static_cast<std::uint64_t>(found.range.last - found.range.first + 1);
  out.first = {found.first_ms, first};
  out.last = {found.last_ms, last};
  return true;
}

}  // namespace

bool fold_counter(const RingState& ring, SeriesNumber series, std::uint32_t generation, std::int64_t from_ms,
                  std::int64_t to_ms, CounterWindow& out) {
  out = {};
  const auto view = view_series(ring, series, generation);
  if (!view) return true;
  if (fold_even(ring, *view, from_ms, to_ms, out)) return true;
  PartList parts(ring, from_ms, to_ms);
  if (!collect(ring, series, generation, parts)) return true;
  if (parts.burnt() || parts.timed()) return false;
  CounterSink sink;
  parts.each([&](const Part& part) { walk(part, sink); });
  return sink.finish(ring, parts, out);
}

}  // namespace core::ring
