// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <span>

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

// A window of which all is known but the value that it begins with, and the chunk that has that. Decoding it can wait
// for the copy to arrive in memory, and is then quicker.
struct EvenWindow {
  enum class State {
    kOther,   // it takes a closer look
    kWhole,   // there is nothing to decode
    kToStart  // the value at scrape `first` of the chunk is missing
  };
  State state = State::kOther;
  std::uint32_t first = 0;
  ChunkStart start;  // without its first value
  SlotImage image{};
};

// Finds the chunk with the value at a scrape from which on, up to the newest one, the series never fell and was never
// away. False if that is not known of it.
bool find_even_start(const RingState& ring, const SeriesView& view, EvenWindow& window) {
  constexpr int kChunksMax = 32;
  ChunkLink link = view.place.head;
  std::uint16_t mask = 0xffff;
  for (int i = 0; i < kChunksMax && ring.slots.known(link); ++i) {
    const Slot& slot = ring.slots.slot(link.slot);
    const auto front = front_of(slot, link.generation, mask);
    if (!front || front->head.timed || front->head.uneven) return false;
    if (front->index <= window.first) {
      if (!copy_slot_into(window.image, slot, link.generation, mask)) return false;
      decode_front_into(window.start, window.image);
      // What it had on another timeline may be newer than the scrape before this one.
      return !window.start.head.uneven && !(window.start.head.starts && window.start.index == window.first);
    }
    if (front->head.starts || front->previous.fell) return false;
    link = front->previous.link;
    mask = kLinkGenerations;
  }
  return false;
}

// Most windows: the series was there all the time and never fell, so that its first and its last value say everything.
void begin_even(const RingState& ring, const SeriesView& view, std::int64_t from_ms, std::int64_t to_ms,
                EvenWindow& window, CounterWindow& out) {
  window.state = EvenWindow::State::kOther;
  if (view.state != SeriesState::kPresent || view.changed >= view.count) return;
  if (!ring.timelines.known(view.place.timeline)) return;
  const FoundRange& found = find_range(ring, view.place.timeline, view.count, from_ms, to_ms);
  if (found.burnt || found.range.empty() || view.changed > found.range.last) return;
  if (found.range.first < ring.timelines.first(view.place.timeline)) return;
  const double last = std::bit_cast<double>(view.last);
  if (is_stale(last)) return;
  window.first = static_cast<std::uint32_t>(found.range.first);
  const bool whole = view.changed < found.range.first;
  if (!whole && !find_even_start(ring, view, window)) return;
  window.state = whole ? EvenWindow::State::kWhole : EvenWindow::State::kToStart;
  out.count = static_cast<std::uint64_t>(found.range.last - found.range.first + 1);
  out.first = {found.first_ms, last};
  out.last = {found.last_ms, last};
  out.lost_to_resets = 0;
}

// False if it takes a closer look.
bool finish_even(EvenWindow& window, CounterWindow& out) {
  if (window.state != EvenWindow::State::kToStart) return window.state == EvenWindow::State::kWhole;
  decode_first_into(window.start, window.image);
  ValueAt sink(window.first);
  const ChunkEnd end = walk_chunk<false>(window.image, window.start, sink);
  if (end.damaged || end.absent) return false;
  out.first.value = sink.value() ? *sink.value() : std::bit_cast<double>(end.bits);
  return true;
}

// By the samples' numbers; false if it takes looking at each of them.
bool fold_parts(const RingState& ring, SeriesNumber series, std::uint32_t generation, std::int64_t from_ms,
                std::int64_t to_ms, CounterWindow& out) {
  out = {};
  PartList parts(ring, from_ms, to_ms);
  if (!collect(ring, series, generation, parts)) return true;
  if (parts.burnt() || parts.timed()) return false;
  CounterSink sink;
  parts.each([&](Part& part) { walk(part, sink); });
  return sink.finish(ring, parts, out);
}

// Asks for the memory of the chunk before the newest one, if scrape `first` is not in that. REQUIRES: the newest chunk
// was asked for some time ago.
void prefetch_older_chunk(const RingState& ring, SeriesNumber series, std::uint32_t first) {
  if (series >= ring.geometry.max_series) return;
  // relaxed, all of them: whatever they say, only memory is asked for.
  const SeriesPlace place = SeriesPlace::unpack(ring.entries[series].place.load(std::memory_order_relaxed));
  if (!ring.slots.known(place.head)) return;
  const Slot& slot = ring.slots.slot(place.head.slot);
  if (static_cast<std::uint32_t>(slot.words[2].load(std::memory_order_relaxed)) <= first) return;
  const ChunkLink link = unpack_previous(slot.words[1].load(std::memory_order_relaxed)).link;
  if (!ring.slots.known(link)) return;
  __builtin_prefetch(&ring.slots.slot(link.slot).words[0]);
  __builtin_prefetch(&ring.slots.slot(link.slot).words[8]);
}

}  // namespace

bool fold_counter(const RingState& ring, SeriesNumber series, std::uint32_t generation, std::int64_t from_ms,
                  std::int64_t to_ms, CounterWindow& out) {
  out = {};
  const auto view = view_series(ring, series, generation);
  if (!view) return true;
  // Kept from call to call: to clear it costs as much as to use it.
  thread_local EvenWindow window;
  begin_even(ring, *view, from_ms, to_ms, window, out);
  return finish_even(window, out) || fold_parts(ring, series, generation, from_ms, to_ms, out);
}

// In blocks: while one is decoded, the memory of the next is on its way.
void fold_counters(const RingState& ring, std::span<const SeriesRef> series, std::int64_t from_ms, std::int64_t to_ms,
                   std::vector<CounterWindow>& out, std::vector<std::size_t>& left) {
  constexpr std::size_t kBlock = 8;
  thread_local std::array<EvenWindow, kBlock> windows;
  out.resize(series.size());
  left.clear();
  const auto in_block = [&](std::size_t begin, auto&& visit) {
    for (std::size_t i = begin; i < std::min(begin + kBlock, series.size()); ++i) visit(i, number_of(series[i]));
  };
  const auto ask_for_entry = [&](std::size_t, SeriesNumber number) { prefetch_entry(ring, number); };
  const auto ask_for_chunk = [&](std::size_t, SeriesNumber number) { prefetch_newest_chunk(ring, number); };
  in_block(0, ask_for_entry);
  in_block(kBlock, ask_for_entry);
  in_block(0, ask_for_chunk);
  for (std::size_t block = 0; block < series.size(); block += kBlock) {
    in_block(block + 2 * kBlock, ask_for_entry);
    in_block(block + kBlock, ask_for_chunk);
    std::uint32_t first = 0;
    in_block(block, [&](std::size_t i, SeriesNumber number) {
      EvenWindow& window = windows[i - block];
      out[i] = {};
      const auto view = view_series(ring, number, generation_of(series[i]));
      // One that is not there has no samples.
      window.state = EvenWindow::State::kWhole;
      if (!view) return;
      begin_even(ring, *view, from_ms, to_ms, window, out[i]);
      first = window.first;
    });
    // Most are of the same target, whose windows begin at the same scrape.
    in_block(block + kBlock, [&](std::size_t, SeriesNumber number) { prefetch_older_chunk(ring, number, first); });
    in_block(block, [&](std::size_t i, SeriesNumber number) {
      if (finish_even(windows[i - block], out[i])) return;
      if (!fold_parts(ring, number, generation_of(series[i]), from_ms, to_ms, out[i])) left.push_back(i);
    });
  }
}

}  // namespace core::ring
