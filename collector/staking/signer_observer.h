// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "collector/staking/key_list_reader.h"
#include "collector/staking/keymanager_observer.h"
#include "collector/staking/node_observer.h"
#include "collector/staking/signing_config.h"

namespace collector::staking {

// A remote signer by Web3Signer's API: that it lives, that its parts are well, which keys it holds, and up to where it
// may sign. Nothing is ever signed, not even to try: that would move its slashing protection.
//
// Thread safety: confined to the scheduler's thread.
class SignerObserver final : public NodeObserver {
 public:
  SignerObserver(SignerConfig config, std::shared_ptr<const ExpectedKeys> expected)
      : config_(std::move(config)), expected_(std::move(expected)) {}

  std::vector<Question> questions(core::SteadyTime now) override;
  std::string judge(const Answers& answers, core::SteadyTime now) override;

 private:
  void write_keys(GaugeText& text, const Answers& answers) const;

  SignerConfig config_;
  std::shared_ptr<KeyListReader> reader_;  // of this round
  std::shared_ptr<const ExpectedKeys> expected_;
};

}  // namespace collector::staking
