// SPDX-License-Identifier: Apache-2.0
#include "core/ring/series_pen.h"

#include <algorithm>
#include <utility>

#include "core/ring/chunk_learning.h"

namespace core::ring {
namespace {

// Ahead of the sample that is written, so many samples' entries and slots are asked for.
constexpr std::size_t kEntriesAhead = 24;
constexpr std::size_t kSlotsAhead = 12;
// The ring's head is looked at once for so many samples.
constexpr std::size_t kLookEvery = 64;

// More than any chunk has.
constexpr std::uint32_t kAllControls = 0xffff;

// relaxed: only the series' writer stores to its entry.
std::uint64_t own(const Word& word) { return word.load(std::memory_order_relaxed); }

void prefetch_slot(const Slot& slot) {
  __builtin_prefetch(&slot.words[0], 1);
  __builtin_prefetch(&slot.words[8], 1);
}

}  // namespace

void SeriesPen::begin(TimelineNumber timeline, std::uint32_t index, std::int64_t time_ms) {
  timeline_ = timeline;
  index_ = index;
  time_ms_ = time_ms;
}

void SeriesPen::write(std::span<const StagedSample> samples, std::span<const std::int64_t> own_times) {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i % kLookEvery == 0) ring_.slots.look(seat_);
    if (i + kEntriesAhead < samples.size()) {
      __builtin_prefetch(&ring_.entries[samples[i + kEntriesAhead].series], 1);
      __builtin_prefetch(&ring_.pens[samples[i + kEntriesAhead].series], 1);
    }
    if (i + kSlotsAhead < samples.size()) {
      const SeriesPlace place = place_of(samples[i + kSlotsAhead].series);
      if (ring_.slots.known(place.head)) prefetch_slot(ring_.slots.slot(place.head.slot));
    }
    const StagedSample& sample = samples[i];
    if (sample.kind == StagedSample::kScrape) [[likely]] {
      const Near near = write_near(sample.series, sample.bits);
      if (near == Near::kWritten) continue;
      if (near == Near::kFull) {
        write_next(sample.series, sample.bits);
        continue;
      }
      write_value(sample.series, sample.bits);
      ring_.pens[sample.series].staged = 0;
    } else if (sample.kind == StagedSample::kAbsence) {
      write_absent(sample.series);
    } else {
      write_timed(sample.series, own_times[sample.kind - StagedSample::kOwnTime], sample.bits);
    }
  }
  ring_.slots.look_away(seat_);
}

// The scrape of Pen::touched. REQUIRES: the series is present.
std::uint32_t SeriesPen::touched_at(const Pen& pen) const {
  return index_ - static_cast<std::uint16_t>(index_ - pen.touched);
}

SeriesPlace SeriesPen::place_of(SeriesNumber series) const {
  return SeriesPlace::unpack(own(ring_.entries[series].place));
}

// In the order that view_series() counts on: a run's value follows its beginning, and what a series with times of its
// own had before a scrape precedes the number of the scrape. A check is only looked at after the machine was started
// anew, so that it stands last and may be missed by a process that ends between.
void SeriesPen::write_entry(SeriesNumber series, const SeriesPlace& place, std::uint32_t changed, std::uint64_t last,
                            SeriesState state) {
  SeriesEntry& entry = ring_.entries[series];
  const std::uint64_t place_word = place.pack();
  const std::uint64_t changed_word = pack_changed(changed, static_cast<std::uint32_t>(own(entry.changed) >> 32));
  const std::uint32_t set = set_of(own(entry.labels));
  if (own(entry.place) != place_word) entry.place.store(place_word, std::memory_order_release);
  const bool stays_timed = state == SeriesState::kTimed && state_of(own(entry.labels)) == SeriesState::kTimed;
  if (stays_timed) entry.last.store(last, std::memory_order_release);
  entry.changed.store(changed_word, std::memory_order_release);
  if (!stays_timed) entry.last.store(last, std::memory_order_release);
  entry.labels.store(pack_labels(set, entry_check(place_word, last, changed_word, set, state), state),
                     std::memory_order_release);
}

