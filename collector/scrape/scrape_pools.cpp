// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/scrape_pools.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace collector::scrape {
namespace {

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

}  // namespace

ScrapePools::ScrapePools(const core::Clock& clock, core::Scheduler& scheduler, core::net::HttpClient& http,
                         std::vector<std::unique_ptr<Shard>> shards, std::function<void(const Arrival&)> on_arrival,
                         ScrapePoolsOptions options)
    : context_{clock, scheduler, http, stats_, buffers_, std::move(on_arrival)},
      options_(std::move(options)),
      shards_(std::move(shards)) {
  CHECK(!shards_.empty(), "targets need a shard");
}

ScrapePools::~ScrapePools() { stop(); }

std::shared_ptr<ScrapeLoop> ScrapePools::make_loop(const std::shared_ptr<const Job>& job, const Target& target,
                                                   const std::string& limit_error) {
  // By what the series carry, so that a target whose request changed stays with the writer of its series.
  Shard& shard = *shards_[target.labels.fingerprint() % shards_.size()];
  return std::make_shared<ScrapeLoop>(context_, shard, job, target, limit_error);
}

ScrapePools::Pool ScrapePools::build(const ScrapeConfig& config, Pool* before) {
  Pool pool;
  pool.job = Job::make(config);
  pool.targets = build_targets(config);
  stats_.target_errors.fetch_add(pool.targets.errors.size(), std::memory_order_relaxed);
  std::string limit_error;
  if (config.target_limit > 0 && pool.targets.active.size() > config.target_limit) {
    limit_error = fmt::format("target_limit exceeded (number of targets: {}, limit: {})", pool.targets.active.size(),
                              config.target_limit);
  }
  const bool reusable = before != nullptr && TargetSeries::reusable(before->job->config, config);
  for (const Target& target : pool.targets.active) {
    auto loop = make_loop(pool.job, target, limit_error);
    if (reusable) {
      const auto same = std::find_if(before->loops.begin(), before->loops.end(), [&](const auto& old) {
        return old->target().labels == target.labels && old->target().url == target.url;
      });
      if (same != before->loops.end()) {
        (*same)->hand_over();
        loop->take_over(**same);
        before->loops.erase(same);
      }
    }
    pool.loops.push_back(std::move(loop));
  }
  return pool;
}

void ScrapePools::retire(Pool& pool, Ending ending) {
  for (const auto& loop : pool.loops) {
    loop->stop(ending);
    ending_.push_back(loop);
  }
  pool.loops.clear();
}

void ScrapePools::apply(const std::vector<ScrapeConfig>& jobs, const core::ring::Labels& external_labels) {
  seed_ = fnv1a(options_.host_name + external_labels.to_string());
  std::erase_if(ending_, [](const auto& loop) { return loop->ended(); });
  std::map<std::string, Pool> before;
  {
    const std::lock_guard lock(mutex_);
    before = pools_;
  }
  std::map<std::string, Pool> after;
  std::vector<std::shared_ptr<ScrapeLoop>> fresh;
  for (const ScrapeConfig& config : jobs) {
    const auto old = before.find(config.job_name);
    if (old != before.end() && old->second.job->config == config) {
      after.emplace(config.job_name, std::move(old->second));
      before.erase(old);
      continue;
    }
    Pool pool = build(config, old == before.end() ? nullptr : &old->second);
    fresh.insert(fresh.end(), pool.loops.begin(), pool.loops.end());
    after.emplace(config.job_name, std::move(pool));
    if (old != before.end()) {
      retire(old->second, Ending::kMarkStale);
      before.erase(old);
    }
  }
  // What is left belongs to jobs that are no more: their series fade by look-back, as in Prometheus.
  for (auto& [name, pool] : before) retire(pool, Ending::kSilent);
  {
    const std::lock_guard lock(mutex_);
    pools_ = std::move(after);
  }
  for (const auto& loop : fresh) loop->start(seed_);
}

void ScrapePools::stop() {
  std::map<std::string, Pool> before;
  {
    const std::lock_guard lock(mutex_);
    before.swap(pools_);
  }
  for (const auto& [name, pool] : before) {
    for (const auto& loop : pool.loops) loop->abandon();
  }
  for (const auto& loop : ending_) loop->abandon();
  ending_.clear();
}

std::vector<PoolStatus> ScrapePools::status() const {
  const std::lock_guard lock(mutex_);
  std::vector<PoolStatus> result;
  for (const auto& [name, pool] : pools_) {
    PoolStatus status{name, {}, pool.targets.dropped, pool.targets.dropped_count, pool.targets.errors};
    for (const auto& loop : pool.loops) status.active.push_back(loop->status());
    result.push_back(std::move(status));
  }
  return result;
}

std::vector<TargetMetadata> ScrapePools::metadata() const {
  std::vector<std::pair<std::string, std::shared_ptr<ScrapeLoop>>> loops;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, pool] : pools_) {
      for (const auto& loop : pool.loops) loops.emplace_back(name, loop);
    }
  }
  std::vector<TargetMetadata> result;
  for (const auto& [job, loop] : loops) result.push_back({job, loop->target().labels, loop->metadata()});
  return result;
}

}  // namespace collector::scrape
