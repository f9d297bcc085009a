// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "core/ring/ring_state.h"
#include "core/ring/series_reader.h"

namespace core::ring {
namespace {

// Ended series are given up before their time only when they have been over for so long: queries look back five
// minutes, and rates over a little more.
constexpr std::int64_t kEndedForMs = 10 * 60 * 1000;
// The whole table is gone through at most once for so much time of samples.
constexpr std::int64_t kPressureEveryMs = 1000;

std::uint32_t generation_of(const RingState& ring, SeriesNumber series) {
  return static_cast<std::uint32_t>(ring.entries[series].changed.load(std::memory_order_acquire) >> 32);
}

// Whether a series has come to its end, and when; the beginning of all time if nothing of it can be read any more. One
// that goes on has none.
std::optional<std::int64_t> ended_at(const RingState& ring, SeriesNumber series) {
  const auto view = view_series(ring, series, generation_of(ring, series));
  if (!view) return std::nullopt;
  const bool open = ring.timelines.known(view->place.timeline) && ring.timeline_seats[view->place.timeline] != 0;
  if (view->state == SeriesState::kPresent && open) return std::nullopt;
  if (view->state == SeriesState::kNew) {
    // Made in a scrape that was over long ago, and never appended to.
    const bool waits = ring.pens[series].owner.load(std::memory_order_relaxed) != kNoOwner;
    return waits ? std::nullopt : std::optional(std::numeric_limits<std::int64_t>::min());
  }
  const auto newest = find_newest(ring, series, generation_of(ring, series));
  return newest ? newest->time_ms : std::numeric_limits<std::int64_t>::min();
}

bool is_of(const RingState& ring, std::uint16_t owner, std::size_t seat) {
  return owner != kNoOwner && owner != kErasedOwner && ring.timeline_seats[owner - 1U] == seat + 1;
}

// Whether targets may be on their way that the process before this one had: some minutes of samples, and some scrapes,
// as a target that is behind in time says nothing of the others.
bool starting(const RingState& ring) {
  constexpr std::uint64_t kScrapes = 20'000;
  return ring.publishes < kScrapes || ring.newest_ms < ring.first_ms + kEndedForMs;
}

// The newest time that counts for a series: of its own timeline, as long as that goes on or may be continued any
// moment.
std::int64_t now_of(const RingState& ring, SeriesNumber series) {
  const auto timeline = SeriesPlace::unpack(ring.entries[series].place.load(std::memory_order_acquire)).timeline;
  if (!ring.timelines.known(timeline)) return ring.newest_ms;
  if (ring.timeline_seats[timeline] == 0 && !starting(ring)) return ring.newest_ms;
  const auto newest = ring.timelines.newest_before(timeline, ring.timelines.count(timeline));
  return newest ? newest->time_ms : ring.newest_ms;
}

enum class GiveUp { kUnreadable, kLongEnded };

// Gives a series up of which nothing can be read, or one that ended long ago.
void give_up(RingState& ring, SeriesNumber series, GiveUp which, std::size_t seat) {
  const std::uint64_t labels = ring.entries[series].labels.load(std::memory_order_acquire);
  const std::uint16_t owner = ring.pens[series].owner.load(std::memory_order_relaxed);
  if (state_of(labels) == SeriesState::kFree || owner == kErasedOwner) return;
  // One of the caller's own may have a sample waiting in the open scrape: it has come back.
  if (is_of(ring, owner, seat) && ring.pens[series].staged != 0) return;
  const auto ended = ended_at(ring, series);
  if (!ended) return;
  const bool unreadable = *ended == std::numeric_limits<std::int64_t>::min();
  if (!unreadable && (which == GiveUp::kUnreadable || *ended > now_of(ring, series) - kEndedForMs)) return;
  erase_series(ring, series, seat);
  ring.counters.reclaimed.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

void erase_series(RingState& ring, SeriesNumber series, std::size_t caller) {
  Pen& pen = ring.pens[series];
  // Before the owner is taken away: a writer that knows of that has readers know of this.
  ring.erased[series / 64].fetch_or(std::uint64_t{1} << (series % 64), std::memory_order_seq_cst);
  const std::uint16_t owner = pen.owner.exchange(kErasedOwner, std::memory_order_seq_cst);
  std::function<bool()> busy;
  if (owner != kNoOwner && owner != kErasedOwner) {
    --ring.series_of_timeline[owner - 1U];
    if (const std::uint16_t seat = ring.timeline_seats[owner - 1U]; seat != 0 && seat != caller + 1) {
      // See MappedAppender::begin(): in an odd round it may have seen that the series was its own.
      const std::atomic<std::uint64_t>& round = ring.seats[seat - 1U].round;
      const std::uint64_t seen = round.load(std::memory_order_seq_cst);
      if (seen % 2 == 1) busy = [&round, seen] { return round.load(std::memory_order_seq_cst) == seen; };
    }
  }
  // In the file at once, so that no later process finds it. A writer that is in the middle of a scrape may write over
  // this; collect_erased() comes after it.
  Word& labels = ring.entries[series].labels;
  labels.store(pack_labels(set_of(labels.load(std::memory_order_acquire)), 0, SeriesState::kFree),
               std::memory_order_release);
  ring.index.erase(series, std::move(busy));
}

void collect_erased(RingState& ring) {
  ring.index.collect([&ring](SeriesNumber series) {
    SeriesEntry& entry = ring.entries[series];
    const std::uint32_t generation = generation_of(ring, series) + 1;
    entry.labels.store(pack_labels(0, 0, SeriesState::kFree), std::memory_order_release);
    entry.changed.store(pack_changed(0, generation), std::memory_order_release);
    entry.place.store(SeriesPlace{}.pack(), std::memory_order_release);
    Pen& pen = ring.pens[series];
    pen.forget();
    pen.owner.store(kNoOwner, std::memory_order_seq_cst);
    // After the generation has changed: the old references find nothing either way.
    ring.erased[series / 64].fetch_and(~(std::uint64_t{1} << (series % 64)), std::memory_order_seq_cst);
  });
}

void sweep(RingState& ring, std::uint64_t steps, std::size_t caller) {
  const bool overwrites = ring.slots.horizon_ms().has_value() || ring.timelines.pages_used() == ring.geometry.pages;
  if (!overwrites) return;
  const SeriesNumber numbers = ring.index.numbers();
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(steps, numbers); ++i) {
    ring.sweep_at = (ring.sweep_at + 1) % numbers;
    give_up(ring, ring.sweep_at, GiveUp::kUnreadable, caller);
  }
}

void sweep_under_pressure(RingState& ring, std::size_t caller) {
  collect_erased(ring);
  if (ring.newest_ms < ring.last_pressure_ms + kPressureEveryMs) return;
  ring.last_pressure_ms = ring.newest_ms;
  for (SeriesNumber series = 0; series < ring.index.numbers(); ++series) {
    give_up(ring, series, GiveUp::kLongEnded, caller);
  }
  // What is out of the postings now is free two epochs later, if no reader holds that up.
  for (int i = 0; i < 3; ++i) collect_erased(ring);
}

}  // namespace core::ring