ChunkLink SeriesPen::take_slot() {
  if (next_slot_ == slots_end_ || !ring_.slots.writable(seat_, next_slot_)) {
    next_slot_ = ring_.slots.take_segment(seat_, time_ms_) * kSlotsPerSegment;
    slots_end_ = next_slot_ + kSlotsPerSegment;
    ring_.slots.look(seat_);
  }
  const std::uint32_t slot = next_slot_++;
  // The segments were written a round of the ring ago: the next slot is on its way when it is wanted.
  if (next_slot_ + 1 < slots_end_) prefetch_slot(ring_.slots.slot(next_slot_ + 1));
  // relaxed: the segment is this writer's.
  const ChunkHead before = ChunkHead::unpack(own(ring_.slots.slot(slot).words[0]));
  return {slot, static_cast<std::uint16_t>(before.generation + 1)};
}

ChunkPen SeriesPen::open_next(SeriesNumber series, std::uint32_t index, std::uint64_t bits, const ChunkParams& params,
                              std::optional<LeftTimeline> left, std::optional<std::int64_t> time_ms) {
  const SeriesEntry& entry = ring_.entries[series];
  const SeriesPlace place = place_of(series);
  ChunkOpening opening;
  opening.self = take_slot();
  if (ring_.slots.known(place.head)) {
    // relaxed: nobody writes to it any more, or it is another's, and then what is read here says nothing.
    const ChunkHead before = ChunkHead::unpack(own(ring_.slots.slot(place.head.slot).words[0]));
    // Of other chunks the entry does not have the last value.
    const bool fell = left || time_ms || is_uneven(own(entry.last), bits);
    opening.previous = {place.head, before.controls, fell};
  }
  opening.params = params;
  opening.owner_check = ring_.labels.set_check(set_of(own(entry.labels)));
  opening.index = index;
  opening.bits = bits;
  opening.left = left;
  opening.time_ms = time_ms;
  ChunkPen chunk;
  open_chunk(ring_.slots.slot(opening.self.slot), opening, chunk);
  ring_.pens[series].mode = time_ms ? kTimedChunk : kChunk;
  keep(series, chunk);
  const TimelineNumber timeline = timeline_ == kNoTimeline ? place.timeline : timeline_;
  // The caller writes the rest of the entry; this only links the chunk, so that it is found when the rest says so.
  ring_.entries[series].place.store(SeriesPlace{opening.self, timeline}.pack(), std::memory_order_release);
  return chunk;
}

// Where the open chunk is to be written on. `coded_bits` is the last value in it. REQUIRES: the chunk is ours.
ChunkPen SeriesPen::chunk_pen(SeriesNumber series, std::uint64_t coded_bits) const {
  const Pen& pen = ring_.pens[series];
  const ChunkLink head = place_of(series).head;
  const Slot& slot = ring_.slots.slot(head.slot);
  ChunkPen chunk;
  chunk.index = static_cast<std::uint32_t>(own(ring_.entries[series].changed));
  chunk.data = pen.data + kStreamBegin;
  chunk.controls = ChunkHead::unpack(own(slot.words[0])).controls;
  chunk.absent = pen.absent != 0;
  chunk.aside = pen.aside != 0;
  if (!chunk.aside) {
    take_value(chunk, unpack_params(own(slot.words[1]), own(slot.words[2])).domain, coded_bits);
  } else if (const auto image = copy_slot(slot, head.generation)) {
    const ChunkStart start = decode_start(*image);
    NoSink sink;
    const ChunkEnd end =
        start.head.timed ? walk_timed<false>(*image, start, sink) : walk_chunk<false>(*image, start, sink);
    chunk.m = end.m;
    chunk.ulps = end.ulps;
  }
  return chunk;
}

