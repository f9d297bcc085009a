// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "collector/staking/node_observer.h"
#include "collector/staking/staking_config.h"

namespace collector::staking {

// An execution node by JSON-RPC: one batch a round, or a request for each method where the node takes no batches.
// Methods that are switched off (net_*, txpool_*) are unknown, not down.
//
// Thread safety: confined to the scheduler's thread.
class ExecutionObserver final : public NodeObserver {
 public:
  ExecutionObserver(ExecutionNodeConfig config, std::shared_ptr<Network> network)
      : config_(std::move(config)), network_(std::move(network)) {}

  std::vector<Question> questions(core::SteadyTime now) override;
  std::string judge(const Answers& answers, core::SteadyTime now) override;

 private:
  using Replies = std::map<std::string, Json, std::less<>>;  // by method and tag: the objects with result or error

  struct Verdict {
    Reason reason = Reason::kNone;
    std::optional<bool> other_network;
  };
  tl::expected<Replies, Reason> replies_of(const Answers& answers);
  tl::expected<Replies, Reason> batch_of(const Answers& answers);
  Verdict assess(const tl::expected<Replies, Reason>& replies) const;
  static void write_head(GaugeText& text, const Replies& replies, core::WallTime at);
  void write_engine(GaugeText& text, const Answers& answers) const;

  ExecutionNodeConfig config_;
  std::shared_ptr<Network> network_;
  bool in_batches_ = true;
};

}  // namespace collector::staking
