// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/staking/execution_comparison.h"
#include "collector/staking/keymanager_observer.h"
#include "collector/staking/node_observer.h"
#include "collector/staking/staking_config.h"
#include "core/net/http_client.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace collector::staking {

// Answers the scrapes of the observation job: a request for a node becomes a round of questions to it, and what the
// answers come to becomes the body. So its series have their timeline, their staleness and their place in the API as
// those of any target.
//
// Thread safety: confined to the scheduler's thread.
// Invariants: every round ends, for each of its requests has a timeout below the round's.
class ObserverClient final : public core::net::HttpClient {
 public:
  // REQUIRES: all outlive this.
  ObserverClient(core::net::HttpClient& http, core::Scheduler& scheduler, const core::Clock& clock);
  ~ObserverClient() override;
  ObserverClient(const ObserverClient&) = delete;
  ObserverClient& operator=(const ObserverClient&) = delete;

  // Nodes that did not change keep what is known of them; of a changed network nothing is kept.
  void configure(const StakingConfig& config);
  // What is known of the network, for others that ask its nodes. REQUIRES: configured.
  const std::shared_ptr<Network>& network() const { return network_; }

  core::net::TransferId send(core::net::Request request,
                             std::function<void(core::Result<core::net::Response>)> done) override;
  void cancel(core::net::TransferId transfer) override;

 private:
  struct Round;
  struct Node {
    std::shared_ptr<NodeObserver> observer;
    StakingConfig made_of;  // the one entry
  };

  void configure_keys(const StakingConfig& config);
  void ask(Round& round, Question question);
  void answered(core::net::TransferId id, const std::string& name, core::Result<core::net::Response> response);
  void finish(core::net::TransferId id);

  core::net::HttpClient& http_;
  core::Scheduler& scheduler_;
  const core::Clock& clock_;
  std::shared_ptr<Network> network_;
  std::shared_ptr<ExecutionComparison> comparison_ = std::make_shared<ExecutionComparison>();
  std::shared_ptr<ListedKeys> listed_ = std::make_shared<ListedKeys>();
  std::shared_ptr<ExpectedKeys> expected_ = std::make_shared<ExpectedKeys>();
  std::map<std::string, Node> nodes_;  // by path
  std::map<core::net::TransferId, std::unique_ptr<Round>> rounds_;
  core::net::TransferId last_id_ = 0;
};

}  // namespace collector::staking