void SeriesPen::keep(SeriesNumber series, const ChunkPen& chunk) {
  Pen& pen = ring_.pens[series];
  pen.data = (chunk.data - kStreamBegin) & 0x3ff;
  pen.absent = chunk.absent ? 1 : 0;
  pen.aside = chunk.aside ? 1 : 0;
}

ChunkParams SeriesPen::params_after(SeriesNumber series, std::uint64_t next_bits) const {
  const SeriesPlace place = place_of(series);
  if (!ring_.slots.known(place.head)) return first_params(next_bits, next_bits);
  const Slot& slot = ring_.slots.slot(place.head.slot);
  // acquire, and the head once more below: as in copy_slot().
  const ChunkHead head = ChunkHead::unpack(slot.words[0].load(std::memory_order_acquire));
  const std::uint64_t previous = slot.words[1].load(std::memory_order_acquire);
  const std::uint64_t index = slot.words[2].load(std::memory_order_acquire);
  const ChunkParams params = unpack_params(previous, index);
  SlotImage image;
  if (!keeps_params(head, params, static_cast<std::uint32_t>(index), next_bits)) {
    if (!copy_slot_into(image, slot, place.head.generation)) return first_params(next_bits, next_bits);
    image[kSlotWords] = 0;
    return next_params(image, next_bits);
  }
  const ChunkHead again = ChunkHead::unpack(own(slot.words[0]));
  const bool whole = head.generation == place.head.generation && again.generation == head.generation;
  return whole ? params : first_params(next_bits, next_bits);
}

// The first sample of a series, or the first after all its chunks were lost while it was absent: no chunk needed yet.
void SeriesPen::begin_run(SeriesNumber series, std::uint64_t bits) {
  Pen& pen = ring_.pens[series];
  pen.mode = kBare;
  pen.absent = 0;
  write_entry(series, {ChunkLink{}, timeline_}, index_, bits, SeriesState::kPresent);
}

// The run that was all in the entry becomes the beginning of a chunk.
ChunkPen SeriesPen::open_first(SeriesNumber series, std::uint64_t next_bits) {
  const std::uint64_t bits = own(ring_.entries[series].last);
  const auto begun = static_cast<std::uint32_t>(own(ring_.entries[series].changed));
  return open_next(series, begun, bits, first_params(bits, next_bits), std::nullopt, std::nullopt);
}

// Whether the open chunk can be written to. If the ring has gone over it, what is left is the run in the entry.
bool SeriesPen::chunk_is_ours(SeriesNumber series) {
  const SeriesPlace place = place_of(series);
  if (!ring_.slots.known(place.head)) return false;
  const ChunkHead head = ChunkHead::unpack(own(ring_.slots.slot(place.head.slot).words[0]));
  return head.generation == place.head.generation;
}

// What most changes are: one more value in the open chunk, and an entry that keeps its place and its state.
inline Near SeriesPen::write_near(SeriesNumber series, std::uint64_t bits) {
  Pen& pen = ring_.pens[series];
  if (pen.mode != kChunk || (pen.absent | pen.aside) != 0) return Near::kOther;
  SeriesEntry& entry = ring_.entries[series];
  const std::uint64_t place = own(entry.place);
  const ChunkLink head = SeriesPlace::unpack(place).head;
  if (!ring_.slots.known(head) || !ring_.slots.writable(seat_, head.slot)) return Near::kOther;
  Slot& slot = ring_.slots.slot(head.slot);
  if (static_cast<std::uint16_t>(own(slot.words[0])) != head.generation) return Near::kOther;
  const std::uint64_t before = own(entry.changed);
  std::uint32_t data = pen.data + kStreamBegin;
  const Near near = append_near(slot, data, static_cast<std::uint32_t>(before), index_, bits, own(entry.last));
  if (near != Near::kWritten) return near;
  pen.data = (data - kStreamBegin) & 0x3ff;
  const std::uint64_t changed = pack_changed(index_, static_cast<std::uint32_t>(before >> 32));
  const std::uint32_t set = set_of(own(entry.labels));
  // The order of write_entry().
  entry.changed.store(changed, std::memory_order_release);
  entry.last.store(bits, std::memory_order_release);
  const std::uint32_t check = entry_check(place, bits, changed, set, SeriesState::kPresent);
  entry.labels.store(pack_labels(set, check, SeriesState::kPresent), std::memory_order_release);
  return Near::kWritten;
}

