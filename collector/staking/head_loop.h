// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/staking/canonical_chain.h"
#include "collector/staking/chain_comparison.h"
#include "collector/staking/duty_facts.h"
#include "collector/staking/network.h"
#include "collector/staking/staking_config.h"
#include "core/net/http_client.h"
#include "core/task.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace collector::staking {

// What one look at all beacon nodes came to.
struct HeadRound {
  struct Node {
    std::string name;
    std::string reason;  // why it is not to be asked or believed; empty: it is
    Root head{};
    std::uint64_t head_slot = 0;
  };
  std::optional<DutySpec> spec;                 // of the network, once a node told it
  std::vector<Node> nodes;                      // in the order of the configuration
  std::optional<std::uint64_t> confirmed_slot;  // of ChainComparison
  bool split = false;                           // nodes contradict each other, and no majority is right
  std::string disagreement;                     // who has which root where, when it begins; else empty
};

// Looks at each beacon node's head once a slot, when its block should be there, and compares the chains behind the
// heads: of several nodes one that lies, or follows a chain of its own, is not believed. A node that is syncing,
// optimistic, far behind or of another network has no voice.
//
// Thread safety: confined to the scheduler's thread.
// Invariants: one look is under way at most; each of its requests has a deadline.
class HeadLoop {
 public:
  struct Listener {
    std::function<void(const HeadRound&)> round;
    std::function<void(std::string)> publish;  // the series of the comparison, as Prometheus text, once a round
  };

  // REQUIRES: all outlive this.
  HeadLoop(core::net::HttpClient& http, core::Scheduler& scheduler, const core::Clock& clock, Listener listener);
  ~HeadLoop();
  HeadLoop(const HeadLoop&) = delete;
  HeadLoop& operator=(const HeadLoop&) = delete;

  // Begins anew if the nodes or the network are others than before. Nodes without a URL are left out.
  void configure(std::vector<BeaconNodeConfig> nodes, std::shared_ptr<Network> network);
  void stop();

 private:
  struct Node {
    BeaconNodeConfig config;
    std::optional<DutySpec> spec;      // read, and of the right network
    std::string reason = "not_asked";  // why it is not used; empty: it is
    CanonicalChain chain;              // headers only
    std::map<std::uint64_t, Root> finalized;
    core::RootTask look;
  };

  void tick();
  void schedule_next();
  void looked();
  void end_round();
  core::RootTask look(Node& node);
  core::Task<std::string> look_at(Node& node);
  core::Task<std::string> learn(Node& node);
  std::string grade_head(const Node& node, const Json& syncing, const Block& head) const;
  core::Task<bool> follow(Node& node, const Block& head);
  core::Task<bool> note_finalized(Node& node);
  ChainComparison compare();
  std::string series(const ChainComparison& comparison, const std::vector<const Node*>& compared) const;

  core::net::HttpClient& http_;
  core::Scheduler& scheduler_;
  const core::Clock& clock_;
  Listener listener_;

  std::shared_ptr<Network> network_;
  std::vector<BeaconNodeConfig> configured_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::optional<DutySpec> spec_;  // the first that a node told
  core::TimerId timer_ = 0;
  core::TimerId end_timer_ = 0;
  std::size_t looks_open_ = 0;
  bool differed_ = false;
  std::uint64_t disagreements_ = 0;
};

}  // namespace collector::staking
