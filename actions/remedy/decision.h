// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actions/remedy/run.h"
#include "core/time/clock.h"

namespace actions::remedy {

// The decisions of the remediation engine as a pure function: decide(state, event, now) -> (state, effects). It reads
// no clock, no disk and no network, so that every guard can be tried in a table and the simulation runs the same code.

// Bounds over all remediations.
struct EngineLimits {
  // Storm stop: when so many runs started within the window, the watcher or the network is likelier wrong than all
  // these targets; from then on runs are only proposed.
  std::size_t storm_runs = 5;
  core::Duration storm_window = std::chrono::minutes(10);
  std::size_t running_max = 4;  // runs at once
  // An unfinished run is taken up again after a restart only if its intent is not older: the world has moved on.
  core::Duration resume_within = std::chrono::minutes(15);
  int attempts_max = 2;             // intents of one repeatable step: a step that kills the agent does not loop
  std::size_t episodes_max = 1000;  // firing alerts that are remembered
  std::size_t history_max = 200;    // finished runs that are remembered
};

// Both clocks: a guard holds while either of them says so, so a wall clock that jumps ahead does not end a cool-down.
struct Now {
  core::WallTime wall;
  core::SteadyTime steady;
};

// A start of a run, as the guards count it.
struct Start {
  std::string remediation;
  std::string run;
  core::WallTime wall;
  std::optional<core::SteadyTime> steady;  // none from before this process
};

// Everything decisions depend on. Copied for every event: runs are shared.
struct EngineState {
  std::shared_ptr<const std::vector<RemediationConfig>> remediations;
  EngineLimits limits;
  std::map<std::string, RunPtr> runs;              // by id
  std::map<std::string, core::SteadyTime> firing;  // run ids of episodes that fire, last heard of
  std::vector<Start> starts;                       // oldest first; those any guard still looks at
  std::optional<Pause> pause;
};

struct AlertFired {
  core::ring::Labels alert;
  core::WallTime fired_at;
};
struct AlertResolved {
  core::ring::Labels alert;
  core::WallTime fired_at;
};
enum class Outcome { kSucceeded, kFailed, kStopped };  // kStopped: ended because the agent ends
struct StepFinished {
  std::string run;
  std::size_t step = 0;
  Outcome outcome = Outcome::kFailed;
  std::string result;
  std::string output;
};
struct Approved {
  std::string run;
  std::string who;
};
struct Rejected {
  std::string run;
  std::string who;
};
struct PauseAsked {
  std::string reason;
  std::string who;
};
struct ResumeAsked {
  std::string who;
};
struct Tick {};
struct Restarted {};  // the first event of a process, on the state from the journal
struct Reconfigured {
  std::shared_ptr<const std::vector<RemediationConfig>> remediations;
};

using Event = std::variant<AlertFired, AlertResolved, StepFinished, Approved, Rejected, PauseAsked, ResumeAsked, Tick,
                           Restarted, Reconfigured>;

// Write the run to the journal as it now is.
struct RecordRun {
  RunPtr run;
};
// Write the kill switch.
struct RecordPause {
  std::optional<Pause> pause;
  std::string who;
};
// Carry out a step. Only after all records of the same decision are committed.
struct StartStep {
  std::string run;
  std::size_t step = 0;
  RunPtr snapshot;  // the run with the step's intent in it
};
// The event makes no sense in this state: the answer to whoever asked.
struct Refuse {
  std::string why;
};

using Effect = std::variant<RecordRun, RecordPause, StartStep, Refuse>;

struct Decision {
  EngineState state;
  std::vector<Effect> effects;
};

Decision decide(EngineState state, const Event& event, Now now);

}  // namespace actions::remedy
