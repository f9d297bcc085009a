// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "actions/drill/drill_run.h"
#include "actions/remedy/protection.h"
#include "actions/remedy/step_surroundings.h"

namespace actions::drill {

// The pods that a fault means as they are now.
struct PodSurvey {
  std::vector<PodBefore> pods;          // the one to kill, then the others
  std::vector<std::string> objections;  // why none must be killed; empty: it may be
};

// Only what its controller makes anew is killed, is listed for the component, and is not protected; `protection` null:
// that is not asked. Changes nothing. Blocks; any thread, as the others.
PodSurvey survey_pods(const remedy::Surroundings& around, const PodFault& fault, const DrillableConfig& component,
                      const remedy::ProtectionConfig* protection);

// Deletes the first of `pods`, and no other that has its name by now; what was done, once it is gone.
core::Result<std::string> kill_pod(const remedy::Surroundings& around, const PodFault& fault,
                                   const std::vector<PodBefore>& pods, std::stop_token stop);

// Waits for a pod that is ready and was not there before, or finds that the first one was never killed.
core::Result<std::string> await_another_pod(const remedy::Surroundings& around, const PodFault& fault,
                                            const std::vector<PodBefore>& pods, std::stop_token stop);

}  // namespace actions::drill
