// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/host/host_config.h"
#include "collector/host/host_metrics.h"
#include "collector/scrape/scrape_loop.h"
#include "collector/scrape/shard.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace collector::host {

// Measures this host once an interval, as a job of its own: with `up`, the scrape_* series and staleness like any
// target.
//
// Thread safety: confined to the scheduler's thread, except status() and metadata(): any thread. The reading itself is
// the shard's work; give it a shard of its own, for a sick disk makes the kernel wait.
class HostLoop : public std::enable_shared_from_this<HostLoop> {
 public:
  // An empty instance in `config` becomes `host_name`. REQUIRES: everything passed by reference outlives the loop.
  HostLoop(const core::Clock& clock, core::Scheduler& scheduler, scrape::Shard& shard, HostConfig config,
           std::string host_name, std::function<void(const scrape::Arrival&)> on_arrival = {});

  void start();  // measures at once, then every interval
  // Nothing is measured any more; what is in the ring stays as it is.
  void stop();

  const HostConfig& config() const { return config_; }
  // Its last error also says what could not be read while the host as a whole is up.
  scrape::TargetStatus status() const;
  std::vector<scrape::FamilyMetadata> metadata() const { return series_->metadata(); }

 private:
  void tick();
  void note(std::int64_t time_ms, const scrape::ScrapeReport& report, const std::vector<std::string>& complaints);

  const core::Clock& clock_;
  core::Scheduler& scheduler_;
  scrape::Shard& shard_;
  HostConfig config_;
  std::function<void(const scrape::Arrival&)> on_arrival_;
  scrape::Target target_;
  std::shared_ptr<scrape::TargetSeries> series_;
  HostMetrics metrics_;  // the shard's
  core::SteadyTime next_tick_{};
  core::TimerId timer_ = 0;
  bool in_flight_ = false;
  bool stopped_ = false;

  mutable std::mutex mutex_;
  scrape::TargetStatus status_;  // guarded by mutex_
};

}  // namespace collector::host
