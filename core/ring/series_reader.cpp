// SPDX-License-Identifier: Apache-2.0
#include "core/ring/series_reader.h"

#include <algorithm>

#include "core/ring/series_parts.h"

namespace core::ring {
namespace {

// Writes samples out, each with the time of its scrape.
class SampleSink {
 public:
  static constexpr bool kMantissas = false;
  static constexpr bool kOnlyFirst = false;
  // `burnt`: a scrape of the window was not published.
  SampleSink(const RingState& ring, std::int64_t from_ms, std::int64_t to_ms, bool burnt, std::vector<Sample>& out)
      : timelines_(ring.timelines), from_ms_(from_ms), to_ms_(to_ms), burnt_(burnt), out_(out), next_(out.data()) {}

  void begin(const Part& part, double) {
    timeline_ = part.timeline;
    first_ = static_cast<std::uint32_t>(part.range.first);
    last_ = static_cast<std::uint32_t>(part.range.last);
    // Mostly the part goes on in the page where the one before it ended.
    const bool same_page = view_ && view_timeline_ == timeline_ && first_ / kTimesPerPage == view_page_;
    stop_ = same_page ? page_stop() : 0;
    make_room(static_cast<std::size_t>(part.range.last - part.range.first + 1));
  }
  void end() {}
  // No more parts.
  void finish() {
    leave_page();
    out_.resize(static_cast<std::size_t>(next_ - out_.data()));
  }

  std::uint32_t first() const { return first_; }
  std::uint32_t last() const { return last_; }
  bool one(std::uint32_t index, double value) {
    if (index >= stop_ || burnt_) [[unlikely]]
      return many(index, &value, 1);
    // acquire: see page_of(). The same below.
    *next_++ = {base_ms_ + times_[index % kTimesPerPage].load(std::memory_order_acquire), value};
    return true;
  }
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
    if (time_ms < from_ms_) return true;
    make_room(1);
    *next_++ = {time_ms, value};
    return true;
  }

 private:
  // For so many more samples. What `out` held before is overwritten without having been cleared, and what is left of it
  // is cut off at the end.
  void make_room(std::size_t samples) {
    const auto used = static_cast<std::size_t>(next_ - out_.data());
    if (used + samples <= out_.size()) return;
    out_.resize(used + samples);
    next_ = out_.data() + used;
  }

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
        if (!burnt_) [[likely]] {
          for (std::uint32_t i = 0; i < here; ++i) {
            next[i] = {base_ms + times[i].load(std::memory_order_acquire), value_at(done + i)};
          }
          next += here;
        } else {
          for (std::uint32_t i = 0; i < here; ++i) {
            const std::uint32_t word = times[i].load(std::memory_order_acquire);
            *next = {base_ms + word, value_at(done + i)};
            // Of a scrape that was not published nothing stays.
            next += (word & kBurnt) == 0 ? 1 : 0;
          }
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
    view_timeline_ = timeline_;
    view_page_ = index / kTimesPerPage;
    stop_ = page_stop();
    times_ = view_->times->data();
    base_ms_ = view_->base_ms;
    return true;
  }
  // The first scrape that is not of this page, or not asked for.
  std::uint64_t page_stop() const {
    return std::min((std::uint64_t{view_page_} + 1) * kTimesPerPage, std::uint64_t{last_} + 1);
  }
  // A page that was given away meanwhile has lied about times; what is older is gone with it.
  void leave_page() {
    if (view_ && !view_->still()) next_ = out_.data();
    view_.reset();
  }

  const Timelines& timelines_;
  const std::int64_t from_ms_;
  const std::int64_t to_ms_;
  const bool burnt_;
  std::vector<Sample>& out_;
  Sample* next_;  // in `out_`, where the next one goes
  TimelineNumber timeline_ = kNoTimeline;
  std::uint32_t first_ = 0;
  std::uint32_t last_ = 0;
  std::uint64_t stop_ = 0;  // the scrape from which on times_ says nothing
  std::optional<Timelines::PageView> view_;
  TimelineNumber view_timeline_ = kNoTimeline;
  std::uint32_t view_page_ = 0;
  const std::atomic<std::uint32_t>* times_ = nullptr;
  std::int64_t base_ms_ = 0;
};

}  // namespace

void read_samples(const RingState& ring, SeriesNumber series, std::uint32_t generation, std::int64_t from_ms,
                  std::int64_t to_ms, std::vector<Sample>& out) {
  PartList parts(ring, from_ms, to_ms);
  if (!collect(ring, series, generation, parts)) return out.clear();
  SampleSink sink(ring, from_ms, to_ms, parts.burnt(), out);
  parts.each([&](Part& part) {
    if (part.kind != Part::Kind::kTimed) return walk(part, sink);
    decode_first_into(part.start, part.image);
    sink.begin(part, 1);
    walk_timed<false>(part.image, part.start, sink);
  });
  sink.finish();
  // acquire: with what was read before it. The entry may have become another series' meanwhile.
  if (ring.entries[series].changed.load(std::memory_order_acquire) >> 32 != generation) out.clear();
}

}  // namespace core::ring
