// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/decision.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/time/duration.h"

namespace actions::remedy {
namespace {

using core::Duration;
using core::WallTime;

// An alert is refreshed at least once a minute while it fires: one not heard of for so long counts as resolved, even
// if its resolution was lost.
constexpr Duration kForgetAfter = std::chrono::minutes(10);

// Starts that are remembered; cool-downs and windows keep far fewer alive unless they are configured away.
constexpr std::size_t kStartsMax = 10'000;

struct Held {
  RunState state;
  std::string reason;
  bool final = false;
};

std::string text_of(Duration duration) {
  return core::format_duration(std::chrono::duration_cast<core::Millis>(duration));
}

WallTime plus(WallTime time, Duration duration) {
  return time + std::chrono::duration_cast<WallTime::duration>(duration);
}

bool waits_for_guard(const Run& run) {
  return !run.final && (run.state == RunState::kRefused || run.state == RunState::kPaused);
}

// One decision under way: the new state and the effects so far.
class Deciding {
 public:
  Deciding(EngineState state, Now now) : state_(std::move(state)), now_(now) {}

  void on(const AlertFired& event);
  void on(const AlertResolved& event);
  void on(const StepFinished& event);
  void on(const Approved& event);
  void on(const Rejected& event);
  void on(const PauseAsked& event);
  void on(const ResumeAsked& event);
  void on(const Tick& event);
  void on(const Restarted& event);
  void on(const Reconfigured& event) { state_.remediations = event.remediations; }

  Decision finish() {
    forget_old();
    return {std::move(state_), std::move(effects_)};
  }

 private:
  void consider(const RemediationConfig& remediation, const AlertFired& event);
  void resolve(const std::string& id);
  void begin(Run run);
  void start_step(Run run, std::size_t step);
  void stop_for_person(Run run, std::string reason);
  void close(Run run, RunState state, std::string reason);
  void put(Run run);
  void refuse(std::string why) { effects_.push_back(Refuse{std::move(why)}); }

  std::optional<Held> guard(const RemediationConfig& remediation) const;
  std::optional<Held> limit(const RemediationConfig& remediation) const;
  Duration since(const Start& start) const;
  const Run* find(const std::string& id) const;
  const RemediationConfig* config_of(const Run& run) const;
  void forget_old();

