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

}  // namespace core::ring
