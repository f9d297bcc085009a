// SPDX-License-Identifier: Apache-2.0
// What becomes of a run once it has begun: its steps, its verification, its rollback, and a restart in the middle.
#include <algorithm>
#include <utility>

#include "actions/remedy/deciding.h"
#include "core/check.h"

namespace actions::remedy {

using core::Duration;
using core::WallTime;

void Deciding::begin(Run run) {
  run.state = RunState::kRunning;
  run.phase = Phase::kSteps;
  run.started = now_.wall;
  run.started_steady = now_.steady;
  state_.terms.erase(run.id);
  state_.starts.push_back({run.remediation, run.id, now_.wall, now_.steady});
  start_step(std::move(run), 0);
}

void Deciding::start_step(Run run, std::size_t step) {
  StepRun& next = run.steps[step];
  next.state = StepState::kRunning;
  next.started = now_.wall;
  next.started_steady = now_.steady;
  ++next.attempts;
  const std::string id = run.id;
  put(std::move(run));
  effects_.push_back(StartStep{id, step, state_.runs[id], false});
}

void Deciding::stop_for_person(Run run, std::string reason) {
  if (const std::size_t current = run.current(); current < run.steps.size()) {
    run.steps[current].state = StepState::kInterrupted;
    run.steps[current].finished = now_.wall;
  }
  run.state = RunState::kInterrupted;
  run.reason = std::move(reason);
  run.finished = now_.wall;
  state_.terms.erase(run.id);
  put(std::move(run));
}

void Deciding::on(const StepFinished& event) {
  const Run* known = find(event.run);
  if (known == nullptr || known->state != RunState::kRunning || known->current() != event.step) {
    return refuse(fmt::format("{}: step {} is not running", event.run, event.step + 1));
  }
  Run run = *known;
  StepRun& step = run.steps[event.step];
  if (event.outcome == Outcome::kStopped) {
    // Unless a person is needed, the intent stays without an outcome: the next start takes it up again.
    if (step.step.repeat() != Repeat::kNeedsPerson) return;
    step.result = event.result;
    step.output = event.output;
    return stop_for_person(std::move(run), fmt::format("the agent ended during step {}", event.step + 1));
  }
  step.state = event.outcome == Outcome::kSucceeded ? StepState::kSucceeded : StepState::kFailed;
  step.finished = now_.wall;
  step.result = event.result;
  step.output = event.output;
  if (event.outcome == Outcome::kFailed) {
    const std::string what = fmt::format("step {} failed: {}", event.step + 1, event.result);
    if (run.phase != Phase::kRollingBack) return fail(std::move(run), what);
    const std::string why = fmt::format("{}; the rollback stopped: {}", run.failure, what);
    return stop_for_person(std::move(run), why);
  }
  const std::size_t next = event.step + 1;
  if (next == run.steps.size()) {
    return run.phase == Phase::kRollingBack ? rolled_back(std::move(run)) : steps_are_done(std::move(run));
  }
  if (const Pause* pause = pause_of(run.remediation)) {
    return stop_for_person(std::move(run),
                           fmt::format("paused by {} before step {}: {}", pause->who, next + 1, pause->reason));
  }
  start_step(std::move(run), next);
}

// --- Verification

void Deciding::steps_are_done(Run run) {
  const RemediationConfig* remediation = state_.policy->find(run.remediation);
  if (remediation == nullptr || !remediation->verify) {
    return close(std::move(run), RunState::kSucceeded, "all steps succeeded");
  }
  run.phase = Phase::kVerifying;
  run.steps_done = now_.wall;
  run.reason = fmt::format("all steps succeeded; {} must come true by {}", remediation->verify->expr,
                           core::format_rfc3339(plus(now_.wall, remediation->verify->within)));
  state_.terms[run.id] = {now_.steady, now_.steady + remediation->verify->within};
  put(run);
  look_at_verification(run);
}

void Deciding::look_at_verification(const Run& run) {
  const RemediationConfig* remediation = state_.policy->find(run.remediation);
  if (remediation == nullptr || !remediation->verify) {
    return close(run, RunState::kFailed, "what it should be verified by is not configured any more");
  }
  // What was so before the steps were done proves nothing about them, so older samples do not count.
  const Duration done_for = now_.steady - state_.terms.at(run.id).from;
  look(LookFor::kVerification, run,
       {{.kind = Question::Kind::kCondition, .name = "verify", .text = remediation->verify->expr}},
       std::min(done_for, Duration(remediation->fresh_within)));
}

void Deciding::looked_for_verification(const Look& look, const Looked& event) {
  const Run* known = find(event.run);
  if (known == nullptr || known->state != RunState::kRunning || known->phase != Phase::kVerifying) return;
  Run run = *known;
  const Answer& answer = event.answers.front();
  const Question& question = look.questions.front();
  run.findings = {{"verify " + question.text, std::string(to_string(answer.verdict)), answer.why}};
  if (answer.verdict == Verdict::kYes) {
    return close(std::move(run), RunState::kSucceeded, "all steps succeeded, and " + question.text);
  }
  // The deadline counts from the look: one that began before it could not see what the last moment brought.
  const auto term = state_.terms.find(event.run);
  CHECK(term != state_.terms.end(), "a verification without a deadline");
  if (look.asked < term->second.until) return;
  fail(std::move(run), fmt::format("{} did not come true in time: {}{}", question.text,
                                   answer.verdict == Verdict::kUnknown ? "unknown: " : "", answer.why));
}

// --- Failure

// Undoes what was done, the newest first, where steps say how. The step that failed is among them: it may have done
// half of it.
void Deciding::fail(Run run, std::string reason) {
  std::vector<StepRun> undo;
  for (auto step = run.steps.rbegin(); step != run.steps.rend(); ++step) {
    if (step->state == StepState::kPending) continue;
    for (const Step& each : step->step.rollback) undo.emplace_back().step = each;
  }
  if (undo.empty()) {
    close(run, RunState::kFailed, std::move(reason));
    return follow(run);
  }
  run.phase = Phase::kRollingBack;
  run.failure = std::move(reason);
  run.reason = run.failure + "; it is rolled back";
  state_.terms.erase(run.id);
  // The steps that were never begun make room: those that follow are begun in the order of the list.
  std::erase_if(run.steps, [](const StepRun& step) { return step.state == StepState::kPending; });
  const std::size_t first = run.steps.size();
  run.steps.insert(run.steps.end(), undo.begin(), undo.end());
  if (const Pause* pause = pause_of(run.remediation)) {
    const std::string why =
        fmt::format("{}; paused by {} before it was rolled back: {}", run.failure, pause->who, pause->reason);
    return stop_for_person(std::move(run), why);
  }
  start_step(std::move(run), first);
}

void Deciding::rolled_back(Run run) {
  close(run, RunState::kFailed, run.failure + "; rolled back");
  follow(run);
}

// Another remediation for the same episode. It decides by its own level and guards.
void Deciding::follow(const Run& failed) {
  const PolicyPtr policy = state_.policy;
  const RemediationConfig* remediation = policy->find(failed.remediation);
  if (remediation == nullptr || remediation->on_failure.then.empty()) return;
  const RemediationConfig* next = policy->find(remediation->on_failure.then);
  CHECK(next != nullptr, "a checked configuration names what follows");
  const AlertFired alert{failed.alert, failed.fired_at};
  const std::string id = run_id(next->name, failed.alert, failed.fired_at);
  if (find(id) != nullptr) return;  // it had its turn in this episode
  const auto episode = state_.firing.find(failed.id);
  if (episode == state_.firing.end()) return;  // the alert is over
  Run run = new_run(*next, alert, failed.id);
  if (episode->second.heard) {
    state_.firing[id] = {now_.steady, now_.steady, true, failed.alert.fingerprint()};
    return consider(*next, alert, failed.id);
  }
  run.state = RunState::kRefused;
  run.reason = failed.id + " failed; whether the alert still fires is not known yet";
  state_.firing[id] = {now_.steady, now_.steady, false, failed.alert.fingerprint()};
  put(std::move(run));
}

// --- Restart

void Deciding::on(const Restarted&) {
  // A start that lies ahead was recorded by a clock that was wrong: its cool-down counts from now.
  for (Start& start : state_.starts) start.wall = std::min(start.wall, now_.wall);
  std::vector<RunPtr> open;
  for (const auto& [id, run] : state_.runs) {
    if (run->state == RunState::kRunning || run->state == RunState::kWaiting || run->waits_for_guard()) {
      open.push_back(run);
      state_.firing[id] = {now_.steady, now_.steady, false, run->alert.fingerprint()};
    }
  }
  for (const RunPtr& run : open) {
    const RemediationConfig* remediation = state_.policy->find(run->remediation);
    // The steady clock of the process before is not ours; what the wall clock says is bounded by the term itself.
    const auto term = [&](Duration whole, WallTime from) {
      const core::SteadyTime began = now_.steady - std::clamp<Duration>(now_.wall - from, Duration::zero(), whole);
      return Term{began, began + whole};
    };
    if (run->state == RunState::kWaiting && remediation != nullptr) {
      state_.terms[run->id] = term(remediation->approval.expires, run->created);
    } else if (run->state == RunState::kRunning && run->phase == Phase::kVerifying) {
      const bool known = remediation != nullptr && remediation->verify;
      state_.terms[run->id] = known ? term(remediation->verify->within, run->steps_done.value_or(now_.wall))
                                    : Term{now_.steady, now_.steady};
      look_at_verification(*run);
    } else if (run->state == RunState::kRunning) {
      take_up(*run);
    }
  }
}

void Deciding::take_up(const Run& run) {
  const std::size_t current = run.current();
  CHECK(current < run.steps.size(), "a running run without a step under way");
  const StepRun& step = run.steps[current];
  const Duration age = now_.wall - step.started.value_or(WallTime{});
  const std::string where = fmt::format("the agent ended during step {}, its outcome is not known", current + 1);
  const Pause* pause = pause_of(run.remediation);
  if (step.step.repeat() == Repeat::kNeedsPerson) {
    stop_for_person(run, where + "; it may not be repeated");
  } else if (pause != nullptr) {
    stop_for_person(run, fmt::format("{}; paused by {}: {}", where, pause->who, pause->reason));
  } else if (step.attempts >= state_.limits.attempts_max) {
    stop_for_person(run, fmt::format("{} {} times", where, step.attempts));
  } else if (std::chrono::abs(age) > state_.limits.resume_within) {
    stop_for_person(run, where + ", too long ago to go on");
  } else if (step.step.repeat() == Repeat::kVerifiable) {
    effects_.push_back(StartStep{run.id, current, state_.runs[run.id], true});
  } else {
    start_step(run, current);
  }
}

void Deciding::on(const StepSeen& event) {
  const Run* known = find(event.run);
  if (known == nullptr || known->state != RunState::kRunning || known->current() != event.step) {
    return refuse(fmt::format("{}: step {} is not running", event.run, event.step + 1));
  }
  const std::string where = fmt::format("the agent ended during step {}", event.step + 1);
  const Pause* pause = pause_of(known->remediation);
  switch (event.happened) {
    case Verdict::kYes:
      return on(
          StepFinished{event.run, event.step, Outcome::kSucceeded, where + "; it had happened: " + event.why, ""});
    case Verdict::kUnknown:
      return stop_for_person(*known, fmt::format("{}, whether it happened is not known: {}", where, event.why));
    case Verdict::kNo:
      if (pause == nullptr) return start_step(*known, event.step);
      return stop_for_person(*known, fmt::format("{}; paused by {}: {}", where, pause->who, pause->reason));
  }
}

}  // namespace actions::remedy
