// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "actions/drill/drill_decision.h"

namespace actions::drill {

inline DrillableConfig geth_component() {
  DrillableConfig component;
  component.name = "geth-a";
  component.labels = {{"instance", "geth-a"}};
  component.units = {"geth.service"};
  return component;
}

// Expects everything: the alert within 1m, a message within 2m, the remediation within 3m, the end within 4m.
inline DrillConfig geth_drill() {
  using std::chrono::minutes;
  DrillConfig drill;
  drill.name = "geth-stops";
  drill.component = "geth-a";
  drill.inject.action = UnitFault{.unit = "geth.service"};
  drill.expect.alert = {{core::ring::Matcher::equal("alertname", "GethDown")}, minutes(1)};
  drill.expect.notified = minutes(2);
  drill.expect.remediation = ExpectedRemediationConfig{"restart-geth", "succeeded", minutes(3)};
  drill.expect.resolved = minutes(4);
  drill.max_duration = minutes(10);
  return drill;
}

inline core::ring::Labels geth_alert(const std::string& instance = "geth-a") {
  return {{"alertname", "GethDown"}, {"instance", instance}, {"severity", "critical"}};
}

inline Run run_of(const DrillConfig& drill, core::WallTime now) {
  Run run;
  run.created = std::chrono::floor<core::Millis>(now);
  run.id = drill.name + "-" + std::to_string(core::to_unix_ms(run.created));
  run.drill = drill.name;
  run.component = drill.component;
  run.who = "ann";
  run.fault = drill.inject;
  run.units = {"geth.service"};
  run.max_duration = drill.max_duration;
  run.expectations = expectations_of(drill);
  return run;
}

inline rules::Transition transition_of(core::ring::Labels labels, rules::AlertState to, core::WallTime at,
                                       core::WallTime active_at) {
  rules::Transition transition;
  transition.labels = std::move(labels);
  transition.to = to;
  transition.from = to == rules::AlertState::kInactive ? rules::AlertState::kFiring : rules::AlertState::kPending;
  transition.at = at;
  transition.active_at = active_at;
  if (to == rules::AlertState::kFiring) transition.fired_at = at;
  if (to == rules::AlertState::kInactive) transition.resolved_at = at;
  return transition;
}

}  // namespace actions::drill
