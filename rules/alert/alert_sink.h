// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace rules {

enum class AlertState { kInactive, kPending, kFiring };

// What happened to one alert at one evaluation.
//
// from != to: a change. from == to == kFiring: a refresh, sent at least once a minute while it fires and once after a
// restart for every alert that was restored; receivers of refreshes must be idempotent.
// to == kInactive: a firing alert is resolved (or a pending one forgotten, when from == kPending); a resolution is sent
// again on every evaluation in which the sink has to be reminded, with from == to == kInactive.
struct Transition {
  core::ring::Labels labels;  // with alertname, without external labels: the alert's identity
  std::map<std::string, std::string> annotations;
  AlertState from = AlertState::kInactive;
  AlertState to = AlertState::kInactive;
  core::WallTime at;                          // the evaluation slot
  double value = 0;                           // of the expression, at the last evaluation that had it
  core::WallTime active_at;                   // pending since
  std::optional<core::WallTime> fired_at;     // firing since: startsAt of a notification
  std::optional<core::WallTime> resolved_at;  // endsAt of a resolved one
  core::Millis valid_for{};                   // a firing alert not refreshed for this long may be taken as resolved
  std::string generator_url;
  std::string file;  // of the rule
  std::string group;
};

// Who wants to know. Owned by rules; implemented by actions/notify and actions/remedy.
//
// Thread safety: called on the evaluation threads, several at once; must not block on the network.
class AlertSink {
 public:
  virtual ~AlertSink() = default;
  // All transitions of one rule at one evaluation.
  virtual void on_transitions(std::span<const Transition> transitions) = 0;
};

}  // namespace rules
