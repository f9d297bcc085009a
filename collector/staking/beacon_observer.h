// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "collector/staking/fork_schedule.h"
#include "collector/staking/node_observer.h"
#include "collector/staking/staking_config.h"

namespace collector::staking {

// A beacon node by the Beacon API. Its clock is that of its own specification and genesis; a node whose genesis is not
// that of the configured network is refused: nothing but that is told of it.
//
// Thread safety: confined to the scheduler's thread.
class BeaconObserver final : public NodeObserver {
 public:
  BeaconObserver(BeaconNodeConfig config, std::shared_ptr<Network> network)
      : config_(std::move(config)), network_(std::move(network)) {}

  std::vector<Question> questions(core::SteadyTime now) override;
  std::string judge(const Answers& answers, core::SteadyTime now) override;

 private:
  struct Verdict {
    Reason reason = Reason::kNone;
    std::optional<bool> other_network;  // none: not known
  };
  Verdict assess(const tl::expected<Json, Reason>& syncing, const tl::expected<Json, Reason>& genesis);
  void learn_clock(const Answers& answers, const Json& genesis, core::SteadyTime now);
  void write_head(GaugeText& text, const Json& syncing, core::WallTime at) const;
  void write_finality(GaugeText& text, const Answers& answers) const;
  void write_fork(GaugeText& text, const Answers& answers, std::uint64_t head) const;

  BeaconNodeConfig config_;
  std::shared_ptr<Network> network_;
  std::optional<SlotClock> clock_;
  std::optional<ForkSchedule> forks_;
  std::optional<core::SteadyTime> spec_read_;  // none: to be read in the next round
};

}  // namespace collector::staking
