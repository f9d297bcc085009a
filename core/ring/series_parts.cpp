// SPDX-License-Identifier: Apache-2.0
#include "core/ring/series_parts.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace core::ring {
namespace {

// How often reading starts over because the series' newest chunk was replaced meanwhile.
constexpr int kAttempts = 16;

FoundRange& remembered_range(TimelineNumber timeline) {
  constexpr std::size_t kRemembered = 64;
  thread_local std::array<FoundRange, kRemembered> remembered;
  return remembered[timeline % kRemembered];
}

}  // namespace

const FoundRange& find_range(const RingState& ring, TimelineNumber timeline, std::uint32_t count, std::int64_t from_ms,
                             std::int64_t to_ms) {
  FoundRange& found = remembered_range(timeline);
  if (found.instance == ring.instance && found.timeline == timeline && found.count == count &&
      found.from_ms == from_ms && found.to_ms == to_ms) {
    // The oldest page may have been given away since.
    if (found.range.empty() || ring.timelines.page_of(timeline, static_cast<std::uint32_t>(found.range.first))) {
      return found;
    }
  }
  found = {ring.instance, timeline, count, from_ms, to_ms, ring.timelines.find(timeline, count, from_ms, to_ms),
           false,         0,        0};
  for (std::int64_t index = found.range.first; index <= found.range.last && !found.burnt; ++index) {
    const auto time = ring.timelines.time_of(timeline, static_cast<std::uint32_t>(index));
    found.burnt = !time;
    if (index == found.range.first) found.first_ms = time.value_or(0);
    found.last_ms = time.value_or(0);
  }
  return found;
}

bool PartList::collect(const SeriesView& view) {
  size_ = 0;
  burnt_ = false;
  paged_timeline_ = kNoTimeline;
  timeline_ = view.place.timeline;
  enter_timeline(view.count);
  std::int64_t end = view.count;
  if (view.state == SeriesState::kLeft) end = std::min<std::int64_t>(end, view.changed);
  if (view.state == SeriesState::kNew) return true;
  if (view.place.head.none() || !ring_.slots.known(view.place.head)) {
    if (view.state == SeriesState::kPresent) add_run(view.changed, view.last, end);
    return true;
  }
  // It changed last before the window, whose samples all have one value then.
  if (view.state == SeriesState::kPresent && view.changed < found_.first && view.changed < view.count &&
      view.changed >= least_) {
    add_run(view.changed, view.last, end);
    return true;
  }
  Part& head = add();
  if (!copy_slot_into(head.image, ring_.slots.slot(view.place.head.slot), view.place.head.generation)) {
    --size_;
    // The entry still has the newest run.
    if (view.state == SeriesState::kPresent && view.changed < view.count) add_run(view.changed, view.last, end);
    return false;
  }
  // Samples with times of their own, of a scrape that is not published yet.
  const bool unpublished = view.state == SeriesState::kTimed && view.changed >= view.count;
  count_ = view.count;
  newest_ = true;
  controls_ = unpublished ? static_cast<std::uint16_t>(view.last) : 0xffff;
  follow(end);
  return true;
}

std::optional<std::int64_t> PartList::time_of(const RingState& ring, TimelineNumber timeline,
                                              std::uint32_t index) const {
  const FoundRange& found = remembered_range(timeline);
  const bool same = found.instance == ring.instance && found.timeline == timeline && found.from_ms == from_ms_ &&
                    found.to_ms == to_ms_;
  if (same && index == found.range.first) return found.first_ms;
  if (same && index == found.range.last) return found.last_ms;
  return ring.timelines.time_of(timeline, index);
}

std::vector<Part>& PartList::scratch() {
  thread_local std::vector<Part> parts;
  return parts;
}

void PartList::enter_timeline(std::uint32_t count) {
  found_ = {};
  least_ = 0;
  if (!ring_.timelines.known(timeline_)) return;
  const FoundRange& found = find_range(ring_, timeline_, count, from_ms_, to_ms_);
  found_ = found.range;
  burnt_ = burnt_ || found.burnt;
  least_ = ring_.timelines.first(timeline_);
}

ScrapeRange PartList::within(std::int64_t first, std::int64_t end) const {
  return {std::max(found_.first, first), std::min(found_.last, end - 1)};
}

void PartList::add_run(std::uint32_t first, std::uint64_t bits, std::int64_t end) {
  if (first < least_ || !ring_.timelines.known(timeline_)) return;
  const ScrapeRange range = within(first, end);
  if (range.empty()) return;
  Part& part = add();
  part.kind = Part::Kind::kRun;
  part.timeline = timeline_;
  part.range = range;
  part.first = first;
  part.bits = bits;
}

bool PartList::has_page(std::uint32_t index) {
  const std::uint32_t page = index / kTimesPerPage;
  // It was there a moment ago, for the chunk behind this one.
  if (timeline_ == paged_timeline_ && page == page_) return true;
  if (!ring_.timelines.page_of(timeline_, index)) return false;
  paged_timeline_ = timeline_;
  page_ = page;
  return true;
}

void PartList::follow(std::int64_t end) {
  for (std::uint32_t steps = 0; steps < ring_.slots.slots(); ++steps) {
    Part& part = parts_[size_ - 1];
    ChunkStart& start = part.start;
    decode_front_into(start, part.image);
    part.timeline = timeline_;
    bool more = true;
    bool wanted = true;
    if (start.head.timed) {
      part.kind = Part::Kind::kTimed;
      part.range = {};
      more = start.time_ms > from_ms_;
      // The newest chunks may be of a scrape that is not published yet, in part or in whole.
      const bool published = !newest_ || start.index < count_;
      if (published && std::exchange(newest_, false)) {
        start.head.controls = std::min(start.head.controls, controls_);
      }
      wanted = published && start.time_ms <= to_ms_;
      end = std::numeric_limits<std::uint32_t>::max();
    } else {
      newest_ = false;
      part.kind = Part::Kind::kChunk;
      part.range = within(start.index, end);
      // Scrapes below belonged to another timeline: so did the chunk.
      const bool ours = start.index >= least_ && ring_.timelines.known(timeline_);
      wanted = ours && !part.range.empty();
      // Even if this timeline has nothing that early, the one before it may. But what lies before a time that is lost
      // is lost as well: a series has no holes that its target did not have.
      more = ours && (start.head.starts || found_.first < start.index) && has_page(start.index);
      end = start.index;
    }
    const std::uint32_t previous = start.previous.link.slot;
    const std::uint16_t generation = start.previous.link.generation;
    if (start.head.starts) {
      timeline_ = start.left_timeline;
      end = start.left_index;
    }
    const bool moved = start.head.starts;
    if (!wanted) --size_;
    if (!more || previous >= ring_.slots.slots()) return;
    if (moved) enter_timeline(ring_.timelines.known(timeline_) ? ring_.timelines.count(timeline_) : 0);
    Part& before = add();
    if (!copy_slot_into(before.image, ring_.slots.slot(previous), generation, kLinkGenerations)) {
      --size_;
      return;
    }
  }
}

bool collect(const RingState& ring, SeriesNumber series, std::uint32_t generation, PartList& parts) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto view = view_series(ring, series, generation);
    if (!view) return false;
    const bool whole = parts.collect(*view);
    if (whole && view->state != SeriesState::kTimed) return true;
    // A chunk with times of its own tells by the entry alone what of it is published.
    // What was not where the entry said was replaced if the entry says something else by now.
    const auto again = view_series(ring, series, generation);
    if (again && again->place.head == view->place.head && (!whole || again->changed == view->changed)) return true;
  }
  return true;
}

}  // namespace core::ring
