// SPDX-License-Identifier: Apache-2.0
#include "core/ring/ring_recovery.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/ring/chunk_decode.h"
#include "core/ring/series_reader.h"

namespace core::ring {
namespace {

// relaxed throughout: nobody else is there yet.
std::uint64_t own(const Word& word) { return word.load(std::memory_order_relaxed); }

class Recovery {
 public:
  Recovery(RingState& ring, RingRecovery& found) : ring_(ring), found_(found) {}

  void run() {
    const bool checked = found_.found == FoundState::kRebooted;
    if (checked) found_.times_dropped = ring_.timelines.verify();
    ring_.timelines.adopt(checked ? Timelines::Extent::kAll : Timelines::Extent::kUsed);
    const std::uint64_t used = std::min(own(ring_.superblock.series_used), ring_.geometry.max_series);
    const std::uint64_t end = checked ? ring_.geometry.max_series : used;
    for (std::uint64_t i = 0; i < end; ++i) {
      const auto series = static_cast<SeriesNumber>(i);
      if (own(ring_.entries[series].labels) == 0) continue;
      if (state_of(own(ring_.entries[series].labels)) == SeriesState::kFree) continue;
      if (!take_over(series, checked)) drop(series);
    }
    ring_.labels.finish_adoption();
    ring_.index.finish_adoption();
    found_.series = ring_.index.live();
    ring_.counters.damaged.store(found_.series_dropped + found_.chunks_dropped + found_.times_dropped,
                                 std::memory_order_relaxed);
    ring_.newest_ms = ring_.timelines.newest_ms();
    ring_.superblock.series_used.store(std::max<std::uint64_t>(ring_.index.numbers(), checked ? 0 : used),
                                       std::memory_order_relaxed);
    release_unused();
  }

 private:
  // Looking through tables brought them into memory.
  void release_unused() {
    const RingGeometry& g = ring_.geometry;
    const std::uint64_t series = ring_.index.numbers();
    ring_.file->release(g.series_at + series * sizeof(SeriesEntry), (g.max_series - series) * sizeof(SeriesEntry));
    const std::uint64_t timelines = ring_.timelines.used();
    ring_.file->release(g.timelines_at + timelines * sizeof(TimelineEntry),
                        (g.max_timelines - timelines) * sizeof(TimelineEntry));
  }

  bool take_over(SeriesNumber series, bool checked) {
    SeriesEntry& entry = ring_.entries[series];
    const std::uint64_t labels = own(entry.labels);
    const SeriesState state = state_of(labels);
    if (state > SeriesState::kTimed) return false;
    const std::uint32_t check =
        entry_check(own(entry.place), own(entry.last), own(entry.changed), set_of(labels), state);
    if (check != (labels >> 32 & 0xffffff)) {
      if (checked) return false;
      // The process ended between a value and its check. Nothing else can have happened to it on a machine that runs
      // on.
      entry.labels.store(pack_labels(set_of(labels), check, state), std::memory_order_relaxed);
    }
    const SeriesPlace place = SeriesPlace::unpack(own(entry.place));
    if (!ring_.timelines.known(place.timeline)) return false;
    if (!ring_.labels.adopt(set_of(labels), checked)) return false;
    SeriesNumber known = 0;
    if (!ring_.index.adopt(series, known)) return replaces(series, known, checked);
    if (checked) {
      check_chunks(series);
    } else if (ring_.timelines.was_writing(place.timeline)) {
      mend_torn(series);
    }
    if (!checked) note_present(series);
    return true;
  }

  // The series that a scrape has to miss before they are absent, for when their timeline is continued.
  void note_present(SeriesNumber series) {
    const TimelineNumber timeline = SeriesPlace::unpack(own(ring_.entries[series].place)).timeline;
    const SeriesState state = state_of(own(ring_.entries[series].labels));
    if (state == SeriesState::kPresent) ring_.left_present[timeline].push_back(series);
  }

