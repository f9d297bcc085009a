// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/result.h"
#include "core/ring/label_store.h"
#include "core/ring/matcher.h"
#include "core/ring/postings.h"
#include "core/ring/read_epoch.h"
#include "core/ring/ring_layout.h"

namespace core::ring {

// What a query finds out about the label pairs that a matcher accepts.
struct MatchedPairs;

// Which series there are, and which has which labels. Changes are made under the ring's index lock and become visible
// to readers with flush(); a reader works on a snapshot that never changes, and takes no lock.
//
// A series that is given up goes in three steps: erase() takes it out of sight of upsert; rebuild() out of the
// postings; and when neither a reader nor its writer can be looking at it any more, collect() hands out its number
// again.
//
// Thread safety: candidates() and generation() by any thread under a guard of epoch(); the rest under the index lock.
class SeriesIndex {
 public:
  SeriesIndex(LabelStore& labels, const SeriesEntry* entries, std::uint64_t max_series);
  ~SeriesIndex();

  // The series of exactly these labels.
  std::optional<SeriesNumber> find(const Labels& labels);
  // A number and a label set for a new series; `fail` says whether numbers or room for labels ran out.
  struct Room {
    SeriesNumber series = 0;
    LabelRef set = 0;
  };
  Result<Room> make(const Labels& labels);
  // The entry is filled in: upsert finds it from now on, readers after the next flush().
  void insert(SeriesNumber series);
  void flush();

  // Takes a series out of sight of find(); `busy` says whether its writer may still be writing to its entry.
  void erase(SeriesNumber series, std::function<bool()> busy);
  // Gives back what no reader can be looking at any more: old postings, and numbers of series, as `finish(series)` is
  // told for each before that.
  void collect(const std::function<void(SeriesNumber)>& finish);
  bool needs_collecting() const { return !erased_.empty() || !leaving_.empty() || !retired_.empty(); }

  // After a start. adopt() says whether the series is taken over: false if one with the same labels is there already,
  // which `known` is then set to.
  bool adopt(SeriesNumber series, SeriesNumber& known);
  void forget_adopted(SeriesNumber series);
  void finish_adoption();

  std::uint64_t live() const { return live_.load(std::memory_order_relaxed); }
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  ReadEpoch& epoch() const { return epoch_; }
  // All numbers in use are below.
  SeriesNumber numbers() const { return unused_from_; }

  // Numbers of series that all matchers may accept, once each and ascending, and the label set that each had: what has
  // been given up since is the caller's to leave out. REQUIRES: a guard of epoch().
  struct Candidate {
    SeriesNumber series;
    LabelRef set;
  };
  std::vector<Candidate> candidates(std::span<const Matcher> matchers) const;

 private:
  using Levels = std::vector<std::shared_ptr<const Postings>>;
  struct Erased {
    SeriesNumber series;
    LabelRef set;
    std::function<bool()> busy;
  };
  struct Leaving {
    std::uint64_t epoch;
    std::vector<Erased> series;
  };
  struct Retired {
    std::uint64_t epoch;
    std::unique_ptr<const Levels> levels;
  };

  LabelRef set_of(SeriesNumber series) const { return core::ring::set_of(own(series)); }
  std::uint64_t own(SeriesNumber series) const { return entries_[series].labels.load(std::memory_order_acquire); }
  std::uint32_t hash_set(std::span<const LabelRef> pairs) const;
  std::shared_ptr<const Postings> build(std::vector<SeriesNumber> series) const;
  void replace_levels(Levels levels);
  void rebuild();
  void take_from(const Postings& level, std::span<const MatchedPairs> matched, std::vector<Candidate>& out) const;

  LabelStore& labels_;
  const SeriesEntry* const entries_;
  const std::uint64_t max_series_;
  mutable ReadEpoch epoch_;
  std::atomic<const Levels*> levels_;
  std::atomic<std::uint64_t> generation_{1};
  std::atomic<std::uint64_t> live_{0};

  // Below: under the index lock.
  RefTable by_set_;  // series + 1
  std::vector<LabelRef> pairs_;
  std::vector<SeriesNumber> pending_;  // inserted, not yet in a level
  std::vector<SeriesNumber> free_;
  SeriesNumber unused_from_ = 0;
  std::vector<Erased> erased_;    // still in the postings
  std::vector<bool> erased_set_;  // by series
  std::vector<Leaving> leaving_;
  std::vector<Retired> retired_;
};

}  // namespace core::ring
