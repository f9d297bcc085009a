// SPDX-License-Identifier: Apache-2.0
// Alerts, people and time.
#include "actions/remedy/decision.h"

#include <algorithm>
#include <utility>

#include "actions/remedy/deciding.h"
#include "core/check.h"

namespace actions::remedy {
namespace {

using core::Duration;
using core::WallTime;

// An alert is refreshed at least once a minute while it fires: one not heard of for so long counts as resolved, even
// if its resolution was lost.
constexpr Duration kForgetAfter = std::chrono::minutes(10);

// A look whose answer does not come by then was lost; answers are bounded to far less.
constexpr Duration kLookLost = std::chrono::minutes(2);

// Starts that are remembered; cool-downs and windows keep far fewer alive unless they are configured away.
constexpr std::size_t kStartsMax = 10'000;

std::string names_of(const std::vector<Approval>& approvals) {
  std::string names;
  for (const Approval& each : approvals) names += (names.empty() ? "" : ", ") + each.who;
  return names;
}

bool approved_by_enough(const Run& run, const RemediationConfig& remediation) {
  return run.approvals.size() >= remediation.approval.required;
}

// Whether the configuration still says what it said when the run was made.
bool is_still_planned(const RemediationConfig& remediation, const Run& run) {
  if (remediation.level != run.level) return false;
  const core::Result<Plan> plan = make_plan(remediation, run.alert);
  return plan && plan->hash == run.plan;
}

}  // namespace

const Run* Deciding::find(const std::string& id) const {
  const auto found = state_.runs.find(id);
  return found == state_.runs.end() ? nullptr : found->second.get();
}

const Pause* Deciding::pause_of(const std::string& remediation) const { return remedy::pause_of(state_, remediation); }

void Deciding::put(Run run) {
  const auto shared = std::make_shared<const Run>(std::move(run));
  state_.runs[shared->id] = shared;
  effects_.push_back(RecordRun{shared});
}

void Deciding::close(Run run, RunState state, std::string reason) {
  run.state = state;
  run.reason = std::move(reason);
  run.final = true;
  run.finished = now_.wall;
  state_.terms.erase(run.id);
  put(std::move(run));
}

// --- Alerts

// False if there are too many.
bool Deciding::hear(const std::string& id, const AlertFired& event) {
  const auto known = state_.firing.find(id);
  if (known != state_.firing.end()) {
    known->second.seen = now_.steady;
    known->second.heard = true;
    return true;
  }
  if (find(id) == nullptr && state_.firing.size() >= state_.limits.episodes_max) {
    refuse(fmt::format("more than {} alerts with a remediation fire: {} is ignored", state_.limits.episodes_max, id));
    return false;
  }
  state_.firing[id] = {now_.steady, now_.steady, true, event.alert.fingerprint()};
  return true;
}

void Deciding::hear_all(const AlertFired& event) {
  for (const RemediationConfig& remediation : state_.policy->remediations) {
    const std::string id = run_id(remediation.name, event.alert, event.fired_at);
    const Run* run = find(id);
    const bool follows = run != nullptr && !run->escalated_from.empty();
    if (remediation.matches(event.alert) || follows) hear(id, event);
  }
}

void Deciding::consider_all(const AlertFired& event) {
  const PolicyPtr policy = state_.policy;
  for (const RemediationConfig& remediation : policy->remediations) {
    const std::string id = run_id(remediation.name, event.alert, event.fired_at);
    if (!state_.firing.contains(id)) continue;
    const Run* run = find(id);
    const bool follows = run != nullptr && !run->escalated_from.empty();
    if (remediation.matches(event.alert) || follows) consider(remediation, event, follows ? run->escalated_from : "");
  }
}

void Deciding::on(const AlertFired& event) {
  hear_all(event);
  consider_all(event);
}

void Deciding::on(const AlertsFired& event) {
  for (const AlertFired& each : event.alerts) hear_all(each);
  for (const AlertFired& each : event.alerts) consider_all(each);
}

Run Deciding::new_run(const RemediationConfig& remediation, const AlertFired& event,
                      const std::string& escalated_from) const {
  Run run;
  run.id = run_id(remediation.name, event.alert, event.fired_at);
  run.remediation = remediation.name;
  run.alert = event.alert;
  run.fired_at = event.fired_at;
  run.level = remediation.level;
  run.created = now_.wall;
  run.budget = remediation.limits.budget;
  run.escalated_from = escalated_from;
  return run;
}

void Deciding::consider(const RemediationConfig& remediation, const AlertFired& event,
                        const std::string& escalated_from) {
  Run run = new_run(remediation, event, escalated_from);
  const Run* known = find(run.id);
  if (known != nullptr && known->state == RunState::kWaiting) {
    // Approved, but something else held it back: for as long as the approvals hold it may still start.
    if (approved_by_enough(*known, remediation) && is_still_planned(remediation, *known)) {
      try_to_start(remediation, *known);
    }
    return;
  }
  if (known != nullptr && !known->waits_for_guard()) return;
  if (known != nullptr) run.created = known->created;
  const core::Result<Plan> plan = make_plan(remediation, event.alert);
  if (!plan) return close(std::move(run), RunState::kRefused, "there is no plan: " + plan.error().message);
  run.plan = plan->hash;
  for (const Step& step : plan->steps) run.steps.emplace_back().step = step;

  switch (remediation.level) {
    case Level::kObserve:
      return close(std::move(run), RunState::kObserved, "level observe: nothing is done");
    case Level::kPropose:
      return close(std::move(run), RunState::kProposed, "level propose: for a person to do");
    case Level::kApprove:
      run.state = RunState::kWaiting;
      run.created = now_.wall;
      run.reason = fmt::format("waits for approval until {}",
                               core::format_rfc3339(plus(now_.wall, remediation.approval.expires)));
      state_.terms[run.id] = {now_.steady, now_.steady + remediation.approval.expires};
      return put(std::move(run));
    case Level::kAuto:
      run.reason = "level auto, no guard objects";
      return try_to_start(remediation, std::move(run));
  }
}

// Guards first, then a look at the conditions, whose answer brings looked_for_start().
void Deciding::try_to_start(const RemediationConfig& remediation, Run run) {
  if (const std::optional<Held> held = guard(state_, now_, remediation, run.id)) return hold(std::move(run), *held);
  std::vector<Question> questions = questions_of(*state_.policy, remediation);
  if (questions.empty()) return begin(std::move(run));
  look(LookFor::kStart, std::move(run), std::move(questions), remediation.fresh_within);
}

void Deciding::look(LookFor purpose, Run run, std::vector<Question> questions, Duration fresh_within) {
  const auto asked = state_.looks.find(run.id);
  if (asked != state_.looks.end() && now_.steady - asked->second.asked < kLookLost) return;
  const std::uint64_t ticket = state_.next_ticket++;
  const std::string id = run.id;
  state_.looks[id] = {ticket, purpose, now_.steady, questions, std::make_shared<const Run>(std::move(run))};
  effects_.push_back(StartLook{id, ticket, std::move(questions), fresh_within});
}

// The same answer is not recorded again.
void Deciding::hold(Run run, const Held& held) {
  const Run* known = find(run.id);
  if (run.state == RunState::kWaiting) {
    const std::string reason = fmt::format("approved by {}; {}", names_of(run.approvals), held.reason);
    if (known != nullptr && known->reason == reason) return;
    run.reason = reason;
    return put(std::move(run));
  }
  if (held.final) return close(std::move(run), held.state, held.reason);
  if (known != nullptr && known->state == held.state && known->reason == held.reason) return;
  run.state = held.state;
  run.reason = held.reason;
  put(std::move(run));
}

void Deciding::on(const Looked& event) {
  const auto found = state_.looks.find(event.run);
  if (found == state_.looks.end() || found->second.ticket != event.ticket) return;
  const Look look = std::move(found->second);
  state_.looks.erase(found);
  CHECK(look.questions.size() == event.answers.size(), "an answer for each question");
  if (look.purpose == LookFor::kStart) return looked_for_start(look, event);
  looked_for_verification(look, event);
}

// Nothing of what was decided before the look still counts: it may have taken a while.
void Deciding::looked_for_start(const Look& look, const Looked& event) {
  const auto episode = state_.firing.find(event.run);
  if (episode == state_.firing.end() || !episode->second.heard) return;
  const Run* known = find(event.run);
  const bool waits = look.draft->state == RunState::kWaiting;
  if (waits ? known == nullptr || known->state != RunState::kWaiting : known != nullptr && !known->waits_for_guard()) {
    return;
  }
  Run run = waits ? *known : *look.draft;
  const PolicyPtr policy = state_.policy;
  const RemediationConfig* remediation = policy->find(run.remediation);
  // A configuration that changed meanwhile: the next refresh of the alert begins anew.
  if (remediation == nullptr || !is_still_planned(*remediation, run)) return;
  if (questions_of(*policy, *remediation) != look.questions) return;
  run.findings.clear();
  for (std::size_t i = 0; i < look.questions.size(); ++i) {
    const Answer& answer = event.answers[i];
    run.findings.push_back({look.questions[i].name, std::string(to_string(answer.verdict)), answer.why});
  }
  std::optional<Held> held = guard(state_, now_, *remediation, run.id);
  if (!held) held = judge_findings(state_, *remediation, run.id, look.questions, event.answers);
  if (!held && now_.steady - look.asked > state_.limits.findings_good_for) {
    held = Held{RunState::kRefused, "looking at its conditions took too long", false};
  }
  if (held) return hold(std::move(run), *held);
  run.reason = waits ? "approved by " + names_of(run.approvals) : "level auto, its conditions hold";
  begin(std::move(run));
}

void Deciding::on(const AlertResolved& event) {
  const std::uint64_t alert = event.alert.fingerprint();
  std::vector<std::string> ended;
  for (const auto& [id, episode] : state_.firing) {
    if (episode.alert == alert) ended.push_back(id);
  }
  for (const std::string& id : ended) resolve(id);
}

// A run under way goes on: what stops a service to copy it must also start it again.
void Deciding::resolve(const std::string& id) {
  state_.firing.erase(id);
  const auto found = state_.runs.find(id);
  const RunPtr run = found == state_.runs.end() ? nullptr : found->second;
  if (run != nullptr && run->state == RunState::kRunning) return;
  state_.looks.erase(id);
  if (run == nullptr) return;
  if (run->state == RunState::kWaiting) close(*run, RunState::kRefused, "the alert was resolved before an approval");
  if (run->waits_for_guard()) close(*run, run->state, run->reason + "; the alert is resolved");
}

// --- People

void Deciding::on(const Approved& event) {
  const Run* known = find(event.run);
  if (known == nullptr) return refuse(fmt::format("no run {}", event.run));
  if (event.who.empty()) return refuse("an approval needs a name");
  if (known->state != RunState::kWaiting) {
    return refuse(fmt::format("{} is {}, not waiting", event.run, to_string(known->state)));
  }
  const auto episode = state_.firing.find(event.run);
  if (episode == state_.firing.end() || !episode->second.heard) {
    return refuse(fmt::format("{}: its alert does not fire, or was not heard of since the start", event.run));
  }
  const PolicyPtr policy = state_.policy;
  const RemediationConfig* remediation = policy->find(known->remediation);
  if (remediation == nullptr || !is_still_planned(*remediation, *known)) {
    close(*known, RunState::kRefused, "the configuration changed after the plan was made");
    return refuse(fmt::format("{}: the configuration changed after the plan was made", event.run));
  }
  // People are shown the beginning of the hash; twelve digits are enough that none is mistaken for another.
  if (!event.plan.empty() && (event.plan.size() < 12 || !known->plan.starts_with(event.plan))) {
    return refuse(fmt::format("{}: that is not its plan: it is {}", event.run, known->plan));
  }
  const auto& approvers = remediation->approval.approvers;
  if (!approvers.empty() && std::find(approvers.begin(), approvers.end(), event.who) == approvers.end()) {
    return refuse(fmt::format("{}: {} is not one of its approvers", event.run, event.who));
  }
  const bool again = std::any_of(known->approvals.begin(), known->approvals.end(),
                                 [&](const Approval& each) { return each.who == event.who; });
  if (again) return refuse(fmt::format("{}: {} has approved it already", event.run, event.who));
  if (const std::optional<Held> held = guard(state_, now_, *remediation, event.run)) {
    return refuse(fmt::format("{}: {}", event.run, held->reason));
  }
  Run run = *known;
  run.approvals.push_back({event.who, now_.wall});
  run.decided_by = names_of(run.approvals);
  run.reason = "approved by " + run.decided_by;
  if (!approved_by_enough(run, *remediation)) {
    run.reason += fmt::format("; {} of {} approvals", run.approvals.size(), remediation->approval.required);
    return put(std::move(run));
  }
  if (questions_of(*policy, *remediation).empty()) return begin(std::move(run));
  put(run);
  try_to_start(*remediation, std::move(run));
}

void Deciding::on(const Rejected& event) {
  const Run* run = find(event.run);
  if (run == nullptr) return refuse(fmt::format("no run {}", event.run));
  if (run->final || run->state == RunState::kRunning) {
    return refuse(fmt::format("{} is {}", event.run, to_string(run->state)));
  }
  Run rejected = *run;
  rejected.decided_by = event.who;
  state_.looks.erase(event.run);
  if (run->state == RunState::kInterrupted) {
    return close(std::move(rejected), RunState::kInterrupted, fmt::format("{}; closed by {}", run->reason, event.who));
  }
  close(std::move(rejected), RunState::kRefused, "rejected by " + event.who);
}

void Deciding::on(const PauseAsked& event) {
  if (!event.remediation.empty() && state_.policy->find(event.remediation) == nullptr) {
    return refuse(fmt::format("no remediation is named \"{}\"", event.remediation));
  }
  const Pause pause{event.reason, event.who, now_.wall};
  state_.pauses[event.remediation] = pause;
  effects_.push_back(RecordPause{event.remediation, pause, event.who});
}

void Deciding::on(const ResumeAsked& event) {
  if (state_.pauses.erase(event.remediation) == 0) {
    return refuse(event.remediation.empty() ? "not paused" : fmt::format("\"{}\" is not paused", event.remediation));
  }
  effects_.push_back(RecordPause{event.remediation, std::nullopt, event.who});
}

// --- Time

void Deciding::on(const Tick&) {
  std::vector<std::string> silent;
  for (const auto& [id, episode] : state_.firing) {
    if (now_.steady - episode.seen > kForgetAfter) silent.push_back(id);
  }
  for (const std::string& id : silent) resolve(id);
  std::vector<RunPtr> open;
  for (const auto& [id, run] : state_.runs) {
    if (run->state == RunState::kWaiting || run->phase == Phase::kVerifying) open.push_back(run);
  }
  for (const RunPtr& run : open) {
    if (run->state == RunState::kRunning) look_at_verification(*run);
    if (run->state != RunState::kWaiting) continue;
    const RemediationConfig* remediation = state_.policy->find(run->remediation);
    const auto term = state_.terms.find(run->id);
    if (remediation == nullptr) {
      close(*run, RunState::kRefused, "its remediation is not configured any more");
    } else if (now_.wall - run->created > remediation->approval.expires || term == state_.terms.end() ||
               now_.steady > term->second.until) {
      close(*run, RunState::kRefused,
            run->approvals.empty() ? "nobody approved it in time" : run->reason + "; the approvals have expired");
    }
  }
}

void Deciding::forget_old() {
  const Duration longest = longest_memory(*state_.policy);
  std::erase_if(state_.starts, [&](const Start& start) { return since(start, now_) > longest; });
  if (state_.starts.size() > kStartsMax) {
    state_.starts.erase(state_.starts.begin(), state_.starts.end() - static_cast<std::ptrdiff_t>(kStartsMax));
  }
  std::vector<std::pair<WallTime, std::string>> forgettable;
  for (const auto& [id, run] : state_.runs) {
    const bool active = run->state == RunState::kRunning || run->state == RunState::kWaiting ||
                        (run->state == RunState::kInterrupted && !run->final);
    if (!active && !state_.firing.contains(id)) forgettable.emplace_back(run->created, id);
  }
  if (forgettable.size() <= state_.limits.history_max) return;
  std::sort(forgettable.begin(), forgettable.end());
  const std::size_t surplus = forgettable.size() - state_.limits.history_max;
  for (std::size_t i = 0; i < surplus; ++i) state_.runs.erase(forgettable[i].second);
}

Decision decide(EngineState state, const Event& event, Now now) {
  Deciding deciding(std::move(state), now);
  std::visit([&](const auto& each) { deciding.on(each); }, event);
  return deciding.finish();
}

}  // namespace actions::remedy