  // The process ended while a scrape of this series' timeline was being written. What of it is in the chunk stays
  // there: the number of that scrape is burnt when the timeline is continued. But the entry has to agree with the
  // chunk, and samples with times of their own have to go.
  void mend_torn(SeriesNumber series) {
    SeriesEntry& entry = ring_.entries[series];
    const SeriesPlace place = SeriesPlace::unpack(own(entry.place));
    const std::uint32_t count = ring_.timelines.count(place.timeline);
    const SeriesState state = state_of(own(entry.labels));
    const auto changed = static_cast<std::uint32_t>(own(entry.changed));
    if (!ring_.slots.known(place.head)) return;
    auto image = copy_slot(ring_.slots.slot(place.head.slot), place.head.generation);
    if (!image) return;
    const ChunkStart start = decode_start(*image);
    if (start.head.timed) return mend_timed(series, start, *image, count);
    // Linked, but the entry was not there yet: the series had not left where it was.
    if (start.head.starts && start.index >= count && changed != start.index) {
      return rewrite(series, {before(start.previous), start.left_timeline}, changed, own(entry.last), state);
    }
    if (state == SeriesState::kLeft) return;
    NoSink sink;
    const ChunkEnd end = walk_chunk<false>(*image, start, sink);
    const SeriesState said = end.absent ? SeriesState::kAbsent : SeriesState::kPresent;
    if (!end.damaged && (end.index != changed || said != state || own(entry.last) != end.bits)) {
      rewrite(series, place, end.index, end.bits, said);
    }
  }

  void mend_timed(SeriesNumber series, const ChunkStart& start, SlotImage image, std::uint32_t count) {
    SeriesEntry& entry = ring_.entries[series];
    const SeriesPlace place = SeriesPlace::unpack(own(entry.place));
    const SeriesState state = state_of(own(entry.labels));
    const auto changed = static_cast<std::uint32_t>(own(entry.changed));
    const bool marked = state == SeriesState::kTimed && changed >= count;
    if (start.index < count) {
      if (marked) cut_timed(series, place.head.slot, image, static_cast<std::uint16_t>(own(entry.last)));
      return;
    }
    // All of the chunk was written in that scrape: the series goes back to the chunk before.
    const ChunkLink link = before(start.previous);
    const TimelineNumber timeline = start.head.starts ? start.left_timeline : place.timeline;
    auto earlier = ring_.slots.known(link) ? copy_slot(ring_.slots.slot(link.slot), link.generation) : std::nullopt;
    if (!earlier && marked) return rewrite(series, {ChunkLink{}, place.timeline}, 0, 0, SeriesState::kNew);
    if (!earlier) return rewrite(series, {link, timeline}, changed, own(entry.last), state);
    const ChunkStart earlier_start = decode_start(*earlier);
    if (earlier_start.head.timed && !marked) {
      return rewrite(series, {link, timeline}, changed, own(entry.last), state);
    }
    if (earlier_start.head.timed && timeline != place.timeline) {
      // Of another timeline's scrapes, whose numbers say nothing here: they were published before the series came.
      return rewrite(series, {link, timeline}, 0, 0, SeriesState::kTimed);
    }
    if (earlier_start.head.timed) {
      // It may have been written to in the same scrape, or itself be of it.
      rewrite(series, {link, timeline}, changed, own(entry.last), SeriesState::kTimed);
      return mend_timed(series, earlier_start, *earlier, count);
    }
    // Of the entry only the state may not have been there yet: what else it says is of this scrape then.
    NoSink sink;
    const ChunkEnd end = walk_chunk<false>(*earlier, earlier_start, sink);
    if (start.head.starts && timeline != place.timeline) {
      return rewrite(series, {link, timeline}, start.left_index, end.bits,
                     end.absent ? SeriesState::kAbsent : SeriesState::kLeft);
    }
    rewrite(series, {link, timeline}, end.index, end.bits, end.absent ? SeriesState::kAbsent : SeriesState::kPresent);
  }

