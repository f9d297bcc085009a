// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/probe_pools.h"

#include "collector/scrape/shard.h"

namespace collector::probe {
namespace {

std::vector<std::string> urls_of(const std::vector<scrape::PoolStatus>& pools) {
  std::vector<std::string> urls;
  for (const auto& pool : pools) {
    for (const auto& target : pool.active) urls.push_back(target.target.url);
  }
  return urls;
}

// Probes are few against what is scraped: one shard takes their samples in.
std::vector<std::unique_ptr<scrape::Shard>> only(std::unique_ptr<scrape::Shard> shard) {
  std::vector<std::unique_ptr<scrape::Shard>> shards;
  shards.push_back(std::move(shard));
  return shards;
}

}  // namespace

ProbePools::ProbePools(const core::Clock& clock, core::Scheduler& scheduler, ProbeRunner& runner,
                       std::unique_ptr<scrape::Shard> shard, std::function<void(const scrape::Arrival&)> on_arrival,
                       scrape::ScrapePoolsOptions options)
    : client_(make_probe_client(runner, failures_)),
      pools_(std::make_unique<scrape::ScrapePools>(clock, scheduler, *client_, only(std::move(shard)),
                                                   std::move(on_arrival), std::move(options))) {}

ProbePools::~ProbePools() = default;

void ProbePools::apply(const std::vector<scrape::ScrapeConfig>& jobs, const core::ring::Labels& external_labels,
                       const scrape::ScrapePools::Discovered& discovered) {
  pools_->apply(jobs, external_labels, discovered);
  forget_gone();
}

std::vector<std::string> ProbePools::set_groups(const std::string& job, const discovery::TargetGroups& groups) {
  auto news = pools_->set_groups(job, groups);
  forget_gone();
  return news;
}

void ProbePools::forget_gone() { failures_.keep_only(urls_of(pools_->status())); }

std::vector<scrape::PoolStatus> ProbePools::status() const {
  auto pools = pools_->status();
  const auto failures = failures_.of(urls_of(pools));
  for (auto& pool : pools) {
    for (auto& target : pool.active) {
      const auto failure = failures.find(target.target.url);
      if (failure == failures.end() || !target.last_error.empty()) continue;
      target.last_error = failure->second.text;
      target.health = failure->second.unknown ? scrape::Health::kUnknown : scrape::Health::kDown;
    }
  }
  return pools;
}

}  // namespace collector::probe
