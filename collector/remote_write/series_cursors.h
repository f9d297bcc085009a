// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/ring.h"

namespace collector::remote_write {

// How far one series has been read for a remote.
struct TrackedSeries {
  core::ring::SeriesRef ref{};
  std::int64_t sent_ms = 0;                   // samples up to here are sent, or in a batch
  std::uint64_t fingerprint = 0;              // of its labels in the ring; 0 until they were read
  std::unique_ptr<const std::string> labels;  // encoded for the remote; none: not kept
  bool exact = false;                         // sent_ms is the time of a sample that was sent
  bool ended = false;                         // and that was a stale marker
  bool dropped = false;                       // by relabelling
};

// The series of the ring, and for each how far a remote has them. The samples of a series only ever grow in time,
// whatever times they have and however late they come: so one time a series says exactly what is still to be sent.
//
// Thread safety: confined to one thread.
class SeriesCursors {
 public:
  // Of a series that is not known yet, samples after `start_ms` are to be sent.
  SeriesCursors(const core::ring::Reader& reader, std::int64_t start_ms) : reader_(reader), start_ms_(start_ms) {}

  // Takes over what save() gave, in another process perhaps. kInvalid if the bytes are not that, or if references of
  // this ring mean other series than they did: then nothing is taken over.
  core::Result<void> restore(std::string_view saved);
  std::string save() const;

  // Looks for series that are new or gone. Returns how many went whose last sent sample was no stale marker.
  std::uint64_t refresh();

  // The clock is at `now_ms`: if it was ahead when this began, series without a sample yet are wanted from here on.
  void set_back(std::int64_t now_ms);

  std::vector<TrackedSeries>& series() { return series_; }
  const std::vector<TrackedSeries>& series() const { return series_; }
  std::int64_t start_ms() const { return start_ms_; }

 private:
  void take_over(std::vector<TrackedSeries>& gone, std::vector<TrackedSeries>& added);

  const core::ring::Reader& reader_;
  std::int64_t start_ms_;
  std::uint64_t generation_ = 0;       // of the ring's index, when series_ was made
  std::vector<TrackedSeries> series_;  // by ref
};

}  // namespace collector::remote_write