  // Takes back what a chunk got in a scrape that was not published.
  void cut_timed(SeriesNumber series, std::uint32_t slot, SlotImage& image, std::uint16_t controls) {
    ChunkStart start = decode_start(image);
    ChunkHead head = start.head;
    head.controls = std::min(head.controls, controls);
    image[0] = head.pack();
    start = decode_start(image);
    start.head.check = chunk_seed(ring_.labels.set_check(set_of(own(ring_.entries[series].labels))), slot, image);
    NoSink sink;
    head.check = walk_timed<true>(image, start, sink).check;
    ring_.slots.slot(slot).words[0].store(head.pack(), std::memory_order_relaxed);
    const SeriesPlace place = SeriesPlace::unpack(own(ring_.entries[series].place));
    rewrite(series, place, start.index, 0, SeriesState::kTimed);
  }

  // A chunk's link to the one before has seven bits of its generation: the slot has the rest.
  ChunkLink before(const PreviousChunk& previous) const {
    if (!ring_.slots.known(previous.link)) return {};
    const ChunkHead head = ChunkHead::unpack(own(ring_.slots.slot(previous.link.slot).words[0]));
    if ((head.generation & kLinkGenerations) != previous.link.generation) return {};
    return {previous.link.slot, head.generation};
  }

  // Whether the chunks of one series lead back to the newest chunk of the other.
  bool leads_to(SeriesNumber series, SeriesNumber other) const {
    const ChunkLink wanted = SeriesPlace::unpack(own(ring_.entries[other].place)).head;
    const ChunkLink head = SeriesPlace::unpack(own(ring_.entries[series].place)).head;
    if (!ring_.slots.known(head) || !ring_.slots.known(wanted)) return false;
    auto image = copy_slot(ring_.slots.slot(head.slot), head.generation);
    for (std::uint32_t steps = 0; image && steps < ring_.slots.slots(); ++steps) {
      const PreviousChunk previous = unpack_previous((*image)[1]);
      if (!ring_.slots.known(previous.link)) return false;
      if (previous.link.slot == wanted.slot) return true;
      image = copy_previous(ring_.slots.slot(previous.link.slot), previous);
    }
    return false;
  }

  // Two entries with the same labels: the process ended while one took the other's place. The successor has the other's
  // chunks behind it, or the newer sample.
  bool replaces(SeriesNumber series, SeriesNumber known, bool checked) {
    const auto newest_of = [this](SeriesNumber each) {
      const auto generation = static_cast<std::uint32_t>(own(ring_.entries[each].changed) >> 32);
      const auto newest = find_newest(ring_, each, generation);
      return newest ? newest->time_ms : std::numeric_limits<std::int64_t>::min();
    };
    const bool newer = leads_to(series, known) || (!leads_to(known, series) && newest_of(series) > newest_of(known));
    if (!newer) {
      forget(series);
      return true;
    }
    ring_.index.forget_adopted(known);
    forget(known);
    return take_over(series, checked);
  }

  // Gives the entry back without counting it as damage. Its label set stays adopted until the next start.
  void forget(SeriesNumber series) {
    SeriesEntry& entry = ring_.entries[series];
    const auto generation = static_cast<std::uint32_t>(own(entry.changed) >> 32);
    entry.labels.store(0, std::memory_order_relaxed);
    entry.changed.store(pack_changed(0, generation + 1), std::memory_order_relaxed);
    entry.place.store(SeriesPlace{}.pack(), std::memory_order_relaxed);
  }

  void drop(SeriesNumber series) {
    forget(series);
    ++found_.series_dropped;
  }

