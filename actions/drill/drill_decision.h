// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actions/drill/drill_config.h"
#include "actions/drill/drill_run.h"
#include "actions/remedy/decision.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"
#include "rules/alert/alert_sink.h"

namespace actions::drill {

// What becomes of a drill as a pure function: decide(state, event, now) -> (state, effects). It reads no clock and no
// disk, so that the simulation runs the same code. What it promises whatever is killed when: a fault is injected at
// most once for each run, never without an intent in the store, never beside another one, and is always restored.

using remedy::Now;

// Between two attempts to restore; it doubles from the first to the second.
inline constexpr core::Duration kRestoreAgainFirst = std::chrono::seconds(5);
inline constexpr core::Duration kRestoreAgainMax = std::chrono::seconds(60);

// Everything decisions depend on.
//
// Thread safety: a value.
struct DrillState {
  std::optional<Run> run;  // the one that is not over
  // Of this process only: none for a run that a former one began.
  std::optional<DrillConfig> config;
  core::SteadyTime began;
  std::optional<core::SteadyTime> injected;
  std::optional<core::SteadyTime> restored;
  bool restoring = false;     // an attempt is under way
  core::SteadyTime retry_at;  // while none is
};

// A person, or the schedule, wants it, and nothing objected.
struct Begin {
  Run run;
  DrillConfig config;
};
struct Injected {
  std::string run;
  bool done = false;
  std::string what;  // what was done, or why not
};
struct Restored {
  std::string run;
  bool done = false;
  std::string what;
};
// Of an alert that belongs to the drill.
struct AlertSeen {
  rules::Transition transition;
};
// A receiver has taken a message about an alert that is marked as the drill's.
struct Delivered {
  std::string run;
  std::string alertname;
  std::string receiver;
  bool resolved = false;
};
// Remediations' runs that may be about the drill's alerts.
struct RemediationsSeen {
  std::vector<remedy::RunPtr> runs;
};
// The time of the first sample for which the alert's rule holds.
struct FirstSampleFound {
  std::string run;
  std::string alert;
  core::WallTime at;
};
struct CancelAsked {
  std::string reason;  // with who asked
};
struct Tick {};
struct Restarted {};  // the first event of a process, on the run that the store has as not over, if there is one

using Event = std::variant<Begin, Injected, Restored, AlertSeen, Delivered, RemediationsSeen, FirstSampleFound,
                           CancelAsked, Tick, Restarted>;

// Write the run to the store as it now is.
struct Record {
  RunPtr run;
};
// Do the damage. Only after the record of the same decision is on the disk.
struct Inject {
  RunPtr run;
};
// End an injection that is under way, as its timeout would.
struct StopInjecting {};
// Undo it, whether or not it happened, and whatever the store says.
struct Restore {
  RunPtr run;
};
struct FindFirstSample {
  std::string run;
  core::ring::Labels alert;
  core::WallTime from;   // of the injection
  core::WallTime until;  // when the rule saw it
};
// The event makes no sense in this state: the answer to whoever asked.
struct Refuse {
  std::string why;
};

using Effect = std::variant<Record, Inject, StopInjecting, Restore, FindFirstSample, Refuse>;

struct Decision {
  DrillState state;
  std::vector<Effect> effects;
};

Decision decide(DrillState state, const Event& event, Now now);

}  // namespace actions::drill
