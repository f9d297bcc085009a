// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actions/remedy/remediation_config.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace actions::remedy {

enum class RunState {
  kObserved,  // level observe: what it would have done
  kProposed,  // level propose, or a storm: for people to look at
  kWaiting,   // for an approval
  kPaused,    // held back by the kill switch; decided anew once that is released
  kRefused,   // held back by a guard, or given up; a guard's refusal is decided anew while the alert fires
  kRunning,   // one step's intent is in the journal and its outcome is not
  kSucceeded,
  kFailed,
  kInterrupted,  // stopped with an effect that may or may not have happened: needs a person
};

std::string_view to_string(RunState state);
std::optional<RunState> run_state_from(std::string_view text);

enum class StepState { kPending, kRunning, kSucceeded, kFailed, kInterrupted };

std::string_view to_string(StepState state);
std::optional<StepState> step_state_from(std::string_view text);

// A step of a run: what it does and what came of it.
struct StepRun {
  Step step;
  StepState state = StepState::kPending;
  int attempts = 0;  // intents written
  std::optional<core::WallTime> started;
  std::optional<core::WallTime> finished;
  std::string result;  // "exited with 0", "snapshot 0a1b2c3d", an error
  std::string output;  // the end of what it printed, at most kOutputTail bytes
};

inline constexpr std::size_t kOutputTail = 4096;

// One decision to act - or not to - on one episode of one alert, with the plan as it was then.
//
// Thread safety: a value; shared ones are immutable.
// Invariants: kRunning exactly while one step is kRunning, and then every step before it has succeeded.
struct Run {
  std::string id;  // remediation-fingerprint-startsAt: one episode of an alert is one run
  std::string remediation;
  core::ring::Labels alert;
  core::WallTime fired_at;
  Level level = Level::kPropose;
  RunState state = RunState::kRefused;
  bool final = false;      // nothing will be decided any more
  std::string reason;      // why it is in this state
  std::string decided_by;  // who approved or rejected
  core::WallTime created;
  std::optional<core::WallTime> started;  // the first intent: what cool-downs count from
  std::optional<core::WallTime> finished;
  std::vector<StepRun> steps;

  // The index of the step that is kRunning; steps.size() if none.
  std::size_t current() const;
};

std::string run_id(const std::string& remediation, const core::ring::Labels& alert, core::WallTime fired_at);

using RunPtr = std::shared_ptr<const Run>;

// The kill switch.
struct Pause {
  std::string reason;
  std::string who;
  core::WallTime since;
};

}  // namespace actions::remedy