// The open chunk is full: the value begins the next one.
void SeriesPen::write_next(SeriesNumber series, std::uint64_t bits) {
  // Wanted last of all, and not near anything that is at hand.
  ring_.labels.prefetch(set_of(own(ring_.entries[series].labels)));
  open_next(series, index_, bits, params_after(series, bits), std::nullopt, std::nullopt);
  write_entry(series, place_of(series), index_, bits, SeriesState::kPresent);
}

// Whatever write_near() does not write.
void SeriesPen::write_value(SeriesNumber series, std::uint64_t bits) {
  Pen& pen = ring_.pens[series];
  if (pen.mode == kUnread) [[unlikely]]
    read_state(series);
  const std::uint64_t previous = own(ring_.entries[series].last);
  switch (pen.mode) {
    case kDetached: {
      const SeriesPlace place = place_of(series);
      const LeftTimeline left{place.timeline, static_cast<std::uint32_t>(own(ring_.entries[series].changed))};
      if (place.head.none()) return begin_run(series, bits);
      open_next(series, index_, bits, params_after(series, bits), left, std::nullopt);
      break;
    }
    case kBare:
    case kBareToTimed: {
      const bool to_timed = pen.mode == kBareToTimed;
      ChunkPen chunk = open_first(series, bits);
      // A chunk that was just opened has room for two values, whatever they are.
      (void)append_value(ring_.slots.slot(place_of(series).head.slot), chunk, index_, bits, previous);
      keep(series, chunk);
      pen.mode = to_timed ? kChunkToTimed : kChunk;
      break;
    }
    case kChunk:
    case kChunkToTimed: {
      const bool to_timed = pen.mode == kChunkToTimed;
      if (!chunk_is_ours(series)) {
        if (pen.absent != 0) return begin_run(series, bits);
        ring_.entries[series].place.store(SeriesPlace{ChunkLink{}, timeline_}.pack(), std::memory_order_release);
        pen.mode = to_timed ? kBareToTimed : kBare;
        return write_value(series, bits);
      }
      const ChunkLink head = place_of(series).head;
      ChunkPen chunk = chunk_pen(series, previous);
      if (ring_.slots.writable(seat_, head.slot) &&
          append_other(ring_.slots.slot(head.slot), chunk, index_, bits, previous)) {
        keep(series, chunk);
      } else {
        open_next(series, index_, bits, params_after(series, bits), std::nullopt, std::nullopt);
      }
      pen.mode = to_timed ? kChunkToTimed : kChunk;
      break;
    }
    default:
      return begin_run(series, bits);
  }
  write_entry(series, place_of(series), index_, bits, SeriesState::kPresent);
}

void SeriesPen::write_absent(SeriesNumber series) {
  read_state(series);
  Pen& pen = ring_.pens[series];
  if (!pen.is_present()) return;
  const std::uint64_t last = own(ring_.entries[series].last);
  if (pen.mode == kChunk && !chunk_is_ours(series)) {
    ring_.entries[series].place.store(SeriesPlace{ChunkLink{}, timeline_}.pack(), std::memory_order_release);
    pen.mode = kBare;
  }
  ChunkPen chunk = pen.mode == kBare ? open_first(series, last) : chunk_pen(series, last);
  const ChunkLink head = place_of(series).head;
  if (!ring_.slots.writable(seat_, head.slot) || !append_absent(ring_.slots.slot(head.slot), chunk, index_)) {
    // The last scrape with a sample begins the next chunk, so that the absence has something to end.
    chunk = open_next(series, index_ - 1, last, params_after(series, last), std::nullopt, std::nullopt);
    (void)append_absent(ring_.slots.slot(place_of(series).head.slot), chunk, index_);
  }
  keep(series, chunk);
  write_entry(series, place_of(series), index_, last, SeriesState::kAbsent);
}