  // Follows a series' chunks back and cuts the way at the first that is not what was written. The entry and its newest
  // chunk may be of different age, as they are in different pages.
  void check_chunks(SeriesNumber series) {
    SeriesEntry& entry = ring_.entries[series];
    const std::uint32_t owner_check = ring_.labels.set_check(set_of(own(entry.labels)));
    const SeriesPlace place = SeriesPlace::unpack(own(entry.place));
    if (!ring_.slots.known(place.head)) return;
    auto image = copy_slot(ring_.slots.slot(place.head.slot), place.head.generation);
    if (!image) return lose_head(series);
    ChunkStart start = decode_start(*image);
    const auto end = sound_end(*image, start, place.head.slot, owner_check);
    if (!end) {
      discard(place.head.slot);
      return lose_head(series);
    }
    if (!agree(series, start, *end)) return;
    for (std::uint32_t steps = 0; steps < ring_.slots.slots(); ++steps) {
      const PreviousChunk previous = start.previous;
      if (!ring_.slots.known(previous.link)) return;
      image = copy_previous(ring_.slots.slot(previous.link.slot), previous);
      if (!image) return;
      start = decode_start(*image);
      if (start.head.controls >= previous.controls &&
          sound_end(*image, start, previous.link.slot, owner_check).has_value()) {
        continue;
      }
      return discard(previous.link.slot);
    }
  }

  // Whether no value falls and none is missing.
  struct Evenness {
    static constexpr bool kMantissas = false;
    static constexpr bool kOnlyFirst = false;
    std::uint64_t last = 0;
    bool any = false;
    bool uneven = false;
    std::uint32_t first() const { return 0; }
    bool one(std::uint32_t, double value) {
      const auto bits = std::bit_cast<std::uint64_t>(value);
      uneven = uneven || (std::exchange(any, true) && is_uneven(last, bits));
      last = bits;
      return true;
    }
    bool many(std::uint32_t index, const double* values, std::uint32_t count) {
      for (std::uint32_t i = 0; i < count; ++i) one(index + i, values[i]);
      return true;
    }
    bool run(std::uint32_t, std::uint32_t, double) { return true; }
    bool absent(std::uint32_t) { return uneven = true; }
    bool timed(std::int64_t, double value) { return one(0, value); }
  };

  std::optional<ChunkEnd> sound_end(const SlotImage& image, ChunkStart start, std::uint32_t slot,
                                    std::uint32_t owner_check) const {
    const std::uint32_t wanted = start.head.check;
    start.head.check = chunk_seed(owner_check, slot, image);
    Evenness sink;
    const ChunkEnd end = start.head.timed ? walk_timed<true>(image, start, sink) : walk_chunk<true>(image, start, sink);
    // The check says nothing of the flag; one that is set in vain costs time only.
    if (end.damaged || end.check != wanted || (sink.uneven && !start.head.uneven)) return std::nullopt;
    return end;
  }

  // What the entry says of the newest chunk holds, or is made to. False if the chunk is of no use.
  bool agree(SeriesNumber series, const ChunkStart& start, const ChunkEnd& end) {
    SeriesEntry& entry = ring_.entries[series];
    const SeriesState state = state_of(own(entry.labels));
    if (state == SeriesState::kTimed && start.head.timed) {
      const SeriesPlace place = SeriesPlace::unpack(own(entry.place));
      const std::uint32_t count = ring_.timelines.count(place.timeline);
      if (static_cast<std::uint32_t>(own(entry.changed)) < count) return true;
      // Its scrape was not published, or that is not on the disk.
      if (const auto image = copy_slot(ring_.slots.slot(place.head.slot), place.head.generation)) {
        mend_timed(series, start, *image, count);
      }
      return true;
    }
    if (start.head.timed || state == SeriesState::kTimed) return state == SeriesState::kLeft;
    const auto changed = static_cast<std::uint32_t>(own(entry.changed));
    if (state == SeriesState::kLeft) return end.index < changed || !end.absent;
    const SeriesState said = end.absent ? SeriesState::kAbsent : SeriesState::kPresent;
    if (end.index == changed && said == state && (end.absent || own(entry.last) == end.bits)) return true;
    if (end.index < changed) {
      // The chunk on the disk is older than the entry: what happened in between is nowhere.
      ++found_.chunks_dropped;
      lose_head(series);
      return false;
    }
    rewrite(series, SeriesPlace::unpack(own(entry.place)), end.index, end.bits, said);
    return true;
  }

