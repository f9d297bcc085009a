// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/scrape/scrape_pools.h"
#include "collector/staking/duty_loop.h"
#include "collector/staking/event_stream.h"
#include "collector/staking/head_loop.h"
#include "collector/staking/staking_config.h"
#include "collector/staking/text_target.h"

namespace collector::staking {

// What is watched of the chain itself: the duties of the configured validators, the events of the beacon nodes, and
// whether several of those have the same chain. Each is a target, whose samples come when they are found out.
//
// Thread safety: confined to the scheduler's thread, except status(), metadata() and duties(): any thread.
class ChainWatch {
 public:
  struct Context {
    core::net::HttpClient& http;
    core::Scheduler& scheduler;
    const core::Clock& clock;
    scrape::Shard& shard;
    std::function<void(const scrape::Arrival&)> on_arrival;
    std::function<double()> jitter;  // in [0, 1)
    DutyLoop::Keeping keeping = {};
    std::function<void(std::string_view topic)> on_event = {};  // something that a beacon node tells of; none: nobody
  };

  // REQUIRES: what `context` refers to outlives this.
  explicit ChainWatch(Context context);

  // What did not change goes on; the series of what is gone end with markers. `observer` where the configuration names
  // none.
  void configure(const StakingConfig& config, std::shared_ptr<Network> network, const std::string& observer);
  // Nothing is asked any more; what is in the ring stays as it is.
  void stop();

  std::vector<scrape::PoolStatus> status() const;
  std::vector<scrape::TargetMetadata> metadata() const;
  std::shared_ptr<const DutySnapshot> duties() const { return duties_.snapshot(); }

 private:
  struct Stream {
    BeaconNodeConfig made_of;
    core::ring::Labels labels;
    std::shared_ptr<Network> network;
    std::shared_ptr<TextTarget> target;
    std::unique_ptr<EventStream> stream;
  };

  // A target that is told what is found out all over the chain; none if it is not `wanted`.
  struct Book {
    core::ring::Labels labels;
    std::shared_ptr<TextTarget> target;  // written under mutex_
    void publish(std::string text) const {
      if (target != nullptr) target->publish(std::move(text));
    }
  };
  void configure_book(Book& book, bool wanted, std::string_view job, const StakingConfig& config,
                      const std::string& observer);
  Stream make_stream(const BeaconNodeConfig& node, const core::ring::Labels& labels,
                     const std::shared_ptr<Network>& network);
  std::vector<std::shared_ptr<TextTarget>> targets() const;

  Context context_;
  Book duty_book_;
  Book head_book_;
  DutyLoop duties_;
  HeadLoop heads_;
  std::map<std::string, Stream> streams_;  // by the node's name

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<TextTarget>> event_targets_;  // guarded by mutex_
};

}  // namespace collector::staking
