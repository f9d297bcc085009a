// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/scrape_pools.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "core/check.h"

namespace collector::scrape {
namespace {

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

// Why no target of the job may be asked; empty if they may.
std::string limit_error(const ScrapeConfig& config, const TargetList& targets) {
  if (config.target_limit == 0 || targets.active.size() <= config.target_limit) return {};
  return fmt::format("target_limit exceeded (number of targets: {}, limit: {})", targets.active.size(),
                     config.target_limit);
}

using LoopPtr = std::shared_ptr<ScrapeLoop>;

// Loops found by a hash of their target, each given out once.
class LoopsByTarget {
 public:
  LoopsByTarget() = default;
  LoopsByTarget(const std::vector<LoopPtr>& loops, std::uint64_t (*hash)(const Target&)) {
    for (const LoopPtr& loop : loops) loops_.emplace(hash(loop->target()), loop);
  }
  template <class Same>
  LoopPtr take(std::uint64_t hash, Same same) {
    const auto [first, last] = loops_.equal_range(hash);
    const auto found = std::find_if(first, last, [&](const auto& each) { return same(each.second->target()); });
    if (found == last) return nullptr;
    LoopPtr loop = std::move(found->second);
    loops_.erase(found);
    return loop;
  }
  // Those that nobody took.
  std::vector<LoopPtr> rest() {
    std::vector<LoopPtr> rest;
    for (auto& [hash, loop] : loops_) rest.push_back(std::move(loop));
    loops_.clear();
    return rest;
  }

 private:
  std::unordered_multimap<std::uint64_t, LoopPtr> loops_;
};

}  // namespace

ScrapePools::ScrapePools(const core::Clock& clock, core::Scheduler& scheduler, core::net::HttpClient& http,
                         std::vector<std::unique_ptr<Shard>> shards, std::function<void(const Arrival&)> on_arrival,
                         ScrapePoolsOptions options)
    : context_{clock,
               scheduler,
               http,
               stats_,
               buffers_,
               std::move(on_arrival),
               options.large.get(),
               std::move(options.memory),
               reading_time_,
               std::move(options.cpu_time)},
      host_name_(std::move(options.host_name)),
      large_(std::move(options.large)),
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

ScrapePools::Pool ScrapePools::build(const ScrapeConfig& config, const discovery::TargetGroups& groups, Pool* before) {
  Pool pool;
  pool.job = Job::make(config);
  pool.targets = build_targets(config, groups);
  stats_.target_errors.fetch_add(pool.targets.errors.size(), std::memory_order_relaxed);
  const std::string over_limit = limit_error(config, pool.targets);
  const bool reusable = before != nullptr && TargetSeries::reusable(before->job->config, config);
  // By what the series carry: how often the target is asked may have changed.
  LoopsByTarget old(reusable ? before->loops : std::vector<LoopPtr>(),
                    [](const Target& target) { return target.timeline_identity(); });
  for (const Target& target : pool.targets.active) {
    auto loop = make_loop(pool.job, target, over_limit);
    const auto same = [&](const Target& other) { return other.labels == target.labels && other.url == target.url; };
    if (const auto continued = old.take(target.timeline_identity(), same)) {
      continued->hand_over();
      loop->take_over(*continued);
    }
    pool.loops.push_back(std::move(loop));
  }
  if (reusable) before->loops = old.rest();
  return pool;
}

void ScrapePools::retire(std::vector<std::shared_ptr<ScrapeLoop>>& loops, Ending ending) {
  for (const auto& loop : loops) {
    loop->stop(ending);
    ending_.push_back(loop);
  }
  loops.clear();
}

void ScrapePools::forget_ended() {
  std::erase_if(ending_, [](const auto& loop) { return loop->ended(); });
}

void ScrapePools::apply(const std::vector<ScrapeConfig>& jobs, const core::ring::Labels& external_labels,
                        const Discovered& discovered) {
  seed_ = fnv1a(host_name_ + external_labels.to_string());
  forget_ended();
  // One body that is allowed must have room.
  std::uint64_t largest = kBodyBytesMax;
  for (const ScrapeConfig& job : jobs) largest = std::max<std::uint64_t>(largest, job.body_size_limit.bytes);
  context_.memory.bodies->set_limit(2 * largest);
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
    const auto groups = discovered.find(config.job_name);
    Pool pool = build(config, groups == discovered.end() ? discovery::TargetGroups{} : groups->second,
                      old == before.end() ? nullptr : &old->second);
    fresh.insert(fresh.end(), pool.loops.begin(), pool.loops.end());
    after.emplace(config.job_name, std::move(pool));
    if (old != before.end()) {
      retire(old->second.loops, Ending::kMarkStale);
      before.erase(old);
    }
  }
  // What is left belongs to jobs that are no more: their series fade by look-back, as in Prometheus.
  for (auto& [name, pool] : before) retire(pool.loops, Ending::kSilent);
  {
    const std::lock_guard lock(mutex_);
    pools_ = std::move(after);
  }
  for (const auto& loop : fresh) loop->start(seed_);
}

std::vector<std::string> ScrapePools::set_groups(const std::string& job, const discovery::TargetGroups& groups) {
  forget_ended();
  const auto found = pools_.find(job);
  if (found == pools_.end()) return {};
  Pool pool;
  pool.job = found->second.job;
  pool.targets = build_targets(pool.job->config, groups);
  const std::string over_limit = limit_error(pool.job->config, pool.targets);
  LoopsByTarget old(found->second.loops, [](const Target& target) { return target.hash(); });
  std::vector<std::shared_ptr<ScrapeLoop>> fresh;
  for (const Target& target : pool.targets.active) {
    auto loop = old.take(target.hash(), [&](const Target& other) { return other.same_as(target); });
    if (loop) {
      loop->update(target.discovered, over_limit);
    } else {
      loop = make_loop(pool.job, target, over_limit);
      fresh.push_back(loop);
    }
    pool.loops.push_back(std::move(loop));
  }
  auto gone = old.rest();
  const std::set<std::string> known(found->second.targets.errors.begin(), found->second.targets.errors.end());
  std::vector<std::string> news;
  for (const std::string& error : pool.targets.errors) {
    if (!known.contains(error)) news.push_back(error);
  }
  stats_.target_errors.fetch_add(news.size(), std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    found->second = std::move(pool);
  }
  retire(gone, Ending::kMarkStale);
  for (const auto& loop : fresh) loop->start(seed_);
  return news;
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
