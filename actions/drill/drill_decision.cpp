// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_decision.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/time/duration.h"

namespace actions::drill {
namespace {

using Kind = Expectation::Kind;
using State = Expectation::State;

std::string duration_text(core::Millis duration) { return core::format_duration(duration); }

core::Duration pause_after(int attempts) {
  core::Duration pause = kRestoreAgainFirst;
  for (int i = 1; i < attempts && pause < kRestoreAgainMax; ++i) pause *= 2;
  return std::min(pause, kRestoreAgainMax);
}

// One decision under way.
class Deciding {
 public:
  Deciding(DrillState state, Now now) : state_(std::move(state)), now_(now) {}

  void on(const Begin& event);
  void on(const Injected& event);
  void on(const Restored& event);
  void on(const AlertSeen& event);
  void on(const Delivered& event);
  void on(const RemediationsSeen& event);
  void on(const FirstSampleFound& event);
  void on(const CancelAsked& event);
  void on(const Tick& event);
  void on(const Restarted& event);

  Decision finish();

 private:
  Run& run() { return *state_.run; }
  bool is_about(const std::string& id) const { return state_.run && state_.run->id == id; }
  Expectation* find(Kind kind);
  CausedAlert* caused(const core::ring::Labels& labels);
  void note(core::WallTime at, std::string what, std::string detail);
  void meet(Kind kind, core::WallTime at);
  void miss(Expectation& expectation, std::string why);
  bool await(Kind kind) const;
  void see_remediation(const remedy::Run& seen);
  void cut_short(Ending ending, std::string reason);
  void restore();
  void try_to_restore();
  void recover();
  void look_at_resolutions();
  void end();

