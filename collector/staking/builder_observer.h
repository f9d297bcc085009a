// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "collector/staking/node_observer.h"
#include "collector/staking/signing_config.h"

namespace collector::staking {

// A MEV-Boost or a relay by the builder API: only its status is asked, for a header or a registration is no probe.
//
// Thread safety: confined to the scheduler's thread.
class BuilderObserver final : public NodeObserver {
 public:
  explicit BuilderObserver(MevBoostConfig config);
  explicit BuilderObserver(const RelayConfig& config);

  std::vector<Question> questions(core::SteadyTime now) override;
  std::string judge(const Answers& answers, core::SteadyTime now) override;

 private:
  bool is_relay_;
  MevBoostConfig config_;  // of a relay: what it has of it
  core::SteadyTime asked_{};
};

}  // namespace collector::staking
