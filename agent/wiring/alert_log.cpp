// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/alert_log.h"

#include <spdlog/spdlog.h>

namespace agent {

void AlertLog::on_transitions(std::span<const rules::Transition> transitions) {
  using rules::AlertState;
  for (const rules::Transition& transition : transitions) {
    if (transition.from == transition.to) continue;
    const std::string alert = transition.labels.to_string();
    if (transition.to == AlertState::kFiring) {
      spdlog::warn("alert firing: {} (value {})", alert, transition.value);
    } else if (transition.to == AlertState::kPending) {
      spdlog::info("alert pending: {} (value {})", alert, transition.value);
    } else if (transition.from == AlertState::kFiring) {
      spdlog::info("alert resolved: {}", alert);
    } else {
      spdlog::debug("alert forgotten: {}", alert);
    }
  }
}

}  // namespace agent