  DrillState state_;
  Now now_;
  bool changed_ = false;  // the run must be recorded
  std::vector<Effect> effects_;
};

Decision Deciding::finish() {
  if (!state_.run) return {std::move(state_), std::move(effects_)};
  const RunPtr run = std::make_shared<const Run>(*state_.run);
  for (Effect& effect : effects_) {
    if (auto* inject = std::get_if<Inject>(&effect)) inject->run = run;
    if (auto* restore = std::get_if<Restore>(&effect)) restore->run = run;
  }
  if (changed_) effects_.insert(effects_.begin(), Record{run});
  if (run->phase == Phase::kOver) state_ = DrillState();
  return {std::move(state_), std::move(effects_)};
}

Expectation* Deciding::find(Kind kind) {
  const auto found = std::ranges::find(run().expectations, kind, &Expectation::kind);
  return found == run().expectations.end() ? nullptr : &*found;
}

CausedAlert* Deciding::caused(const core::ring::Labels& labels) {
  const auto found = std::ranges::find(run().alerts, labels, &CausedAlert::labels);
  return found == run().alerts.end() ? nullptr : &*found;
}

void Deciding::note(core::WallTime at, std::string what, std::string detail) {
  const std::size_t before = run().timeline.size() + run().moments_left_out;
  run().add({std::chrono::floor<core::Millis>(at), std::move(what), std::move(detail)});
  changed_ = changed_ || run().timeline.size() + run().moments_left_out != before;
}

void Deciding::meet(Kind kind, core::WallTime at) {
  Expectation* const expectation = find(kind);
  if (expectation == nullptr || expectation->state != State::kWaiting) return;
  const auto& since = kind == Kind::kResolved ? state_.restored : state_.injected;
  const bool late = since && now_.steady > *since + expectation->within;
  expectation->state = late ? State::kMissed : State::kMet;
  expectation->at = std::chrono::floor<core::Millis>(at);
  expectation->why = late ? fmt::format("it came after its deadline of {}", duration_text(expectation->within)) : "";
  changed_ = true;
}

void Deciding::miss(Expectation& expectation, std::string why) {
  expectation.state = State::kMissed;
  // What was seen instead says more than that it was missed.
  if (expectation.why.empty()) expectation.why = std::move(why);
  changed_ = true;
}

bool Deciding::await(Kind kind) const {
  const Expectation* const expectation = state_.run->find(kind);
  return expectation != nullptr && expectation->state == State::kWaiting;
}

void Deciding::on(const Begin& event) {
  if (state_.run) {
    effects_.push_back(Refuse{fmt::format("{} is not over", state_.run->id)});
    return;
  }
  CHECK(event.run.phase == Phase::kInjecting && event.run.ending == Ending::kNone, "a run begins with its injection");
  state_ = DrillState();
  state_.run = event.run;
  state_.config = event.config;
  state_.began = now_.steady;
  note(now_.wall, "begun", fmt::format("by {}: {}", run().who, run().fault.to_string()));
  changed_ = true;
  effects_.push_back(Inject{});
}

void Deciding::on(const Injected& event) {
  if (!is_about(event.run) || run().phase != Phase::kInjecting) return;
  changed_ = true;
  note(now_.wall, event.done ? "injected" : "not injected", event.what);
  if (event.done) {
    run().injected = std::chrono::floor<core::Millis>(now_.wall);
    state_.injected = now_.steady;
    run().phase = Phase::kWatching;
    if (run().ending != Ending::kNone) restore();
    return;
  }
  // Half of it may have happened.
  if (run().ending == Ending::kNone) {
    run().ending = Ending::kFailed;
    run().reason = "the injection failed: " + event.what;
  }
  restore();
}

void Deciding::restore() {
  run().phase = Phase::kRestoring;
  changed_ = true;
  try_to_restore();
}

void Deciding::try_to_restore() {
  ++run().restores;
  state_.restoring = true;
  changed_ = true;
  effects_.push_back(Restore{});
}

void Deciding::on(const Restored& event) {
  if (!is_about(event.run) || run().phase != Phase::kRestoring) return;
  state_.restoring = false;
  changed_ = true;
  if (!event.done) {
    run().restore_error = event.what;
    state_.retry_at = now_.steady + pause_after(run().restores);
    note(now_.wall, "not restored", event.what);
    return;
  }
  run().restore_error.clear();
  run().restored = std::chrono::floor<core::Millis>(now_.wall);
  state_.restored = now_.steady;
  note(now_.wall, "restored", event.what);
  if (run().ending == Ending::kNone) {
    recover();
  } else {
    end();
  }
}

void Deciding::recover() {
  run().phase = Phase::kRecovering;
  const bool fired = std::ranges::any_of(
      run().alerts, [](const CausedAlert& alert) { return alert.expected && alert.fired.has_value(); });
  Expectation* const resolved = find(Kind::kResolved);
  if (resolved != nullptr && !fired) miss(*resolved, "no alert had fired");
  look_at_resolutions();
}

// The expected alerts that fired must all be over.
void Deciding::look_at_resolutions() {
  if (run().phase != Phase::kRecovering) return;
  if (!await(Kind::kResolved)) return end();
  core::WallTime last = run().restored.value_or(now_.wall);
  for (const CausedAlert& alert : run().alerts) {
    if (!alert.expected || !alert.fired) continue;
    if (!alert.resolved) return;
    last = std::max(last, *alert.resolved);
  }
  meet(Kind::kResolved, last);
  end();
}

void Deciding::end() {
  run().phase = Phase::kOver;
  run().finished = std::chrono::floor<core::Millis>(now_.wall);
  changed_ = true;
  if (run().ending != Ending::kNone) return;
  std::string missed;
  for (const Expectation& each : run().expectations) {
    if (each.state == State::kMet) continue;
    missed += fmt::format("{}{}: {}", missed.empty() ? "" : "; ", each.what, each.why);
  }
  run().ending = missed.empty() ? Ending::kPassed : Ending::kFailed;
  run().reason = missed.empty() ? "everything expected happened in time" : missed;
}

void Deciding::on(const AlertSeen& event) {
  if (!state_.run || !state_.config) return;
  const rules::Transition& seen = event.transition;
  CausedAlert* alert = caused(seen.labels);
  if (seen.to == rules::AlertState::kInactive) {
    // One that was only pending, or that nobody heard of, is nothing to remember.
    if (alert == nullptr || !alert->fired || alert->resolved) return;
    alert->resolved = std::chrono::floor<core::Millis>(seen.resolved_at.value_or(seen.at));
    note(*alert->resolved, "resolved", seen.labels.to_string());
    return look_at_resolutions();
  }
  if (alert == nullptr) {
    if (run().alerts.size() >= kCausedAlertsMax) return;
    run().alerts.push_back({seen.labels, state_.config->expects(seen.labels), {}, {}, {}});
    alert = &run().alerts.back();
    alert->pending = std::chrono::floor<core::Millis>(seen.active_at);
    note(*alert->pending, "pending", seen.labels.to_string());
    effects_.push_back(FindFirstSample{run().id, seen.labels, run().created, seen.active_at});
  }
  if (seen.to != rules::AlertState::kFiring) return;
  const core::WallTime fired = std::chrono::floor<core::Millis>(seen.fired_at.value_or(seen.at));
  if (alert->fired == fired && !alert->resolved) return;  // a refresh
  alert->fired = fired;
  alert->resolved.reset();
  note(fired, "firing", seen.labels.to_string());
  changed_ = true;
  if (alert->expected) meet(Kind::kAlert, fired);
}

void Deciding::on(const Delivered& event) {
  if (!is_about(event.run)) return;
  const bool expected = std::ranges::any_of(run().alerts, [&](const CausedAlert& alert) {
    return alert.expected && alert.labels.get("alertname") == event.alertname;
  });
  note(now_.wall, event.resolved ? "end notified" : "notified", fmt::format("{}: {}", event.receiver, event.alertname));
  if (expected && !event.resolved) meet(Kind::kNotified, now_.wall);
}

void Deciding::on(const RemediationsSeen& event) {
  if (!state_.run) return;
  for (const remedy::RunPtr& seen : event.runs) {
    const CausedAlert* const alert = caused(seen->alert);
    // An earlier episode of the alert is not the drill's.
    if (alert == nullptr || !alert->fired || seen->fired_at < run().created) continue;
    see_remediation(*seen);
  }
}

void Deciding::see_remediation(const remedy::Run& seen) {
  const std::string state(remedy::to_string(seen.state));
  if (seen.started) note(*seen.started, "remediation begun", seen.remediation);
  for (std::size_t i = 0; i < seen.steps.size(); ++i) {
    const remedy::StepRun& step = seen.steps[i];
    if (!step.finished) continue;
    note(*step.finished, "remediation step",
         fmt::format("{} {}. {}: {} {}", seen.remediation, i + 1, step.step.to_string(), remedy::to_string(step.state),
                     step.result));
  }
  if (seen.finished && seen.steps_done && seen.state == remedy::RunState::kSucceeded) {
    note(*seen.finished, "verified", seen.remediation);
  }
  if (seen.final || !seen.started) {
    note(seen.finished.value_or(seen.created), "remediation " + state,
         fmt::format("{}: {}", seen.remediation, seen.reason));
  }
  const auto& wanted = state_.config ? state_.config->expect.remediation : std::nullopt;
  if (!wanted || wanted->name != seen.remediation) return;
  if (state == wanted->state) return meet(Kind::kRemediation, seen.finished.value_or(now_.wall));
  Expectation* const expectation = find(Kind::kRemediation);
  if (expectation == nullptr || expectation->state != State::kWaiting) return;
  const std::string why = fmt::format("it is {}: {}", state, seen.reason);
  changed_ = changed_ || expectation->why != why;
  expectation->why = why;
}

void Deciding::on(const FirstSampleFound& event) {
  if (!is_about(event.run)) return;
  note(event.at, "first bad sample", event.alert);
}

void Deciding::cut_short(Ending ending, std::string reason) {
  if (run().ending == Ending::kNone) {
    run().ending = ending;
    run().reason = std::move(reason);
    note(now_.wall, std::string(to_string(ending)), run().reason);
    changed_ = true;
  }
  if (run().phase == Phase::kInjecting) effects_.push_back(StopInjecting{});
  if (run().phase == Phase::kWatching) restore();
  if (run().phase == Phase::kRecovering) end();
}

void Deciding::on(const CancelAsked& event) {
  if (!state_.run) {
    effects_.push_back(Refuse{"no drill runs"});
    return;
  }
  cut_short(Ending::kCancelled, event.reason);
}

void Deciding::on(const Tick&) {
  if (!state_.run) return;
  if (run().phase == Phase::kInjecting) {
    // The programs and units have timeouts of their own; this is for those that are longer than the drill.
    if (now_.steady - state_.began >= run().max_duration && run().ending == Ending::kNone) {
      cut_short(Ending::kFailed, "the injection was not over within max_duration");
    }
    return;
  }
  if (run().phase == Phase::kRestoring && !state_.restoring && now_.steady >= state_.retry_at) try_to_restore();
  if (run().phase == Phase::kRecovering) {
    Expectation* const resolved = find(Kind::kResolved);
    if (await(Kind::kResolved) && now_.steady > *state_.restored + resolved->within) {
      miss(*resolved, fmt::format("it was not within {} of the restore", duration_text(resolved->within)));
    }
    return look_at_resolutions();
  }
  if (run().phase != Phase::kWatching) return;
  const bool too_long = now_.steady - state_.began >= run().max_duration;
  bool waits = false;
  for (Expectation& each : run().expectations) {
    if (each.kind == Kind::kResolved || each.state != State::kWaiting) continue;
    if (now_.steady > *state_.injected + each.within) {
      miss(each, fmt::format("it did not happen within {}", duration_text(each.within)));
    } else if (too_long) {
      miss(each, "max_duration was over first");
    } else {
      waits = true;
    }
  }
  if (!waits) restore();
}

void Deciding::on(const Restarted&) {
  if (!state_.run) return;
  // Nothing is known any more of what this process has not seen: restore first, and let it be.
  if (run().ending == Ending::kNone) {
    run().ending = Ending::kInterrupted;
    run().reason = "the agent ended while it ran";
  }
  note(now_.wall, "agent back", "");
  changed_ = true;
  if (run().may_be_injected()) return restore();
  end();
}

}  // namespace

Decision decide(DrillState state, const Event& event, Now now) {
  Deciding deciding(std::move(state), now);
  std::visit([&](const auto& each) { deciding.on(each); }, event);
  return deciding.finish();
}

}  // namespace actions::drill
