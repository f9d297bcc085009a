// SPDX-License-Identifier: Apache-2.0
#include "core/ring/series_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/ring/chunk_decode.h"

namespace core::ring {
namespace {

// How often reading starts over because the series' newest chunk was replaced meanwhile.
constexpr int kAttempts = 16;

// A stretch of a series: a chunk, or a run that is all in the series' entry.
struct Part {
  enum class Kind { kRun, kChunk, kTimed };
  Kind kind = Kind::kRun;
  TimelineNumber timeline = kNoTimeline;
  ScrapeRange range;        // what of it is asked for
  std::uint32_t first = 0;  // kRun
  std::uint64_t bits = 0;   // kRun
  ChunkStart start;
  SlotImage image{};
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

FoundRange& remembered_range(TimelineNumber timeline) {
  constexpr std::size_t kRemembered = 8;
  thread_local std::array<FoundRange, kRemembered> remembered;
  return remembered[timeline % kRemembered];
}

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

// The parts of a series that a window of time touches, newest first.
class PartList {
 public:
  PartList(const RingState& ring, std::int64_t from_ms, std::int64_t to_ms)
      : ring_(ring), from_ms_(from_ms), to_ms_(to_ms), parts_(scratch()) {
    parts_.clear();
  }

  // False if the newest chunk was not there: replaced, or overwritten by the ring.
  bool collect(const SeriesView& view) {
    parts_.clear();
    burnt_ = false;
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
    Part& head = parts_.emplace_back();
    if (!copy_slot_into(head.image, ring_.slots.slot(view.place.head.slot), view.place.head.generation)) {
      parts_.pop_back();
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

  bool burnt() const { return burnt_; }
  // The time of a scrape of the window: mostly its first or its last, which were looked up when it was found.
  std::optional<std::int64_t> time_of(const RingState& ring, TimelineNumber timeline, std::uint32_t index) const {
    const FoundRange& found = remembered_range(timeline);
    const bool same = found.instance == ring.instance && found.timeline == timeline && found.from_ms == from_ms_ &&
                      found.to_ms == to_ms_;
    if (same && index == found.range.first) return found.first_ms;
    if (same && index == found.range.last) return found.last_ms;
    return ring.timelines.time_of(timeline, index);
  }
  bool timed() const {
    return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.kind == Part::Kind::kTimed; });
  }
  // Oldest first.
  template <class Visit>
  void each(Visit&& visit) const {
    for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) visit(*part);
  }
  std::size_t size() const { return parts_.size(); }

 private:
  // Kept from call to call, so that a read allocates nothing.
  static std::vector<Part>& scratch() {
    thread_local std::vector<Part> parts;
    return parts;
  }

  void enter_timeline(std::uint32_t count) {
    found_ = {};
    least_ = 0;
    if (!ring_.timelines.known(timeline_)) return;
    const FoundRange& found = find_range(ring_, timeline_, count, from_ms_, to_ms_);
    found_ = found.range;
    burnt_ = burnt_ || found.burnt;
    least_ = ring_.timelines.first(timeline_);
  }

  ScrapeRange within(std::int64_t first, std::int64_t end) const {
    return {std::max(found_.first, first), std::min(found_.last, end - 1)};
  }

  void add_run(std::uint32_t first, std::uint64_t bits, std::int64_t end) {
    if (first < least_ || !ring_.timelines.known(timeline_)) return;
    const ScrapeRange range = within(first, end);
    if (range.empty()) return;
    Part& part = parts_.emplace_back();
    part.kind = Part::Kind::kRun;
    part.timeline = timeline_;
    part.range = range;
    part.first = first;
    part.bits = bits;
  }

