// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "core/ring/ring.h"
#include "sample_source.h"

namespace ring_bench {

struct Spent {
  double cpu_ns = 0;  // of the appending thread
  double wall_ns = 0;
  std::size_t samples = 0;

  Spent& operator+=(const Spent& other);
  double cpu_ns_per_sample() const { return cpu_ns / static_cast<double>(samples); }
  double wall_ns_per_sample() const { return wall_ns / static_cast<double>(samples); }
};

// Feeds a source to a ring through one appender, scrape by scrape, as a scrape loop does whose targets did not change.
//
// Thread safety: confined to one thread.
class RingFeed {
 public:
  // Makes every timeline and series; ends the program if the ring has no room for one.
  RingFeed(core::ring::Ring& ring, SampleSource& source);

  const std::vector<core::ring::SeriesRef>& series(std::size_t target) const { return series_[target]; }
  std::size_t targets() const { return series_.size(); }

  // One scrape of every target; what appending it took.
  Spent round() { return round(targets()); }
  // `rounds` rounds that the targets join one after the other in the first half, so that chunks of equal series do not
  // begin together.
  void warm_up(std::size_t rounds);
  // Opens a scrape of the first target and appends half of it: where a kill hurts most.
  void leave_torn();

 private:
  struct Staged {
    std::size_t target = 0;
    std::int64_t time_ms = 0;
    std::size_t first_value = 0;
  };

  core::ring::SeriesRef make(std::size_t target, std::size_t series);
  Spent round(std::size_t targets_that_take_part);
  void append_staged(std::size_t targets, std::size_t& dropped);

  SampleSource& source_;
  std::unique_ptr<core::ring::Appender> appender_;
  std::vector<core::ring::TimelineRef> timelines_;
  std::vector<std::vector<core::ring::SeriesRef>> series_;
  std::int64_t step_ = 0;
  std::vector<Staged> staged_;
  std::vector<double> values_;  // of the staged scrapes
};

}  // namespace ring_bench