  EngineState state_;
  Now now_;
  std::vector<Effect> effects_;
};

const Run* Deciding::find(const std::string& id) const {
  const auto found = state_.runs.find(id);
  return found == state_.runs.end() ? nullptr : found->second.get();
}

const RemediationConfig* Deciding::config_of(const Run& run) const {
  for (const RemediationConfig& each : *state_.remediations) {
    if (each.name == run.remediation) return &each;
  }
  return nullptr;
}

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
  put(std::move(run));
}

// --- Guards

Duration Deciding::since(const Start& start) const {
  Duration elapsed = now_.wall - start.wall;
  if (start.steady) elapsed = std::min(elapsed, Duration(now_.steady - *start.steady));
  return std::max(elapsed, Duration::zero());
}

std::optional<Held> Deciding::guard(const RemediationConfig& remediation) const {
  if (state_.pause) {
    return Held{RunState::kPaused, fmt::format("paused by {}: {}", state_.pause->who, state_.pause->reason)};
  }
  std::size_t running = 0;
  for (const auto& [id, run] : state_.runs) {
    running += run->state == RunState::kRunning;
    if (run->remediation != remediation.name) continue;
    if (run->state == RunState::kRunning) return Held{RunState::kRefused, fmt::format("{} is still running", id)};
    if (run->state == RunState::kInterrupted && !run->final) {
      return Held{RunState::kRefused, fmt::format("{} was interrupted and needs a person: reject it to go on", id)};
    }
  }
  if (running >= state_.limits.running_max) {
    return Held{RunState::kRefused, fmt::format("{} remediations run at once already", running)};
  }
  return limit(remediation);
}

std::optional<Held> Deciding::limit(const RemediationConfig& remediation) const {
  const Limits& limits = remediation.limits;
  std::size_t in_window = 0;
  std::size_t in_storm = 0;
  const Start* first = nullptr;
  for (const Start& start : state_.starts) {
    const Duration elapsed = since(start);
    in_storm += elapsed < state_.limits.storm_window;
    if (start.remediation != remediation.name) continue;
    if (elapsed < limits.cooldown) {
      return Held{RunState::kRefused, fmt::format("cooldown of {} until {}", text_of(limits.cooldown),
                                                  core::format_rfc3339(plus(start.wall, limits.cooldown)))};
    }
    if (elapsed < limits.window && in_window++ == 0) first = &start;
  }
  if (in_window >= limits.runs) {
    return Held{RunState::kRefused, fmt::format("{} runs within {}, the first at {}", in_window, text_of(limits.window),
                                                core::format_rfc3339(first->wall))};
  }
  if (in_storm >= state_.limits.storm_runs) {
    return Held{RunState::kProposed,
                fmt::format("only proposed: {} remediations started within {}, which looks like a fault of the watcher "
                            "or the network",
                            in_storm, text_of(state_.limits.storm_window)),
                true};
  }
  return std::nullopt;
}

// --- Alerts

void Deciding::on(const AlertFired& event) {
  for (const RemediationConfig& remediation : *state_.remediations) {
    const bool matches = std::all_of(remediation.match.begin(), remediation.match.end(),
                                     [&](const core::ring::Matcher& each) { return each.matches(event.alert); });
    if (matches) consider(remediation, event);
  }
}

void Deciding::consider(const RemediationConfig& remediation, const AlertFired& event) {
  const std::string id = run_id(remediation.name, event.alert, event.fired_at);
  const Run* known = find(id);
  if (known == nullptr && state_.firing.size() >= state_.limits.episodes_max) {
    return refuse(
        fmt::format("more than {} alerts with a remediation fire: {} is ignored", state_.limits.episodes_max, id));
  }
  state_.firing[id] = now_.steady;
  if (known != nullptr && !waits_for_guard(*known)) return;
  Run run;
  if (known != nullptr) run = *known;
  run.id = id;
  run.remediation = remediation.name;
  run.alert = event.alert;
  run.fired_at = event.fired_at;
  run.level = remediation.level;
  if (known == nullptr) run.created = now_.wall;
  run.steps.clear();
  for (const Step& step : remediation.steps) run.steps.emplace_back().step = step;

  switch (remediation.level) {
    case Level::kObserve:
      return close(std::move(run), RunState::kObserved, "level observe: nothing is done");
    case Level::kPropose:
      return close(std::move(run), RunState::kProposed, "level propose: for a person to do");
    case Level::kApprove:
      run.state = RunState::kWaiting;
      run.reason = fmt::format("waits for approval until {}",
                               core::format_rfc3339(plus(now_.wall, remediation.approval_timeout)));
      return put(std::move(run));
    case Level::kAuto:
      break;
  }
  const std::optional<Held> held = guard(remediation);
  if (!held) {
    run.reason = "level auto, no guard objects";
    return begin(std::move(run));
  }
  if (held->final) return close(std::move(run), held->state, held->reason);
  if (known != nullptr && known->state == held->state && known->reason == held->reason) return;
  run.state = held->state;
  run.reason = held->reason;
  put(std::move(run));
}

void Deciding::on(const AlertResolved& event) {
  std::vector<std::string> ended;
  for (const auto& [id, seen] : state_.firing) {
    const Run* run = find(id);
    CHECK(run != nullptr, "a firing episode without a run");
    if (run->alert == event.alert) ended.push_back(id);
  }
  for (const std::string& id : ended) resolve(id);
}

// A run under way goes on: what stops a service to copy it must also start it again.
void Deciding::resolve(const std::string& id) {
  state_.firing.erase(id);
  const RunPtr run = state_.runs.at(id);
  if (run->state == RunState::kWaiting) close(*run, RunState::kRefused, "the alert was resolved before an approval");
  if (waits_for_guard(*run)) close(*run, run->state, run->reason + "; the alert is resolved");
}

// --- Runs

void Deciding::begin(Run run) {
  run.state = RunState::kRunning;
  run.started = now_.wall;
  state_.starts.push_back({run.remediation, run.id, now_.wall, now_.steady});
  start_step(std::move(run), 0);
}

void Deciding::start_step(Run run, std::size_t step) {
  StepRun& next = run.steps[step];
  next.state = StepState::kRunning;
  next.started = now_.wall;
  ++next.attempts;
  const std::string id = run.id;
  put(std::move(run));
  effects_.push_back(StartStep{id, step, state_.runs[id]});
}

void Deciding::stop_for_person(Run run, std::string reason) {
  if (const std::size_t current = run.current(); current < run.steps.size()) {
    run.steps[current].state = StepState::kInterrupted;
    run.steps[current].finished = now_.wall;
  }
  run.state = RunState::kInterrupted;
  run.reason = std::move(reason);
  run.finished = now_.wall;
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
    // A step that may be repeated keeps its intent without an outcome: the next start takes it up again.
    if (step.step.repeatable()) return;
    step.result = event.result;
    step.output = event.output;
    return stop_for_person(std::move(run), fmt::format("the agent ended during step {}", event.step + 1));
  }
  step.state = event.outcome == Outcome::kSucceeded ? StepState::kSucceeded : StepState::kFailed;
  step.finished = now_.wall;
  step.result = event.result;
  step.output = event.output;
  if (event.outcome == Outcome::kFailed) {
    return close(std::move(run), RunState::kFailed, fmt::format("step {} failed: {}", event.step + 1, event.result));
  }
  if (event.step + 1 == run.steps.size()) return close(std::move(run), RunState::kSucceeded, "all steps succeeded");
  if (state_.pause) {
    return stop_for_person(std::move(run), fmt::format("paused by {} before step {}: {}", state_.pause->who,
                                                       event.step + 2, state_.pause->reason));
  }
  start_step(std::move(run), event.step + 1);
}

