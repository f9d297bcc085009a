// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "actions/remedy/step_surroundings.h"
#include "actions/remedy/vault_step.h"

namespace actions::remedy {

// Carries out one vault step.
//
// Thread safety: confined to one thread, which blocks.
class VaultStepRun {
 public:
  VaultStepRun(const Surroundings& around, const VaultStep& step, Task task)
      : around_(around), step_(step), task_(std::move(task)), deadline_(around.clock.steady_now() + step.timeout) {}

  StepFinished carry_out();
  // Whether it has happened. REQUIRES: the step is kVerifiable.
  StepSeen look();

 private:
  StepFinished step_down();
  StepFinished take_snapshot();
  // Whether a node other than `active` could take over: it is unsealed and a standby.
  core::Result<void> check_standby(const std::string& active);

  const Surroundings& around_;
  const VaultStep& step_;
  const Task task_;
  const core::SteadyTime deadline_;
};

}  // namespace actions::remedy
