// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "collector/staking/execution_comparison.h"
#include "collector/staking/node_observer.h"
#include "collector/staking/staking_config.h"

namespace collector::staking {

// An execution node by JSON-RPC: one batch a round, or a request for each method where the node takes no batches.
// Methods that are switched off (net_*, txpool_*) are unknown, not down. A reference is asked only what the others are
// compared by, and its series have another prefix: nothing that counts our nodes counts it.
//
// Thread safety: confined to the scheduler's thread.
class ExecutionObserver final : public NodeObserver {
 public:
  ExecutionObserver(ExecutionNodeConfig config, std::shared_ptr<Network> network,
                    std::shared_ptr<ExecutionComparison> comparison)
      : config_(std::move(config)), network_(std::move(network)), comparison_(std::move(comparison)) {}

  std::vector<Question> questions(core::SteadyTime now) override;
  std::string judge(const Answers& answers, core::SteadyTime now) override;

 private:
  using Replies = std::map<std::string, Json, std::less<>>;  // by method and tag: the objects with result or error

  struct Verdict {
    Reason reason = Reason::kNone;
    std::optional<bool> other_network;
  };
  bool asks(std::size_t method) const;
  std::string call_text(std::size_t method) const;
  tl::expected<Replies, Reason> replies_of(const Answers& answers);
  tl::expected<Replies, Reason> batch_of(const Answers& answers);
  Verdict assess(const tl::expected<Replies, Reason>& replies, core::SteadyTime now) const;
  Verdict assess_chain(const Replies& replies, core::SteadyTime now) const;
  // What was said, for the others too, and how this node stands among them.
  void compare(GaugeText& text, const Replies& replies, core::SteadyTime now);
  static void write_head(GaugeText& text, const Replies& replies, core::WallTime at);
  void write_engine(GaugeText& text, const Answers& answers) const;

  ExecutionNodeConfig config_;
  std::shared_ptr<Network> network_;
  std::shared_ptr<ExecutionComparison> comparison_;
  std::optional<std::uint64_t> compared_height_;  // that the round asks the block of
  bool in_batches_ = true;
};

}  // namespace collector::staking