  // Goes from the chunk in the newest part back to where the window begins. `end` is the first scrape that is not the
  // chunk's any more.
  void follow(std::int64_t end) {
    for (std::uint32_t steps = 0; steps < ring_.slots.slots(); ++steps) {
      Part& part = parts_.back();
      ChunkStart& start = part.start;
      decode_start_into(start, part.image);
      part.timeline = timeline_;
      bool more = true;
      bool wanted = true;
      if (start.head.timed) {
        part.kind = Part::Kind::kTimed;
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
        more = ours && (start.head.starts || found_.first < start.index) &&
               ring_.timelines.page_of(timeline_, start.index).has_value();
        end = start.index;
      }
      const std::uint32_t previous = start.previous.link.slot;
      const std::uint16_t generation = start.previous.link.generation;
      if (start.head.starts) {
        timeline_ = start.left_timeline;
        end = start.left_index;
      }
      const bool moved = start.head.starts;
      if (!wanted) parts_.pop_back();
      if (!more || previous >= ring_.slots.slots()) return;
      if (moved) enter_timeline(ring_.timelines.known(timeline_) ? ring_.timelines.count(timeline_) : 0);
      Part& before = parts_.emplace_back();
      if (!copy_slot_into(before.image, ring_.slots.slot(previous), generation, kLinkGenerations)) {
        parts_.pop_back();
        return;
      }
    }
  }

  const RingState& ring_;
  const std::int64_t from_ms_;
  const std::int64_t to_ms_;
  std::vector<Part>& parts_;
  TimelineNumber timeline_ = kNoTimeline;
  ScrapeRange found_;
  std::uint32_t least_ = 0;
  bool burnt_ = false;
  // Of the newest published chunk so many controls count, if its samples have times of their own.
  bool newest_ = true;
  std::uint16_t controls_ = 0xffff;
  std::uint32_t count_ = 0;
};

// Writes samples out, each with the time of its scrape.
class SampleSink {
 public:
  static constexpr bool kMantissas = false;
  SampleSink(const RingState& ring, std::int64_t from_ms, std::int64_t to_ms, std::vector<Sample>& out)
      : timelines_(ring.timelines), from_ms_(from_ms), to_ms_(to_ms), out_(out) {}

  void begin(const Part& part, double) {
    timeline_ = part.timeline;
    first_ = static_cast<std::uint32_t>(part.range.first);
    last_ = static_cast<std::uint32_t>(part.range.last);
    if (part.kind == Part::Kind::kTimed) return;
    stop_ = 0;
    used_ = out_.size();
    out_.resize(used_ + (last_ - first_ + 1));
    next_ = out_.data() + used_;
  }
  void end() {
    used_ = static_cast<std::size_t>(next_ - out_.data());
    out_.resize(used_);
    leave_page();
  }

  std::uint32_t first() const { return first_; }
  std::uint32_t last() const { return last_; }
  bool one(std::uint32_t index, double value) { return many(index, &value, 1); }
  bool many(std::uint32_t index, const double* values, std::uint32_t count) {
    return put(index, count, [values](std::uint32_t i) { return values[i]; });
  }
  bool run(std::uint32_t index, std::uint32_t count, double value) {
    const std::uint32_t begin = std::max(index, first_);
    return put(begin, count - (begin - index), [value](std::uint32_t) { return value; });
  }
  bool absent(std::uint32_t index) { return index <= last_; }
  bool timed(std::int64_t time_ms, double value) {
    if (time_ms > to_ms_) return false;
    if (time_ms >= from_ms_) out_.push_back({time_ms, value});
    return true;
  }

 private:
  template <class ValueAt>
  bool put(std::uint32_t index, std::uint32_t count, ValueAt value_at) {
    for (std::uint32_t done = 0; done < count;) {
      const std::uint32_t at = index + done;
      if (at > last_) return false;
      const bool there = at < stop_ || turn_to(at);
      const std::uint64_t page_end = (std::uint64_t{at} / kTimesPerPage + 1) * kTimesPerPage;
      const std::uint64_t end = std::min({page_end, std::uint64_t{last_} + 1, std::uint64_t{index} + count});
      const auto here = static_cast<std::uint32_t>(end - at);
      if (there) {
        const std::atomic<std::uint32_t>* const times = times_ + at % kTimesPerPage;
        const std::int64_t base_ms = base_ms_;
        Sample* next = next_;
        for (std::uint32_t i = 0; i < here; ++i) {
          const std::uint32_t word = times[i].load(std::memory_order_acquire);
          *next = {base_ms + word, value_at(done + i)};
          // Of a scrape that was not published nothing stays.
          next += (word & kBurnt) == 0 ? 1 : 0;
        }
        next_ = next;
      }
      done += here;
    }
    return true;
  }

