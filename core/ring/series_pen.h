// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <unordered_map>

#include "core/ring/ring_state.h"

namespace core::ring {

// What waits for the end of its scrape: a sample, or the absence of one.
struct StagedSample {
  static constexpr std::uint32_t kScrape = 0;  // at the time of the scrape
  static constexpr std::uint32_t kAbsence = 1;
  static constexpr std::uint32_t kOwnTime = 2;  // and above: at own_times[kind - kOwnTime]
  std::uint64_t bits = 0;
  SeriesNumber series = 0;
  std::uint32_t kind = kScrape;
};
static_assert(sizeof(StagedSample) == 16);

// Writes the samples of one appender into chunks and entries.
//
// Thread safety: one thread at a time, that of its appender; readers look on.
class SeriesPen {
 public:
  SeriesPen(RingState& ring, std::size_t seat) : ring_(ring), seat_(seat) {}

  // What follows belongs to this scrape.
  void begin(TimelineNumber timeline, std::uint32_t index, std::int64_t time_ms);
  // Writes all of them; none is visible until the scrape is published.
  void write(std::span<const StagedSample> samples, std::span<const std::int64_t> own_times);

  // Finds out from entry and chunk where a series stands. Does nothing if that is known.
  void read_state(SeriesNumber series);
  // Ends the series' time on its timeline at scrape `end`, so that it can go on on another. REQUIRES: nobody else
  // writes to it.
  void detach(SeriesNumber series, std::uint32_t end);

  // Makes the newly made series the successor of one that another thread may be writing to, as `other` shows it.
  void take_over(SeriesNumber series, const SeriesView& other);

  // The last sample with a time of its own, of series that have such.
  struct Timed {
    std::int64_t time_ms = 0;
    std::int64_t step_ms = 0;
    std::int64_t coded_ms = 0;  // of the one that is in the chunk already
    std::uint64_t coded_bits = 0;
  };
  std::unordered_map<SeriesNumber, Timed>& timed() { return timed_; }

 private:
  Near write_near(SeriesNumber series, std::uint64_t bits);
  void write_next(SeriesNumber series, std::uint64_t bits);
  void write_value(SeriesNumber series, std::uint64_t bits);
  void write_absent(SeriesNumber series);
  void write_timed(SeriesNumber series, std::int64_t time_ms, std::uint64_t bits);
  void mark_timed(SeriesNumber series, std::uint32_t controls);
  void begin_run(SeriesNumber series, std::uint64_t bits);
  ChunkPen open_first(SeriesNumber series, std::uint64_t next_bits);
  bool chunk_is_ours(SeriesNumber series);
  ChunkPen open_next(SeriesNumber series, std::uint32_t index, std::uint64_t bits, const ChunkParams& params,
                     std::optional<LeftTimeline> left, std::optional<std::int64_t> time_ms);
  ChunkPen chunk_pen(SeriesNumber series, std::uint64_t coded_bits) const;
  void keep(SeriesNumber series, const ChunkPen& chunk);
  ChunkParams params_after(SeriesNumber series, std::uint64_t next_bits) const;
  void write_entry(SeriesNumber series, const SeriesPlace& place, std::uint32_t changed, std::uint64_t last,
                   SeriesState state);
  SeriesPlace place_of(SeriesNumber series) const;
  std::uint32_t touched_at(const Pen& pen) const;
  ChunkLink take_slot();
  void erase_rest(Slot& slot, const ChunkPen& pen);
  bool adopt_chunk(SeriesNumber series, ChunkLink head, SeriesState state);

  RingState& ring_;
  const std::size_t seat_;
  TimelineNumber timeline_ = kNoTimeline;
  std::uint32_t index_ = 0;
  std::int64_t time_ms_ = 0;
  std::uint32_t next_slot_ = 0;
  std::uint32_t slots_end_ = 0;
  std::unordered_map<SeriesNumber, Timed> timed_;
};

}  // namespace core::ring
