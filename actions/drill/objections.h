// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actions/drill/drill_config.h"
#include "actions/remedy/engine.h"
#include "rules/alert/rule_status.h"

namespace actions::drill {

// The agent's world, as far as it matters whether a drill may begin or go on.
struct Situation {
  std::vector<std::shared_ptr<const rules::GroupStatus>> rules;
  std::shared_ptr<const remedy::Snapshot> remedy;
  std::string notifier_degraded;     // empty: messages survive a crash
  bool somebody_is_told = false;     // there is a receiver, or an Alertmanager
  std::vector<std::string> resting;  // clients that a backup has stopped
};

// Why this drill must not begin now, in words for people: a pause, a storm, an incident, remediations at work, an alert
// that fires already, a watch that is impaired. Empty: nothing objects.
std::vector<std::string> objections(const DrillConfig& drill, const Situation& situation, remedy::Now now);

// Why a drill that runs must end: automation was paused, or a critical alert fires that is not its own. `is_its_own`
// says of an alert whether it is. Empty: it may go on.
std::string reason_to_end(const Situation& situation,
                          const std::function<bool(const rules::AlertStatus& alert)>& is_its_own);

// What must hold before it begins.
std::vector<remedy::Question> questions_of(const DrillConfig& drill, const remedy::Policy& policy);

}  // namespace actions::drill
