// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/scrape/scrape_loop.h"

namespace collector::scrape {

// A job as the API shows it.
struct PoolStatus {
  std::string job;
  std::vector<TargetStatus> active;
  std::vector<core::ring::Labels> dropped;  // discovered labels
  std::uint64_t dropped_count = 0;
  std::vector<std::string> errors;  // of targets that could not be made
};

struct TargetMetadata {
  std::string job;
  core::ring::Labels target;
  std::vector<FamilyMetadata> families;
};

struct ScrapePoolsOptions {
  std::string host_name;         // with the external labels, what tells replicas apart
  std::unique_ptr<Shard> large;  // for targets that cost much, so that no other waits for them; none: with the others
  ScrapeMemory memory;
  std::function<core::Duration()> cpu_time = core::thread_cpu_time;  // of the calling thread
};

// Every job with its loops. A new configuration is taken whole: loops of unchanged jobs do not notice, those of a job
// that changed only in timing, sample limit or HTTP settings go on with their series, others end and begin anew.
//
// Thread safety: confined to the scheduler's thread, except status(), metadata(), stats() and memory(): any thread.
class ScrapePools {
 public:
  // REQUIRES: at least one shard; `clock`, `scheduler` and `http` outlive this.
  ScrapePools(const core::Clock& clock, core::Scheduler& scheduler, core::net::HttpClient& http,
              std::vector<std::unique_ptr<Shard>> shards, std::function<void(const Arrival&)> on_arrival = {},
              ScrapePoolsOptions options = {});
  // The scheduler must not run any more, or this be its thread. Waits for the shards.
  ~ScrapePools();

  // What discovery knows of the targets of some jobs.
  using Discovered = std::map<std::string, discovery::TargetGroups>;

  // REQUIRES: `jobs` came out of resolve_jobs().
  void apply(const std::vector<ScrapeConfig>& jobs, const core::ring::Labels& external_labels,
             const Discovered& discovered = {});
  // Everything that discovery knows now of a job's targets: those that are the same do not notice, those that are gone
  // end with markers. Returns why targets could not be made, where it is news. A job that does not exist is passed
  // over.
  std::vector<std::string> set_groups(const std::string& job, const discovery::TargetGroups& groups);
  // Ends every loop without markers: at the end of the agent, what is in the ring stays as it is.
  void stop();

  std::vector<PoolStatus> status() const;  // jobs by name
  std::vector<TargetMetadata> metadata() const;
  const ScrapeStats& stats() const { return stats_; }
  const ScrapeMemory& memory() const { return context_.memory; }

 private:
  struct Pool {
    std::shared_ptr<const Job> job;
    TargetList targets;
    std::vector<std::shared_ptr<ScrapeLoop>> loops;
  };

  Pool build(const ScrapeConfig& config, const discovery::TargetGroups& groups, Pool* before);
  std::shared_ptr<ScrapeLoop> make_loop(const std::shared_ptr<const Job>& job, const Target& target,
                                        const std::string& limit_error);
  void retire(std::vector<std::shared_ptr<ScrapeLoop>>& loops, Ending ending);
  void forget_ended();

  ScrapeStats stats_;
  BodyBuffers buffers_;
  ReadingTime reading_time_;
  LoopContext context_;
  const std::string host_name_;
  std::uint64_t seed_ = 0;
  std::vector<std::shared_ptr<ScrapeLoop>> ending_;

  mutable std::mutex mutex_;
  std::map<std::string, Pool> pools_;  // written on the scheduler's thread under mutex_, read anywhere under it

  // Last: what their tasks use goes after them.
  std::unique_ptr<Shard> large_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace collector::scrape
