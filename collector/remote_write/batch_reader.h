// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collector/relabel/relabel.h"
#include "collector/remote_write/remote_write_config.h"
#include "collector/remote_write/series_cursors.h"
#include "collector/remote_write/write_request.h"
#include "core/ring/ring.h"

namespace collector::remote_write {

// Bytes of encoded labels that are kept for a remote, so that they are not made anew for every sample; the labels of
// further series are. That is enough for some 40,000 series.
inline constexpr std::size_t kLabelBytesKept = 8 << 20;

// How a series stood before a batch took samples of it.
struct SeriesBefore {
  std::size_t series = 0;  // its place on the list
  std::int64_t sent_ms = 0;
  bool exact = false;
  bool ended = false;
};

// A request's samples, ready to be sent.
struct Batch {
  std::string body;  // compressed
  std::uint64_t samples = 0;
  std::int64_t oldest_ms = 0;
  std::int64_t newest_ms = 0;
  std::vector<SeriesBefore> before;
  // Only where samples may grow too old while they wait: the request as it is, and where each sample of it ends.
  struct Part {
    std::size_t end = 0;
    std::int64_t time_ms = 0;
  };
  std::string bytes;
  std::vector<Part> parts;

  // Takes out what is older than `cutoff_ms`, and says how many samples that were.
  std::uint64_t drop_older(std::int64_t cutoff_ms);
};

// Samples that the ring overwrote before they were sent.
struct Loss {
  std::uint64_t series = 0;
  std::uint64_t samples = 0;  // as many as the distance of the samples around the hole makes likely
  std::int64_t from_ms = 0;   // the last sample before
  std::int64_t to_ms = 0;     // the first one after
  void add(const Loss& other);
};

// One pass over the ring: what it may read.
struct PassWindow {
  std::int64_t end_ms = 0;     // samples up to here
  std::int64_t oldest_ms = 0;  // the oldest sample in the ring
  std::int64_t cutoff_ms = 0;  // older samples are dropped; the least number: none are
  std::size_t lanes = 1;       // each series belongs to one
};

// Reads what is new in the ring for one remote, series by series, and packs it. What it packs follows from the ring,
// the cursors and the window alone: a pass that is repeated after a kill makes the same batches, which a receiver took
// whole or not at all.
//
// Thread safety: confined to one thread.
class BatchReader {
 public:
  struct Settings {
    core::ring::Labels external_labels;
    relabel::Rules rules;
    std::uint64_t samples_max = 2'000;  // of a batch
    bool ageing = false;                // keeps what Batch::drop_older() needs
  };
  BatchReader(const core::ring::Reader& reader, SeriesCursors cursors)
      : reader_(reader), cursors_(std::move(cursors)) {}

  // From the next batch on. Forgets what relabelling made of the series.
  void configure(Settings settings);

  void set_back(std::int64_t now_ms) { cursors_.set_back(now_ms); }

  // Begins a pass: looks for new series. Returns what went with series that were given up.
  Loss begin(const PassWindow& window);
  // The next batch of a lane; none when the lane is through with the pass.
  std::optional<Batch> next(std::size_t lane);
  // Takes a batch back: its samples are to be sent again. REQUIRES: of a lane the newest first.
  void take_back(const Batch& batch);

  // Should another configuration want what relabelling drops, then from there on.
  void skip_dropped(std::int64_t until_ms);

  const SeriesCursors& cursors() const { return cursors_; }
  // Since the last call.
  Loss take_loss();
  std::uint64_t take_too_old();
  std::uint64_t series_dropped() const;

 private:
  // Whether all samples of the series' window were taken.
  bool read_series(std::size_t index, WriteRequest& request, Batch& batch);
  void note_hole(const TrackedSeries& series);
  const std::string* labels_of(TrackedSeries& series);
  std::size_t lane_of(core::ring::SeriesRef ref) const;

  const core::ring::Reader& reader_;
  SeriesCursors cursors_;
  Settings settings_;
  PassWindow window_;
  std::vector<std::size_t> positions_;  // by lane
  std::size_t label_bytes_ = 0;
  std::string labels_;  // of the series at hand, where they are not kept
  std::vector<core::ring::Sample> samples_;
  Loss loss_;
  std::uint64_t too_old_ = 0;
};

}  // namespace collector::remote_write
