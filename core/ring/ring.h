// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/ring/labels.h"
#include "core/ring/matcher.h"
#include "core/ring/sample.h"

namespace core::ring {

// Names a series while it lives. A reclaimed series' reference is never given out again: using it finds nothing.
enum class SeriesRef : std::uint64_t { kNone = 0 };

// Names a timeline: the scrape times that the series of one target (or one rule group, one probe) share.
enum class TimelineRef : std::uint32_t { kNone = 0 };

enum class AppendOutcome {
  kAppended,
  kUnchanged,   // same time and same bits as the last sample: accepted, nothing stored
  kOutOfOrder,  // older than the series' last sample: dropped
  kDuplicate,   // same time as the last sample, other value: dropped
  kGone,        // the series was reclaimed: upsert it again
};

// Writes samples. The samples of a scrape become visible together, when it is published.
//
//   appender.begin(timeline, time_ms);
//   for (...) appender.append(series, value);
//   appender.publish();
//
// A scrape that may still fail is checked whole before begin(): there is no rolling back.
//
// Thread safety: one thread at a time. A series belongs to the appender that upserted it last; another finds it gone.
class Appender {
 public:
  virtual ~Appender() = default;

  // A timeline. `identity` names what it is for, across restarts: a ring that outlives the process goes on with the
  // closed timeline of the same identity, so that a series whose value did not change costs nothing; 0 names nothing.
  // kLimitExceeded when the ring has no room for more.
  virtual Result<TimelineRef> open_timeline(std::uint64_t identity = 0) = 0;
  // Its series stay readable until their samples are overwritten; the reference must not be used again.
  virtual void close_timeline(TimelineRef timeline) = 0;

  // The series with these labels, made if need be, and tied to `timeline`. Readers see a new one from the next
  // publish() on, if not before. kLimitExceeded past the series limit: the caller counts and reports that for its
  // target.
  virtual Result<SeriesRef> upsert(TimelineRef timeline, const Labels& labels) = 0;

  // REQUIRES: no scrape is open. `time_ms` is not earlier than the timeline's last; an earlier one makes every sample
  // of this scrape kOutOfOrder.
  virtual void begin(TimelineRef timeline, std::int64_t time_ms) = 0;
  // A value at the scrape's time. REQUIRES: a scrape is open, on the series' timeline.
  virtual AppendOutcome append(SeriesRef series, double value) = 0;
  // A sample with a time of its own (an exposition timestamp). REQUIRES: a scrape is open.
  virtual AppendOutcome append_at(SeriesRef series, Sample sample) = 0;
  virtual void publish() = 0;
};

struct SelectedSeries {
  SeriesRef ref;
  std::shared_ptr<const Labels> labels;
};

struct RingUsage {
  std::uint64_t series = 0;
  std::uint64_t series_limit = 0;
  std::uint64_t bytes = 0;        // what the ring occupies now
  std::uint64_t bytes_limit = 0;  // what it never exceeds
  std::uint64_t chunk_bytes = 0;  // of `bytes`: whole slots of samples and pages of scrape times; 0: not told apart
  std::uint64_t samples_appended = 0;
  std::int64_t oldest_ms = 0;  // the oldest sample still readable; 0 when empty
  std::int64_t newest_ms = 0;
  std::uint64_t series_refused = 0;    // upserts that found no room, since the start
  std::uint64_t series_reclaimed = 0;  // series given up since the start: their samples were overwritten, or ended
                                       // ones made room
  std::uint64_t damaged = 0;  // series, chunks and pages of times dropped since the start: their bytes were bad
};

// What a counter did over a window, stale markers left out: what rate(), increase() and the like need of its samples.
struct CounterWindow {
  std::uint64_t count = 0;  // samples in the window; 0: the rest means nothing
  Sample first;
  Sample last;
  double lost_to_resets = 0;  // the sum, in time order, of the values from which it fell
};

// Reads samples. Never blocks a writer for longer than a copy of one series takes.
//
// Thread safety: any thread.
class Reader {
 public:
  virtual ~Reader() = default;

  // Every series that all matchers accept, in no particular order. An empty span selects every series.
  virtual std::vector<SelectedSeries> select(std::span<const Matcher> matchers) const = 0;

  // Grows whenever a series appears or is reclaimed: a list made at one generation is complete while it lasts.
  virtual std::uint64_t index_generation() const = 0;

  // Replaces `out` with the samples whose time lies in [from_ms, to_ms], oldest first, stale markers included.
  // An unknown or reclaimed series gives none.
  virtual void read(SeriesRef series, std::int64_t from_ms, std::int64_t to_ms, std::vector<Sample>& out) const = 0;

  // The newest sample, mostly without decoding anything; none for an unknown or empty series.
  virtual std::optional<Sample> last(SeriesRef series) const = 0;
  // Replaces `out` with those of all these series, in their order: less than as many calls of the above.
  virtual void lasts(std::span<const SeriesRef> series, std::vector<std::optional<Sample>>& out) const;

  // The samples in [from_ms, to_ms] folded as those of a counter. Costs by changes of the value, not by samples.
  virtual CounterWindow counter_window(SeriesRef series, std::int64_t from_ms, std::int64_t to_ms) const;
  // Replaces `out` with the windows of all these series, in their order: less than as many calls of the above.
  virtual void counter_windows(std::span<const SeriesRef> series, std::int64_t from_ms, std::int64_t to_ms,
                               std::vector<CounterWindow>& out) const;

  virtual RingUsage usage() const = 0;

  // Every series, in no particular order, without what its labels cost.
  virtual std::vector<SeriesRef> list() const;
  // The labels of one series; none for an unknown or reclaimed one.
  virtual std::shared_ptr<const Labels> labels(SeriesRef series) const;
};

// The time-series ring: what is in it is what the agent knows.
//
// Thread safety: any thread.
class Ring {
 public:
  virtual ~Ring() = default;
  virtual std::unique_ptr<Appender> make_appender() = 0;
  virtual const Reader& reader() const = 0;
  // What keeps it from remembering as it should, in words for a person: a lost file, a disk that is full. Empty:
  // nothing.
  virtual std::string problem() const { return {}; }
};

// Bounds of a ring held in memory.
struct MemoryRingOptions {
  std::uint64_t max_series = 200'000;
  std::uint64_t max_samples = 20'000'000;  // over all series; the oldest go first
};

// A ring in ordinary memory: correct and simple, lost when the process ends. For tests and for rules that are tried on
// made-up series; the agent's own is mapped_ring.h.
std::unique_ptr<Ring> make_memory_ring(MemoryRingOptions options = {});

}  // namespace core::ring
