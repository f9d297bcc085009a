// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "core/ring/chunk_decode.h"
#include "core/ring/ring_state.h"
#include "core/ring/series_reader.h"

namespace core::ring {
namespace {

// A writer changes an entry once a scrape; a reader that meets it this often has been asleep.
constexpr int kAttempts = 64;
// A search for the newest sample looks so far back before it looks at everything.
constexpr std::int64_t kNearMs = 10 * 60 * 1000;

}  // namespace

// The writer stores place, changed, last and labels in this order (SeriesPen::write_entry), each with release; of a
// series with times of its own last before changed. The count of scrapes is read first, so that whatever a published
// scrape changed is seen below; what a later scrape changed has a `changed` at or past the count, and is told apart by
// that.
std::optional<SeriesView> view_series(const RingState& ring, SeriesNumber series, std::uint32_t generation) {
  if (series >= ring.geometry.max_series) return std::nullopt;
  const SeriesEntry& entry = ring.entries[series];
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::uint64_t place = entry.place.load(std::memory_order_acquire);
    SeriesView view;
    view.place = SeriesPlace::unpack(place);
    if (ring.timelines.known(view.place.timeline)) view.count = ring.timelines.count(view.place.timeline);
    const std::uint64_t place_again = entry.place.load(std::memory_order_acquire);
    view.last = entry.last.load(std::memory_order_acquire);
    const std::uint64_t changed = entry.changed.load(std::memory_order_acquire);
    const std::uint64_t labels = entry.labels.load(std::memory_order_acquire);
    const std::uint64_t changed_again = entry.changed.load(std::memory_order_acquire);
    // relaxed: of a series with times of its own it is stored before the `changed` that was acquired.
    const std::uint64_t last_again = entry.last.load(std::memory_order_relaxed);
    if (changed >> 32 != generation) return std::nullopt;
    if (SeriesPlace::unpack(place_again).timeline != view.place.timeline || changed != changed_again) continue;
    // relaxed: a new chunk is linked before `changed` says so, and that was acquired.
    const std::uint64_t place_last = entry.place.load(std::memory_order_relaxed);
    if (place_last != place_again || view.last != last_again) continue;
    view.place = SeriesPlace::unpack(place_last);
    view.changed = static_cast<std::uint32_t>(changed);
    view.state = state_of(labels);
    if (view.state == SeriesState::kFree || ring.is_erased(series)) return std::nullopt;
    return view;
  }
  return std::nullopt;
}

// The newest sample as the entry tells it.
static std::optional<Sample> newest_sample(const RingState& ring, const SeriesView& view, NewestScrape& remembered) {
  const auto sample_at = [&](std::uint32_t index) -> std::optional<Sample> {
    const auto time = ring.timelines.time_of(view.place.timeline, index);
    if (!time) return std::nullopt;
    return Sample{*time, std::bit_cast<double>(view.last)};
  };
  const bool known = ring.timelines.known(view.place.timeline);
  if (known && view.changed < view.count && view.changed >= ring.timelines.first(view.place.timeline)) {
    if (view.state == SeriesState::kPresent) {
      if (remembered.timeline != view.place.timeline || remembered.count != view.count) {
        remembered = {view.place.timeline, view.count, ring.timelines.newest_before(view.place.timeline, view.count)};
      }
      const auto& newest = remembered.scrape;
      if (newest && newest->index >= view.changed) return Sample{newest->time_ms, std::bit_cast<double>(view.last)};
    }
    // The scrape before may have been burnt, in which case `last` was never published.
    if (view.state == SeriesState::kAbsent || view.state == SeriesState::kLeft) {
      if (auto sample = view.changed > 0 ? sample_at(view.changed - 1) : std::nullopt) return sample;
    }
  }
  return std::nullopt;
}

// The last sample of a series with times of its own: its newest chunk tells, if all of that is published.
static std::optional<Sample> newest_timed(const RingState& ring, const SeriesView& view) {
  if (view.changed >= view.count || !ring.slots.known(view.place.head)) return std::nullopt;
  const auto image = copy_slot(ring.slots.slot(view.place.head.slot), view.place.head.generation);
  if (!image) return std::nullopt;
  const ChunkStart start = decode_start(*image);
  if (!start.head.timed) return std::nullopt;
  NoSink sink;
  const ChunkEnd end = walk_timed<false>(*image, start, sink);
  if (end.damaged) return std::nullopt;
  return Sample{end.time_ms, std::bit_cast<double>(end.bits)};
}

std::optional<Sample> find_newest(const RingState& ring, SeriesNumber series, std::uint32_t generation) {
  NewestScrape remembered;
  return find_newest(ring, series, generation, remembered);
}

std::optional<Sample> find_newest(const RingState& ring, SeriesNumber series, std::uint32_t generation,
                                  NewestScrape& remembered) {
  const auto view = view_series(ring, series, generation);
  if (!view) return std::nullopt;
  if (auto sample = newest_sample(ring, *view, remembered)) return sample;
  if (view->state == SeriesState::kNew) return std::nullopt;
  if (view->state == SeriesState::kTimed) {
    const auto sample = newest_timed(ring, *view);
    // Nothing was written meanwhile that is not published.
    const auto again = view_series(ring, series, generation);
    if (sample && again && again->changed == view->changed && again->place.head == view->place.head) return sample;
  }
  thread_local std::vector<Sample> samples;
  constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();
  if (ring.timelines.known(view->place.timeline)) {
    const auto newest = ring.timelines.newest_before(view->place.timeline, view->count);
    if (newest) read_samples(ring, series, generation, newest->time_ms - kNearMs, kEver, samples);
    if (newest && !samples.empty()) return samples.back();
  }
  read_samples(ring, series, generation, std::numeric_limits<std::int64_t>::min(), kEver, samples);
  return samples.empty() ? std::nullopt : std::optional(samples.back());
}

}  // namespace core::ring
