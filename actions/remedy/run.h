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
  kWaiting,   // for approvals
  kPaused,    // held back by a kill switch; decided anew once that is released
  kRefused,   // held back by a guard, or given up; a guard's refusal is decided anew while the alert fires
  kRunning,   // a step's intent is in the journal and its outcome is not, or what verify says is awaited
  kSucceeded,
  kFailed,
  kInterrupted,  // stopped with an effect that may or may not have happened, or half rolled back: needs a person
};

std::string_view to_string(RunState state);
std::optional<RunState> run_state_from(std::string_view text);

enum class StepState { kPending, kRunning, kSucceeded, kFailed, kInterrupted };

std::string_view to_string(StepState state);
std::optional<StepState> step_state_from(std::string_view text);

// What a run is at while it is kRunning.
enum class Phase { kSteps, kVerifying, kRollingBack };

std::string_view to_string(Phase phase);
std::optional<Phase> phase_from(std::string_view text);

// A step of a run: what it does and what came of it.
struct StepRun {
  Step step;
  StepState state = StepState::kPending;
  int attempts = 0;  // intents written
  std::optional<core::WallTime> started;
  // The same moment on the steady clock: that the wall clock was set since shows in their difference. None in runs of
  // earlier versions.
  std::optional<core::SteadyTime> started_steady = {};
  std::optional<core::WallTime> finished;
  std::string result;  // "exited with 0", "snapshot 0a1b2c3d", an error
  std::string output;  // the end of what it printed, at most kOutputTail bytes
};

inline constexpr std::size_t kOutputTail = 4096;

struct Approval {
  std::string who;
  core::WallTime at;
};

// A condition that was looked at, and what was seen.
struct Finding {
  std::string name;
  std::string verdict;  // yes, no, unknown
  std::string why;
};

// One decision to act - or not to - on one episode of one alert, with the plan as it was then.
//
// Thread safety: a value; shared ones are immutable.
// Invariants: kRunning exactly while one step is kRunning or the phase is kVerifying; before that step every step of
// its phase has succeeded.
struct Run {
  std::string id;  // remediation-fingerprint-startsAt: one episode of an alert is one run
  std::string remediation;
  core::ring::Labels alert;
  core::WallTime fired_at;
  Level level = Level::kPropose;
  RunState state = RunState::kRefused;
  Phase phase = Phase::kSteps;
  bool final = false;      // nothing will be decided any more
  std::string reason;      // why it is in this state
  std::string decided_by;  // who approved or rejected
  core::WallTime created;
  std::optional<core::WallTime> started;  // the first intent: what cool-downs count from
  std::optional<core::WallTime> finished;
  std::optional<core::WallTime> steps_done;  // verification began
  std::vector<StepRun> steps;                // those of a rollback are added when it begins
  std::string plan;                          // hash of what would be done: what an approval is for
  std::string budget;
  std::string escalated_from;  // the run whose failure led here
  std::string failure;         // while it is rolled back: why
  std::vector<Approval> approvals;
  std::vector<Finding> findings;  // of the last look at its conditions
  // The start on the steady clock, for the journal's own column; none in a run that was read from it.
  std::optional<core::SteadyTime> started_steady;

  // The index of the step that is kRunning; steps.size() if none.
  std::size_t current() const;
  // Held back by a guard, and decided anew while the alert fires.
  bool waits_for_guard() const { return !final && (state == RunState::kRefused || state == RunState::kPaused); }
};

std::string run_id(const std::string& remediation, const core::ring::Labels& alert, core::WallTime fired_at);

// What a remediation would do about an alert: its steps with their templates expanded, and the hash of all that an
// approval must be for: steps, alert, verification, who must approve.
struct Plan {
  std::vector<Step> steps;
  std::string hash;  // 64 hexadecimal digits
};
core::Result<Plan> make_plan(const RemediationConfig& remediation, const core::ring::Labels& alert);

using RunPtr = std::shared_ptr<const Run>;

// A kill switch: of everything, or of one remediation.
struct Pause {
  std::string reason;
  std::string who;
  core::WallTime since;
};

// The one JSON form of a run: in the journal, the audit log and the API. Times are RFC 3339.
std::string to_json_text(const Run& run);
core::Result<Run> run_from_json_text(std::string_view text);

// Lower-case hexadecimal SHA-256.
std::string sha256_hex(std::string_view bytes);

}  // namespace actions::remedy
