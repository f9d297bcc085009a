// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actions/remedy/condition.h"
#include "actions/remedy/run.h"
#include "core/time/clock.h"

namespace actions::remedy {

// The decisions of the remediation engine as a pure function: decide(state, event, now) -> (state, effects). It reads
// no clock, no disk and no network, so that every guard can be tried in a table and the simulation runs the same code.

// Bounds over all remediations that nobody has asked to configure.
struct EngineLimits {
  std::size_t running_max = 4;  // runs at once
  // An unfinished run is taken up again after a restart only if its intent is not older: the world has moved on.
  core::Duration resume_within = std::chrono::minutes(15);
  int attempts_max = 2;             // intents of one repeatable step: a step that kills the agent does not loop
  std::size_t episodes_max = 1000;  // firing alerts that are remembered
  std::size_t history_max = 200;    // finished runs that are remembered
  // What was seen of conditions is good for so long.
  core::Duration findings_good_for = std::chrono::seconds(30);
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
  std::optional<core::SteadyTime> steady;  // none from before this boot of the machine
};

// An alert that fires, for one remediation.
struct Episode {
  core::SteadyTime began;
  core::SteadyTime seen;    // last heard of
  bool heard = true;        // false: from the journal, and not heard of since the start
  std::uint64_t alert = 0;  // its fingerprint
};

enum class LookFor { kStart, kVerification };

// A look at conditions whose answers are awaited.
struct Look {
  std::uint64_t ticket = 0;
  LookFor purpose = LookFor::kStart;
  core::SteadyTime asked;
  std::vector<Question> questions;
  RunPtr draft;  // the run as it would be
};

// How long something is waited for, on the steady clock.
struct Term {
  core::SteadyTime from;
  core::SteadyTime until;
};

// Everything decisions depend on. Copied for every event: runs are shared.
struct EngineState {
  PolicyPtr policy;
  EngineLimits limits;
  std::map<std::string, RunPtr> runs;     // by id
  std::map<std::string, Episode> firing;  // by run id
  std::vector<Start> starts;              // oldest first; those any guard still looks at
  std::map<std::string, Pause> pauses;    // by remediation; "": of everything
  std::map<std::string, Look> looks;      // by run id; of this process only
  std::map<std::string, Term> terms;      // of approvals and verifications, by run id
  std::uint64_t next_ticket = 1;
};

struct AlertFired {
  core::ring::Labels alert;
  core::WallTime fired_at;
};
// Of one evaluation of a rule: all of them are known before the first is decided on, so that a storm shows.
struct AlertsFired {
  std::vector<AlertFired> alerts;
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
// What a look at the world says about a step that a crash interrupted.
struct StepSeen {
  std::string run;
  std::size_t step = 0;
  Verdict happened = Verdict::kUnknown;
  std::string why;
};
struct Looked {
  std::string run;
  std::uint64_t ticket = 0;
  std::vector<Answer> answers;  // one a question
};
struct Approved {
  std::string run;
  std::string who;
  std::string plan = {};  // empty: as the run has it
};
struct Rejected {
  std::string run;
  std::string who;
};
struct PauseAsked {
  std::string reason;
  std::string who;
  std::string remediation = {};  // empty: all
};
struct ResumeAsked {
  std::string who;
  std::string remediation = {};
};
struct Tick {};
struct Restarted {};  // the first event of a process, on the state from the journal
struct Reconfigured {
  PolicyPtr policy;
};

using Event = std::variant<AlertFired, AlertsFired, AlertResolved, StepFinished, StepSeen, Looked, Approved, Rejected,
                           PauseAsked, ResumeAsked, Tick, Restarted, Reconfigured>;

// Write the run to the journal as it now is.
struct RecordRun {
  RunPtr run;
};
// Write a kill switch.
struct RecordPause {
  std::string remediation;
  std::optional<Pause> pause;
  std::string who;
};
// Carry out a step. Only after all records of the same decision are committed.
struct StartStep {
  std::string run;
  std::size_t step = 0;
  RunPtr snapshot;         // the run with the step's intent in it
  bool only_look = false;  // whether it happened: answered by StepSeen
};
// Look at conditions: answered by Looked. Changes nothing.
struct StartLook {
  std::string run;
  std::uint64_t ticket = 0;
  std::vector<Question> questions;
  core::Duration fresh_within{};
};
// The event makes no sense in this state: the answer to whoever asked.
struct Refuse {
  std::string why;
};

using Effect = std::variant<RecordRun, RecordPause, StartStep, StartLook, Refuse>;

struct Decision {
  EngineState state;
  std::vector<Effect> effects;
};

Decision decide(EngineState state, const Event& event, Now now);

// What a remediation needs to be so before it starts, in the order in which it is told.
std::vector<Question> questions_of(const Policy& policy, const RemediationConfig& remediation);

}  // namespace actions::remedy