void Deciding::on(const Restarted&) {
  // A start that lies ahead was recorded by a clock that was wrong: its cool-down counts from now.
  for (Start& start : state_.starts) start.wall = std::min(start.wall, now_.wall);
  std::vector<RunPtr> unfinished;
  for (const auto& [id, run] : state_.runs) {
    if (run->state == RunState::kRunning) unfinished.push_back(run);
  }
  for (const RunPtr& run : unfinished) {
    const std::size_t current = run->current();
    CHECK(current < run->steps.size(), "a running run without a step under way");
    const StepRun& step = run->steps[current];
    const Duration age = now_.wall - step.started.value_or(WallTime{});
    const std::string where = fmt::format("the agent ended during step {}, its outcome is not known", current + 1);
    if (!step.step.repeatable()) {
      stop_for_person(*run, where + "; it may not be repeated");
    } else if (state_.pause) {
      stop_for_person(*run, fmt::format("{}; paused by {}: {}", where, state_.pause->who, state_.pause->reason));
    } else if (step.attempts >= state_.limits.attempts_max) {
      stop_for_person(*run, fmt::format("{} {} times", where, step.attempts));
    } else if (std::chrono::abs(age) > state_.limits.resume_within) {
      stop_for_person(*run, where + ", too long ago to go on");
    } else {
      start_step(*run, current);
    }
  }
}

// --- People

void Deciding::on(const Approved& event) {
  const Run* run = find(event.run);
  if (run == nullptr) return refuse(fmt::format("no run {}", event.run));
  if (run->state != RunState::kWaiting) {
    return refuse(fmt::format("{} is {}, not waiting", event.run, to_string(run->state)));
  }
  if (!state_.firing.contains(event.run)) {
    return refuse(fmt::format("{}: its alert does not fire, or was not heard of since the start", event.run));
  }
  const RemediationConfig* remediation = config_of(*run);
  const auto same = [](const StepRun& planned, const Step& step) { return planned.step == step; };
  if (remediation == nullptr ||
      !std::equal(run->steps.begin(), run->steps.end(), remediation->steps.begin(), remediation->steps.end(), same)) {
    close(*run, RunState::kRefused, "the configuration changed after the plan was made");
    return refuse(fmt::format("{}: the configuration changed after the plan was made", event.run));
  }
  if (const std::optional<Held> held = guard(*remediation)) {
    return refuse(fmt::format("{}: {}", event.run, held->reason));
  }
  Run approved = *run;
  approved.decided_by = event.who;
  approved.reason = "approved by " + event.who;
  begin(std::move(approved));
}

void Deciding::on(const Rejected& event) {
  const Run* run = find(event.run);
  if (run == nullptr) return refuse(fmt::format("no run {}", event.run));
  if (run->final || run->state == RunState::kRunning) {
    return refuse(fmt::format("{} is {}", event.run, to_string(run->state)));
  }
  Run rejected = *run;
  rejected.decided_by = event.who;
  if (run->state == RunState::kInterrupted) {
    return close(std::move(rejected), RunState::kInterrupted, fmt::format("{}; closed by {}", run->reason, event.who));
  }
  close(std::move(rejected), RunState::kRefused, "rejected by " + event.who);
}

void Deciding::on(const PauseAsked& event) {
  state_.pause = Pause{event.reason, event.who, now_.wall};
  effects_.push_back(RecordPause{state_.pause, event.who});
}

void Deciding::on(const ResumeAsked& event) {
  if (!state_.pause) return refuse("not paused");
  state_.pause.reset();
  effects_.push_back(RecordPause{std::nullopt, event.who});
}

// --- Time

void Deciding::on(const Tick&) {
  std::vector<std::string> silent;
  for (const auto& [id, seen] : state_.firing) {
    if (now_.steady - seen > kForgetAfter) silent.push_back(id);
  }
  for (const std::string& id : silent) resolve(id);
  std::vector<RunPtr> waiting;
  for (const auto& [id, run] : state_.runs) {
    if (run->state == RunState::kWaiting) waiting.push_back(run);
  }
  for (const RunPtr& run : waiting) {
    const RemediationConfig* remediation = config_of(*run);
    if (remediation == nullptr) {
      close(*run, RunState::kRefused, "its remediation is not configured any more");
    } else if (now_.wall - run->created > remediation->approval_timeout) {
      close(*run, RunState::kRefused, "nobody approved it in time");
    }
  }
}

void Deciding::forget_old() {
  Duration longest = state_.limits.storm_window;
  for (const RemediationConfig& each : *state_.remediations) {
    longest = std::max({longest, Duration(each.limits.cooldown), Duration(each.limits.window)});
  }
  std::erase_if(state_.starts, [&](const Start& start) { return since(start) > longest; });
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

}  // namespace

Decision decide(EngineState state, const Event& event, Now now) {
  Deciding deciding(std::move(state), now);
  std::visit([&](const auto& each) { deciding.on(each); }, event);
  return deciding.finish();
}

}  // namespace actions::remedy