  // The newest chunk is gone: what is left is the run in the entry, if there is one.
  void lose_head(SeriesNumber series) {
    SeriesEntry& entry = ring_.entries[series];
    const SeriesPlace place{ChunkLink{}, SeriesPlace::unpack(own(entry.place)).timeline};
    rewrite(series, place, static_cast<std::uint32_t>(own(entry.changed)), own(entry.last),
            state_of(own(entry.labels)));
  }

  void rewrite(SeriesNumber series, const SeriesPlace& place, std::uint32_t changed, std::uint64_t last,
               SeriesState state) {
    SeriesEntry& entry = ring_.entries[series];
    const auto generation = static_cast<std::uint32_t>(own(entry.changed) >> 32);
    const std::uint32_t set = set_of(own(entry.labels));
    const std::uint64_t changed_word = pack_changed(changed, generation);
    entry.place.store(place.pack(), std::memory_order_relaxed);
    entry.changed.store(changed_word, std::memory_order_relaxed);
    entry.last.store(last, std::memory_order_relaxed);
    entry.labels.store(pack_labels(set, entry_check(place.pack(), last, changed_word, set, state), state),
                       std::memory_order_relaxed);
  }

  // No link leads to a slot of another generation.
  void discard(std::uint32_t slot) {
    Word& word = ring_.slots.slot(slot).words[0];
    ChunkHead head = ChunkHead::unpack(own(word));
    head.generation = static_cast<std::uint16_t>(head.generation + 1);
    head.controls = 0;
    word.store(head.pack(), std::memory_order_relaxed);
    ++found_.chunks_dropped;
  }

  RingState& ring_;
  RingRecovery& found_;
};

std::array<char, 64> padded(const std::string& text) {
  std::array<char, 64> bytes{};
  std::memcpy(bytes.data(), text.data(), std::min(text.size(), bytes.size() - 1));
  return bytes;
}

}  // namespace

RingRecovery recover_ring(RingState& ring, const std::string& boot_id) {
  RingRecovery found;
  const bool same_boot = ring.superblock.boot_id == padded(boot_id);
  const bool clean = own(ring.superblock.clean) == 1;
  found.found = !same_boot ? FoundState::kRebooted : clean ? FoundState::kClean : FoundState::kKilled;
  Recovery(ring, found).run();
  ring.superblock.boot_id = padded(boot_id);
  ring.superblock.clean.store(0, std::memory_order_release);
  return found;
}

void format_ring(MappedFile& file, const RingGeometry& geometry, const std::string& boot_id) {
  auto& superblock = *reinterpret_cast<Superblock*>(file.data());
  superblock.magic = kRingMagic;
  superblock.version = kRingVersion;
  superblock.file_bytes = geometry.file_bytes;
  superblock.max_series = geometry.max_series;
  superblock.boot_id = padded(boot_id);
  superblock.check = superblock_check(superblock);
  superblock.clean.store(1, std::memory_order_release);
}

Result<RingGeometry> identify_ring(const MappedFile& file) {
  const auto& superblock = *reinterpret_cast<const Superblock*>(file.data());
  if (file.size() < kRegionAlignment || superblock.magic != kRingMagic) {
    return fail(Errc::kInvalid, "{}: not a ring file of watchkeeper; it is left as it is", file.path());
  }
  if (superblock.version != kRingVersion) {
    return fail(Errc::kInvalid, "{}: a ring of version {}, this program knows version {}; it is left as it is",
                file.path(), superblock.version, kRingVersion);
  }
  if (superblock.check != superblock_check(superblock)) {
    return fail(Errc::kInvalid, "{}: the head of the ring is damaged; move the file away to begin a new one",
                file.path());
  }
  if (superblock.file_bytes != file.size()) {
    return fail(Errc::kInvalid, "{}: {} bytes of a ring of {}: it was cut short; move it away to begin a new one",
                file.path(), file.size(), superblock.file_bytes);
  }
  return RingGeometry::make(superblock.file_bytes, superblock.max_series);
}

}  // namespace core::ring
