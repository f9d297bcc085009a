// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>

#include "core/result.h"
#include "core/ring/ring.h"
#include "rules/alert/rule_spec.h"

namespace rules {

// The series that one rule wrote at its last successful evaluation.
//
// Thread safety: confined to its rule's group.
class RuleSeries {
 public:
  std::size_t size() const { return entries_.size(); }

 private:
  friend class SeriesWriter;
  struct Entry {
    core::ring::SeriesRef ref;
    std::uint64_t round;
  };
  std::unordered_map<core::ring::Labels, Entry, core::ring::LabelsHash> entries_;
  std::uint64_t round_ = 0;
};

// Writes what rules make into the ring, with stale markers for what they no longer make. All groups share one writer
// and so one appender: a series that rules of two groups make still has one writer.
//
// Thread safety: any thread; a call holds the writer for the time of one rule's samples.
class SeriesWriter {
 public:
  struct Outcome {
    std::uint64_t dropped = 0;
    std::string reason;  // why the first was dropped
  };

  explicit SeriesWriter(std::unique_ptr<core::ring::Appender> appender) : appender_(std::move(appender)) {}

  // A group's timeline; `identity` as in core::ring::Appender.
  core::Result<core::ring::TimelineRef> open_timeline(std::uint64_t identity = 0);
  void close_timeline(core::ring::TimelineRef timeline);

  // Writes `samples` at `time_ms`, and a stale marker to every series in `own` that is not among them. A sample that
  // the ring refuses, or whose series belongs to another group, is dropped; the others are written.
  Outcome write(core::ring::TimelineRef timeline, RuleSeries& own, std::span<const SeriesSample> samples,
                std::int64_t time_ms);

 private:
  bool stage(core::ring::TimelineRef timeline, RuleSeries& own, const SeriesSample& sample, Outcome& outcome);
  void append(core::ring::TimelineRef timeline, RuleSeries& own, const SeriesSample& sample, Outcome& outcome);

  std::mutex mutex_;
  std::unique_ptr<core::ring::Appender> appender_;
  std::unordered_map<core::ring::Labels, core::ring::TimelineRef, core::ring::LabelsHash> owners_;
};

}  // namespace rules