// Samples with times of their own cannot be told by the number of their scrape: the entry says how much of the newest
// chunk from before the scrape was there, until that is published.
void SeriesPen::mark_timed(SeriesNumber series, std::uint32_t controls) {
  write_entry(series, place_of(series), index_, controls, SeriesState::kTimed);
}

void SeriesPen::write_timed(SeriesNumber series, std::int64_t time_ms, std::uint64_t bits) {
  read_state(series);
  Pen& pen = ring_.pens[series];
  Timed& timed = timed_[series];
  std::optional<LeftTimeline> left;
  // Of a chunk from an earlier scrape or another timeline all is published.
  std::uint32_t published = kAllControls;
  if (pen.mode == kTimedChunk && place_of(series).timeline == timeline_) {
    const SeriesEntry& entry = ring_.entries[series];
    const bool marked =
        state_of(own(entry.labels)) == SeriesState::kTimed && static_cast<std::uint32_t>(own(entry.changed)) == index_;
    const bool ours = chunk_is_ours(series);
    ChunkPen chunk = ours ? chunk_pen(series, timed.coded_bits) : ChunkPen{};
    // Of a chunk that the ring has gone over nobody reads anything.
    published = marked ? static_cast<std::uint32_t>(own(entry.last)) : chunk.controls;
    if (!marked) mark_timed(series, published);
    const ChunkLink head = place_of(series).head;
    const bool open = ours && ring_.slots.writable(seat_, head.slot) && timed.coded_ms < time_ms;
    if (open && append_timed(ring_.slots.slot(head.slot), chunk, {timed.coded_ms, timed.step_ms}, time_ms, bits,
                             timed.coded_bits)) {
      keep(series, chunk);
      timed.step_ms = time_ms - timed.coded_ms;
      timed.coded_ms = time_ms;
      timed.coded_bits = bits;
      return;
    }
  } else if (pen.mode != kTimedChunk) {
    if (pen.mode == kBareToTimed || pen.mode == kBare) open_first(series, bits);
    if (pen.mode == kDetached) {
      left = LeftTimeline{place_of(series).timeline, static_cast<std::uint32_t>(own(ring_.entries[series].changed))};
    } else if (pen.mode != kFresh) {
      // One that is absent has said so in its chunk.
      left = LeftTimeline{timeline_, pen.absent != 0 ? index_ : touched_at(pen) + 1};
    }
  }
  open_next(series, index_, bits, params_after(series, bits), left, time_ms);
  timed.step_ms = 0;
  timed.coded_ms = time_ms;
  timed.coded_bits = bits;
  mark_timed(series, published);
}

void SeriesPen::detach(SeriesNumber series, std::uint32_t end) {
  read_state(series);
  Pen& pen = ring_.pens[series];
  SeriesEntry& entry = ring_.entries[series];
  if (pen.is_present()) {
    const TimelineNumber current = std::exchange(timeline_, kNoTimeline);
    ring_.slots.look(seat_);
    if (pen.mode == kChunk && !chunk_is_ours(series)) pen.mode = kBare;
    if (pen.mode == kBare) open_first(series, own(entry.last));
    ring_.slots.look_away(seat_);
    timeline_ = current;
    write_entry(series, place_of(series), end, own(entry.last), SeriesState::kLeft);
  }
  if (pen.mode == kBare || pen.mode == kChunk) pen.mode = kDetached;
}

