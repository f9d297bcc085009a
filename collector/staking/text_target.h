// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "collector/scrape/scrape_loop.h"
#include "collector/scrape/shard.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace collector::staking {

// Metrics that come when something happens, not when they are asked for: each text is taken in at once, as a scrape of
// a target, with `up`, the scrape_* series and staleness like any.
//
// Thread safety: confined to the scheduler's thread, except status() and metadata(): any thread.
class TextTarget : public std::enable_shared_from_this<TextTarget> {
 public:
  // `labels` have job and instance. REQUIRES: everything passed by reference outlives the target.
  TextTarget(const core::Clock& clock, scrape::Shard& shard, core::ring::Labels labels, std::string url,
             core::Millis interval, std::function<void(const scrape::Arrival&)> on_arrival);

  // The samples are of now, or a millisecond after the last text's: two texts never share a time.
  void publish(std::string text);
  // Every series ends with a marker.
  void end();

  scrape::TargetStatus status() const;
  std::vector<scrape::FamilyMetadata> metadata() const { return series_->metadata(); }

 private:
  void note(std::int64_t time_ms, const scrape::ScrapeReport& report);
  std::int64_t next_time_ms();

  const core::Clock& clock_;
  scrape::Shard& shard_;
  std::function<void(const scrape::Arrival&)> on_arrival_;
  scrape::Target target_;
  std::shared_ptr<scrape::TargetSeries> series_;
  std::int64_t last_ms_ = 0;

  mutable std::mutex mutex_;
  scrape::TargetStatus status_;  // guarded by mutex_
};

}  // namespace collector::staking