  // Past the last scrape that is asked for, or on the next page, whose times may not be there any more.
  bool turn_to(std::uint32_t index) {
    if (index > last_) return false;
    leave_page();
    stop_ = 0;
    view_ = timelines_.page_of(timeline_, index);
    if (!view_) return false;
    stop_ =
        std::min<std::uint64_t>((std::uint64_t{index} / kTimesPerPage + 1) * kTimesPerPage, std::uint64_t{last_} + 1);
    times_ = view_->times->data();
    base_ms_ = view_->base_ms;
    return true;
  }
  // A page that was given away meanwhile has lied about times; what is older is gone with it.
  void leave_page() {
    if (view_ && !view_->still()) {
      const std::size_t spare = out_.size() - used_;
      used_ = 0;
      out_.resize(spare);
      next_ = out_.data();
    }
    view_.reset();
  }

  const Timelines& timelines_;
  const std::int64_t from_ms_;
  const std::int64_t to_ms_;
  std::vector<Sample>& out_;
  TimelineNumber timeline_ = kNoTimeline;
  std::uint32_t first_ = 0;
  std::uint32_t last_ = 0;
  std::uint64_t stop_ = 0;  // the scrape from which on times_ says nothing
  std::size_t used_ = 0;    // samples of parts before this one
  Sample* next_ = nullptr;
  std::optional<Timelines::PageView> view_;
  const std::atomic<std::uint32_t>* times_ = nullptr;
  std::int64_t base_ms_ = 0;
};

// Folds samples as those of a counter, by the numbers of their scrapes; times are looked up at the end.
class CounterSink {
 public:
  static constexpr bool kMantissas = true;

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

template <class Sink>
void walk(const Part& part, Sink& sink) {
  if (part.kind == Part::Kind::kRun) {
    sink.begin(part, 1);
    sink.run(part.first, sink.last() - part.first + 1, std::bit_cast<double>(part.bits));
    sink.end();
    return;
  }
  sink.begin(part, kPowersOfTen[part.start.params.domain.places]);
  const ChunkEnd end = walk_chunk<false>(part.image, part.start, sink);
  // What follows the last event is its value, up to the end of the part.
  if (!end.absent && !end.damaged && end.index < sink.last()) {
    sink.run(end.index + 1, sink.last() - end.index, std::bit_cast<double>(end.bits));
  }
  sink.end();
}

// False if the series is not there.
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

}  // namespace

void read_samples(const RingState& ring, SeriesNumber series, std::uint32_t generation, std::int64_t from_ms,
                  std::int64_t to_ms, std::vector<Sample>& out) {
  out.clear();
  PartList parts(ring, from_ms, to_ms);
  if (!collect(ring, series, generation, parts)) return;
  SampleSink sink(ring, from_ms, to_ms, out);
  parts.each([&](const Part& part) {
    if (part.kind != Part::Kind::kTimed) return walk(part, sink);
    sink.begin(part, 1);
    walk_timed<false>(part.image, part.start, sink);
  });
  // acquire: with what was read before it. The entry may have become another series' meanwhile.
  if (ring.entries[series].changed.load(std::memory_order_acquire) >> 32 != generation) out.clear();
}

bool fold_counter(const RingState& ring, SeriesNumber series, std::uint32_t generation, std::int64_t from_ms,
                  std::int64_t to_ms, CounterWindow& out) {
  out = {};
  PartList parts(ring, from_ms, to_ms);
  if (!collect(ring, series, generation, parts)) return true;
  if (parts.burnt() || parts.timed()) return false;
  CounterSink sink;
  parts.each([&](const Part& part) { walk(part, sink); });
  return sink.finish(ring, parts, out);
}

}  // namespace core::ring
