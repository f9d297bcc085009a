// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "collector/staking/node_observer.h"
#include "collector/staking/staking_config.h"

namespace collector::staking {

// A Vault or OpenBao server. The status of sys/health is a state, and counts only together with its body: a proxy
// answers 429 and 503 as well.
//
// Thread safety: confined to the scheduler's thread.
class VaultObserver final : public NodeObserver {
 public:
  explicit VaultObserver(VaultConfig config) : config_(std::move(config)) {}

  std::vector<Question> questions(core::SteadyTime now) override;
  std::string judge(const Answers& answers, core::SteadyTime now) override;

 private:
  static void write_members(GaugeText& text, const Answers& answers);
  static void write_leader(GaugeText& text, const Answers& answers);
  void write_token(GaugeText& text, const Answers& answers) const;

  VaultConfig config_;
};

}  // namespace collector::staking