void SeriesPen::take_over(SeriesNumber series, const SeriesView& other) {
  Pen& pen = ring_.pens[series];
  pen.forget();
  pen.mode = kDetached;
  pen.last = other.last;
  // What its other writer does after the newest scrape that was published is not the series' any more.
  const bool bare = other.state == SeriesState::kPresent && other.place.head.none();
  if (bare) {
    write_entry(series, other.place, other.changed, other.last, SeriesState::kPresent);
    pen.mode = kBare;
    detach(series, other.count);
  } else if (other.state == SeriesState::kPresent) {
    write_entry(series, other.place, other.count, other.last, SeriesState::kLeft);
  } else {
    write_entry(series, other.place, other.changed, other.last, other.state);
  }
}

// Unused bits are zero for whoever writes on. A process that was killed may have left some behind the last event it
// counted.
void SeriesPen::erase_rest(Slot& slot, const ChunkPen& pen) {
  const std::uint32_t begin = pen.data;
  const std::uint32_t end = kSlotBits - 2 * pen.controls;
  for (std::uint32_t word = begin / 64; word < kSlotWords; ++word) {
    const std::uint32_t low = word * 64;
    if (low >= end) break;
    std::uint64_t keep = 0;
    if (begin > low) keep |= (std::uint64_t{1} << (begin - low)) - 1;
    if (end < low + 64) keep |= ~std::uint64_t{0} << (end - low);
    slot.words[word].store(own(slot.words[word]) & keep, std::memory_order_release);
  }
}

// Goes on with the chunk that the last process left open. False if it is not there or makes no sense.
bool SeriesPen::adopt_chunk(SeriesNumber series, ChunkLink head, SeriesState state) {
  if (!ring_.slots.known(head)) return false;
  Slot& slot = ring_.slots.slot(head.slot);
  const auto image = copy_slot(slot, head.generation);
  if (!image) return false;
  const ChunkStart start = decode_start(*image);
  NoSink sink;
  const bool timed = start.head.timed;
  const ChunkEnd end = timed ? walk_timed<false>(*image, start, sink) : walk_chunk<false>(*image, start, sink);
  if (end.damaged || timed != (state == SeriesState::kTimed)) {
    ring_.counters.damaged.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  Pen& pen = ring_.pens[series];
  const Mantissa value = mantissa_of(start.params.domain, std::bit_cast<double>(end.bits));
  ChunkPen chunk;
  chunk.data = end.data;
  chunk.controls = start.head.controls;
  chunk.absent = end.absent;
  chunk.aside = !value.exact || value.m != end.m || value.ulps != end.ulps;
  keep(series, chunk);
  pen.mode = timed ? kTimedChunk : kChunk;
  pen.last = end.bits;
  erase_rest(slot, chunk);
  if (timed) timed_[series] = {end.time_ms, end.step_ms, end.time_ms, end.bits};
  if (state == SeriesState::kLeft) pen.mode = kDetached;
  return true;
}

void SeriesPen::read_state(SeriesNumber series) {
  Pen& pen = ring_.pens[series];
  if (pen.mode != kUnread) return;
  const SeriesEntry& entry = ring_.entries[series];
  const SeriesState state = state_of(own(entry.labels));
  const SeriesPlace place = place_of(series);
  pen.last = own(entry.last);
  if (state == SeriesState::kNew || state == SeriesState::kFree) {
    pen.mode = kFresh;
    return;
  }
  if (!place.head.none() && adopt_chunk(series, place.head, state)) {
    // done
  } else if (state == SeriesState::kPresent) {
    pen.mode = kBare;
    const auto begun = static_cast<std::uint32_t>(own(entry.changed));
    if (!place.head.none()) write_entry(series, {ChunkLink{}, place.timeline}, begun, pen.last, state);
  } else {
    // What it had is lost; the next sample begins it anew.
    pen.mode = kFresh;
  }
  if (pen.is_present() && ring_.timelines.known(place.timeline)) {
    pen.touched = static_cast<std::uint16_t>(ring_.timelines.count(place.timeline) - 1);
  }
}

}  // namespace core::ring
