// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "actions/remedy/decision.h"
#include "core/time/duration.h"

namespace actions::remedy {

// A verdict of the guards against a start.
struct Held {
  RunState state;
  std::string reason;
  bool final = false;
};

// Whether a guard that needs no look at the world objects to a start of this remediation now. `run` is left out where
// others are counted.
std::optional<Held> guard(const EngineState& state, Now now, const RemediationConfig& remediation,
                          const std::string& run);

// Whether what was seen does. REQUIRES: an answer for each question.
std::optional<Held> judge_findings(const EngineState& state, const RemediationConfig& remediation,
                                   const std::string& run, const std::vector<Question>& questions,
                                   const std::vector<Answer>& answers);

// The longest time that any guard looks back.
core::Duration longest_memory(const Policy& policy);

core::Duration since(const Start& start, Now now);

inline std::string duration_text(core::Duration duration) {
  return core::format_duration(std::chrono::duration_cast<core::Millis>(duration));
}

inline core::WallTime plus(core::WallTime time, core::Duration duration) {
  return time + std::chrono::duration_cast<core::WallTime::duration>(duration);
}

// One decision under way: the new state and the effects so far. decision.cpp has alerts, people and time; run_steps.cpp
// has what becomes of a run once it has begun.
//
// Thread safety: confined to the call of decide().
class Deciding {
 public:
  Deciding(EngineState state, Now now) : state_(std::move(state)), now_(now) {}

  void on(const AlertFired& event);
  void on(const AlertsFired& event);
  void on(const AlertResolved& event);
  void on(const StepFinished& event);
  void on(const StepSeen& event);
  void on(const Looked& event);
  void on(const Approved& event);
  void on(const Rejected& event);
  void on(const PauseAsked& event);
  void on(const ResumeAsked& event);
  void on(const Tick& event);
  void on(const Restarted& event);
  void on(const Reconfigured& event) { state_.policy = event.policy; }

  Decision finish() {
    forget_old();
    return {std::move(state_), std::move(effects_)};
  }

 private:
  // Alerts.
  bool hear(const std::string& id, const AlertFired& event);
  void hear_all(const AlertFired& event);
  void consider_all(const AlertFired& event);
  void consider(const RemediationConfig& remediation, const AlertFired& event, const std::string& escalated_from);
  Run new_run(const RemediationConfig& remediation, const AlertFired& event, const std::string& escalated_from) const;
  void hold(Run run, const Held& held);
  void resolve(const std::string& id);
  void look(LookFor purpose, Run run, std::vector<Question> questions, core::Duration fresh_within);
  void try_to_start(const RemediationConfig& remediation, Run run);
  void looked_for_start(const Look& look, const Looked& event);

  // Runs.
  void begin(Run run);
  void start_step(Run run, std::size_t step);
  void steps_are_done(Run run);
  void look_at_verification(const Run& run);
  void looked_for_verification(const Look& look, const Looked& event);
  void fail(Run run, std::string reason);
  void follow(const Run& failed);
  void rolled_back(Run run);
  void take_up(const Run& run);
  void stop_for_person(Run run, std::string reason);
  void close(Run run, RunState state, std::string reason);
  void put(Run run);
  void refuse(std::string why) { effects_.push_back(Refuse{std::move(why)}); }

  const Pause* pause_of(const std::string& remediation) const;
  const Run* find(const std::string& id) const;
  void forget_old();

  EngineState state_;
  Now now_;
  std::vector<Effect> effects_;
};

const Pause* pause_of(const EngineState& state, const std::string& remediation);

}  // namespace actions::remedy
