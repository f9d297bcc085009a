// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/ring/ring.h"
#include "core/ring/ring_state.h"
#include "core/ring/series_pen.h"

namespace core::ring {

// Appends to a mapped ring. A sample that does not change its series costs one look at 16 bytes of ordinary memory; the
// others are kept until the scrape ends and written then, one after another, with the memory of the next ones asked for
// in advance.
//
// Thread safety: one thread at a time, as every Appender.
class MappedAppender final : public Appender {
 public:
  // REQUIRES: a seat is free; the ring outlives it.
  explicit MappedAppender(RingState& ring);
  ~MappedAppender() override;

  Result<TimelineRef> open_timeline(std::uint64_t identity) override;
  void close_timeline(TimelineRef timeline) override;
  Result<SeriesRef> upsert(TimelineRef timeline, const Labels& labels) override;
  void begin(TimelineRef timeline, std::int64_t time_ms) override;
  AppendOutcome append(SeriesRef series, double value) override;
  AppendOutcome append_at(SeriesRef series, Sample sample) override;
  void publish() override;

 private:
  // A timeline of this appender.
  struct OwnTimeline {
    TimelineNumber number = 0;
    std::uint32_t next = 0;  // the scrape that comes next
    std::int64_t newest_ms = 0;
    bool has_time = false;
    std::uint32_t present = 0;   // series of it with a sample in the newest scrape
    std::uint32_t made = 0;      // series made since then
    std::int64_t marked_ms = 0;  // when the pages that its series lie on were marked
    std::vector<SeriesNumber> series;
  };

  OwnTimeline& own_timeline(TimelineRef timeline);
  Pen* pen_of(SeriesRef series, SeriesNumber& number);
  std::optional<Sample> newest_of(SeriesNumber series);
  AppendOutcome append_own_time(SeriesNumber series, Pen& pen, Sample sample);
  AppendOutcome append_first(SeriesNumber series, Pen& pen, std::uint64_t bits);
  void stage(SeriesNumber series, Pen& pen, std::uint64_t bits);
  void stage(const StagedSample& sample);
  void make_room_to_stage();
  [[gnu::noinline]] AppendOutcome append_with_room(SeriesRef series, double value);
  std::span<const StagedSample> staged() const { return {staged_.data(), staged_count_}; }
  void stage_absences();
  void write_staged();
  void mark_pages();
  void tidy_up();

  // Under the index lock.
  Result<SeriesRef> make_series(OwnTimeline& timeline, const Labels& labels);
  Result<SeriesRef> take_series(OwnTimeline& timeline, SeriesNumber series, const Labels& labels);
  Result<SeriesRef> take_from_other(OwnTimeline& timeline, SeriesNumber series, const Labels& labels);
  bool owned_by_other(const Pen& pen) const;
  bool crowded() const;
  bool churns(const OwnTimeline& timeline) const;
  void give_to(OwnTimeline& timeline, SeriesNumber series);

  RingState& ring_;
  Pen* const pens_;
  const std::uint64_t max_series_;
  const std::size_t seat_;
  SeriesPen writer_;
  std::unordered_map<TimelineNumber, OwnTimeline> timelines_;
  // Newest sample on an earlier timeline, of series that have none on this one yet.
  std::unordered_map<SeriesNumber, Sample> before_;

  // The open scrape.
  OwnTimeline* open_ = nullptr;
  std::uint16_t owner_ = kNoOwner;
  std::uint32_t index_ = 0;
  std::uint16_t touched_ = 0;  // Pen::touched of what has a sample
  std::int64_t time_ms_ = 0;
  bool late_ = false;                 // not newer than the timeline's newest scrape: samples go by their own times
  std::uint32_t still_present_ = 0;   // series that were present, and have a sample
  std::uint32_t returning_ = 0;       // series that were not, and have one
  std::uint64_t appended_ = 0;        // samples but for those of still_present_
  bool has_new_ = false;              // series that readers have not been shown
  std::vector<StagedSample> staged_;  // the first staged_count_ of them; the rest is room
  std::size_t staged_count_ = 0;
  std::vector<std::int64_t> own_times_;
  std::uint32_t writes_ = 0;
};

}  // namespace core::ring
