// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collector/probe/probe_client.h"
#include "collector/scrape/scrape_pools.h"

namespace collector::probe {

// The jobs of `probes`: scrape pools whose scrapes are probes.
//
// Thread safety: as ScrapePools.
class ProbePools {
 public:
  // REQUIRES: `clock`, `scheduler` and `runner` outlive this, and the runner's loop is the scheduler.
  ProbePools(const core::Clock& clock, core::Scheduler& scheduler, ProbeRunner& runner,
             std::unique_ptr<scrape::Shard> shard, std::function<void(const scrape::Arrival&)> on_arrival,
             scrape::ScrapePoolsOptions options);
  ~ProbePools();

  // REQUIRES: `jobs` came out of to_scrape_config() and resolve_jobs().
  void apply(const std::vector<scrape::ScrapeConfig>& jobs, const core::ring::Labels& external_labels,
             const scrape::ScrapePools::Discovered& discovered);
  // As ScrapePools::set_groups().
  std::vector<std::string> set_groups(const std::string& job, const discovery::TargetGroups& groups);
  void stop() { pools_->stop(); }

  // As scrapes all go well; as targets they are as their probes ended: up, down or unknown, with the reason.
  std::vector<scrape::PoolStatus> status() const;
  std::vector<scrape::TargetMetadata> metadata() const { return pools_->metadata(); }
  const scrape::ScrapeStats& stats() const { return pools_->stats(); }

 private:
  void forget_gone();

  LastFailures failures_;
  std::unique_ptr<core::net::HttpClient> client_;
  std::unique_ptr<scrape::ScrapePools> pools_;
};

}  // namespace collector::probe
