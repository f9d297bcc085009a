// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_runner.h"

#include <algorithm>
#include <utility>

#include "core/time/duration.h"

namespace actions::drill {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using rules::AlertState;

constexpr std::size_t kEventsMax = 1024;
constexpr auto kTickOfRun = std::chrono::milliseconds(500);
constexpr auto kTickIdle = std::chrono::seconds(5);
constexpr auto kStopLookEvery = std::chrono::seconds(5);
// A scheduled drill that was refused is tried again after this.
constexpr core::Duration kTryAgain = std::chrono::minutes(10);
// Of alerts that a former process marked.
constexpr core::Duration kMarksLast = std::chrono::hours(24);
// A commit takes milliseconds; a disk that takes longer is as good as none for whoever waits.
constexpr auto kAnswerWithin = std::chrono::seconds(10);

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& each : texts) all += (all.empty() ? "" : "; ") + each;
  return all;
}

RunPtr newest(const std::vector<RunPtr>& history, const std::function<bool(const Run&)>& wanted) {
  const auto found = std::ranges::find_if(history, [&](const RunPtr& run) { return wanted(*run); });
  return found == history.end() ? nullptr : *found;
}

}  // namespace

RunPtr DrillSnapshot::last(const std::string& drill) const {
  if (current != nullptr && current->drill == drill) return current;
  return newest(history, [&](const Run& run) { return run.drill == drill; });
}

RunPtr DrillSnapshot::last_passed(const std::string& drill) const {
  return newest(history, [&](const Run& run) { return run.drill == drill && run.ending == Ending::kPassed; });
}

Result<std::unique_ptr<DrillRunner>> DrillRunner::open(DrillPlanPtr plan, const std::string& database_path,
                                                       Dependencies dependencies) {
  Result<SqliteDrillStore> store = SqliteDrillStore::open(database_path, dependencies.clock);
  if (!store) return fail(store.error());
  return open(std::move(plan), std::make_unique<SqliteDrillStore>(std::move(*store)), std::move(dependencies));
}

Result<std::unique_ptr<DrillRunner>> DrillRunner::open(DrillPlanPtr plan, std::unique_ptr<DrillStore> store,
                                                       Dependencies dependencies) {
  std::unique_ptr<DrillRunner> runner(new DrillRunner(std::move(plan), std::move(store), std::move(dependencies)));
  if (auto started = runner->engine_.start(); !started) return fail(started.error());
  for (const RunPtr& run : runner->engine_.history()) {
    // A record of a run that was cut short does not say when its alerts were over.
    if (runner->opened_ - run->created < kMarksLast) runner->with_.marks.restore(*run);
  }
  if (runner->engine_.current()) runner->with_.marks.restore(*runner->engine_.current());
  DrillRunner* const self = runner.get();
  self->carry_out(self->engine_.take_effects());
  self->publish();
  self->worker_ = std::jthread([self](std::stop_token stop) { self->work_until_stopped(stop); });
  self->decider_ = std::jthread([self](std::stop_token stop) { self->decide_until_stopped(stop); });
  return runner;
}

DrillRunner::DrillRunner(DrillPlanPtr plan, std::unique_ptr<DrillStore> store, Dependencies dependencies)
    : with_(std::move(dependencies)),
      store_(std::move(store)),
      engine_(*store_, with_.clock),
      opened_(with_.clock.wall_now()),
      plan_(std::move(plan)) {}

DrillRunner::~DrillRunner() { stop(); }

void DrillRunner::stop() {
  {
    std::unique_lock lock(mutex_);
    if (closed_) return;
    closed_ = true;
    events_.push_back({CancelAsked{"the agent ended"}, nullptr});
    events_ready_.notify_one();
    published_.wait_for(lock, with_.farewell, [&] {
      return events_.empty() && (snapshot_->current == nullptr || !snapshot_->current->may_be_injected());
    });
    work_stop_.request_stop();
  }
  worker_ = {};
  decider_ = {};
}

void DrillRunner::start() { started_ = true; }

void DrillRunner::configure(DrillPlanPtr plan) {
  const std::scoped_lock lock(mutex_);
  plan_ = std::move(plan);
  auto snapshot = std::make_shared<DrillSnapshot>(*snapshot_);
  snapshot->plan = plan_;
  snapshot_ = std::move(snapshot);
}

std::shared_ptr<const DrillSnapshot> DrillRunner::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return snapshot_;
}

Result<Outlook> DrillRunner::outlook(const std::string& drill) { return look_ahead(drill, true); }

Result<Outlook> DrillRunner::look_ahead(const std::string& drill, bool yes) {
  DrillPlanPtr plan;
  RunPtr current;
  {
    const std::scoped_lock lock(mutex_);
    plan = plan_;
    current = snapshot_->current;
  }
  const DrillConfig* const config = plan->find(drill);
  if (config == nullptr) return fail(Errc::kNotFound, "no drill is named \"{}\"", drill);
  if (!started_) return fail(Errc::kUnavailable, "the agent is starting");
  Outlook outlook;
  outlook.drill = *config;
  outlook.component = *plan->component(config->component);
  outlook.validators = touches_validators(*config, outlook.component, *plan).value_or("");
  if (current != nullptr) outlook.objections.push_back(fmt::format("{} is not over", current->id));
  const remedy::Now now{with_.clock.wall_now(), with_.clock.steady_now()};
  std::ranges::move(objections(*config, with_.situation(), now), std::back_inserter(outlook.objections));
  for (const remedy::Question& question : questions_of(*config, *plan->policy)) {
    const remedy::Answer answer = with_.lookout.answer(question, config->fresh_within, {});
    outlook.findings.push_back({question.name, std::string(to_string(answer.verdict)), answer.why});
    if (answer.verdict == remedy::Verdict::kYes) continue;
    outlook.objections.push_back(fmt::format("{}: {}: {}", question.name, to_string(answer.verdict), answer.why));
  }
  auto survey =
      with_.injector.survey(config->inject, outlook.component, plan->protection, config->allow_validators && yes);
  outlook.units = std::move(survey.units);
  outlook.pods = std::move(survey.pods);
  std::ranges::move(survey.objections, std::back_inserter(outlook.objections));
  return outlook;
}

void DrillRunner::refused(const std::string& drill, const std::string& who, const std::string& why) {
  ++stats_.refused;
  const std::scoped_lock lock(mutex_);
  if (plan_->find(drill) != nullptr) refusals_[drill] = {with_.clock.wall_now(), who, why};
  auto snapshot = std::make_shared<DrillSnapshot>(*snapshot_);
  snapshot->refusals = refusals_;
  snapshot_ = std::move(snapshot);
}

Result<std::string> DrillRunner::run(const std::string& drill, const std::string& who, bool yes) {
  auto outlook = look_ahead(drill, yes);
  if (!outlook) return fail(outlook.error());
  if (!outlook->validators.empty() && !yes) {
    refused(drill, who, outlook->validators);
    return fail(Errc::kInvalid, "{}: say --yes (the parameter yes=true) if that is meant", outlook->validators);
  }
  if (!outlook->objections.empty()) {
    refused(drill, who, joined(outlook->objections));
    return fail(Errc::kUnavailable, "not begun: {}", joined(outlook->objections));
  }
  Begin begin;
  begin.config = outlook->drill;
  Run& run = begin.run;
  run.created = std::chrono::floor<core::Millis>(with_.clock.wall_now());
  run.id = fmt::format("{}-{}", drill, core::to_unix_ms(run.created));
  run.drill = drill;
  run.component = outlook->component.name;
  run.who = who;
  run.fault = outlook->drill.inject;
  run.units = std::move(outlook->units);
  run.pods = std::move(outlook->pods);
  run.max_duration = outlook->drill.max_duration;
  run.expectations = expectations_of(outlook->drill);
  run.findings = std::move(outlook->findings);
  std::string id = run.id;
  auto begun = ask(std::move(begin));
  if (begun) return id;
  refused(drill, who, begun.error().message);
  return fail(begun.error());
}

Result<void> DrillRunner::cancel(const std::string& drill, const std::string& who) {
  const RunPtr current = snapshot()->current;
  if (current == nullptr || current->drill != drill) return fail(Errc::kInvalid, "the drill {} does not run", drill);
  return ask(CancelAsked{"cancelled by " + who});
}

Result<void> DrillRunner::ask(Event event) {
  auto answer = std::make_shared<std::promise<Result<void>>>();
  std::future<Result<void>> future = answer->get_future();
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return fail(Errc::kUnavailable, "the agent is ending");
    events_.push_back({std::move(event), std::move(answer)});
    events_ready_.notify_one();
  }
  if (future.wait_for(kAnswerWithin) != std::future_status::ready) {
    return fail(Errc::kTimeout, "no answer within 10s; it may still take effect");
  }
  return future.get();
}

void DrillRunner::push(Event event) {
  const std::scoped_lock lock(mutex_);
  if (events_.size() >= kEventsMax) {
    ++stats_.alerts_dropped;
    return;
  }
  events_.push_back({std::move(event), nullptr});
  events_ready_.notify_one();
}

void DrillRunner::on_transitions(std::span<const rules::Transition> transitions) {
  if (snapshot()->current == nullptr) return;
  for (const rules::Transition& each : transitions) {
    if (with_.marks.is_caused(each.labels, each.active_at)) push(AlertSeen{each});
  }
}

void DrillRunner::on_delivered(const std::string& receiver, std::span<const receivers::Alert> alerts) {
  for (const receivers::Alert& alert : alerts) {
    const auto run = alert.annotations.find(kDrillRunAnnotation);
    if (run == alert.annotations.end()) continue;
    push(Delivered{run->second, std::string(alert.labels.get("alertname")), receiver, alert.resolved()});
  }
}

void DrillRunner::decide_until_stopped(std::stop_token stop) {
  core::SteadyTime last_tick = with_.clock.steady_now();
  for (;;) {
    std::optional<Queued> next;
    const core::Duration every = engine_.current() ? core::Duration(kTickOfRun) : core::Duration(kTickIdle);
    bool ending = false;
    {
      std::unique_lock lock(mutex_);
      events_ready_.wait_for(lock, stop, every, [&] { return !events_.empty(); });
      if (!events_.empty()) {
        next = std::move(events_.front());
        events_.pop_front();
      } else if (stop.stop_requested()) {
        return;
      }
      ending = closed_;
    }
    Result<void> done;
    if (next && ending && std::holds_alternative<Begin>(next->event)) {
      done = fail(Errc::kUnavailable, "the agent is ending");
    } else if (next) {
      done = handle(next->event);
    }
    if (const core::SteadyTime now = with_.clock.steady_now(); now - last_tick >= every) {
      last_tick = now;
      tick();
    }
    publish();
    if (next && next->answer) next->answer->set_value(done);
  }
}

Result<void> DrillRunner::handle(const Event& event) {
  const auto before = engine_.current();
  const auto done = engine_.handle(event);
  if (const auto* begin = std::get_if<Begin>(&event); begin != nullptr && done) {
    ++stats_.begun;
    // Before the injection: whatever fires from here on is looked at.
    DrillPlanPtr plan;
    {
      const std::scoped_lock lock(mutex_);
      plan = plan_;
    }
    const DrillableConfig* const component = plan->component(begin->run.component);
    with_.marks.begin(begin->run, begin->config, component == nullptr ? DrillableConfig() : *component);
  }
  if (const auto* restored = std::get_if<Restored>(&event)) stats_.restores_failed += !restored->done;
  if (before && !engine_.current()) {
    with_.marks.end();
    const Ending ending = engine_.history().front()->ending;
    stats_.passed += ending == Ending::kPassed;
    stats_.failed += ending == Ending::kFailed;
    stats_.cancelled += ending == Ending::kCancelled;
    stats_.interrupted += ending == Ending::kInterrupted;
  }
  carry_out(engine_.take_effects());
  return done;
}

void DrillRunner::tick() {
  (void)handle(Tick{});
  if (!started_) return;
  if (!engine_.current()) return run_what_is_due();
  look_whether_to_end();
}

void DrillRunner::look_whether_to_end() {
  const Situation situation = with_.situation();
  std::vector<remedy::RunPtr> runs;
  for (const remedy::RunPtr& run : situation.remedy->runs) {
    if (run->fired_at >= engine_.current()->created) runs.push_back(run);
  }
  if (!runs.empty()) (void)handle(RemediationsSeen{std::move(runs)});
  // From here on the restore is under way already, or done.
  const auto& run = engine_.current();
  if (!run || (run->phase != Phase::kInjecting && run->phase != Phase::kWatching)) return;
  const std::string reason = reason_to_end(
      situation, [&](const rules::AlertStatus& alert) { return with_.marks.is_caused(alert.labels, alert.active_at); });
  if (!reason.empty()) {
    (void)handle(CancelAsked{reason});
    return;
  }
  const core::SteadyTime now = with_.clock.steady_now();
  const auto& config = engine_.config();
  if (!config || config->stop_if.empty() || now < next_stop_look_ || run->phase != Phase::kWatching) return;
  next_stop_look_ = now + kStopLookEvery;
  add_task({TaskKind::kLook, [this, config = *config](std::stop_token stop) -> std::optional<Event> {
              for (const std::string& expr : config.stop_if) {
                const auto answer = with_.lookout.answer({.name = expr, .text = expr}, config.fresh_within, stop);
                if (answer.verdict == remedy::Verdict::kYes) return CancelAsked{"stop_if " + expr + " holds"};
              }
              return std::nullopt;
            }});
}

void DrillRunner::run_what_is_due() {
  const auto snapshot = this->snapshot();
  const core::SteadyTime now = with_.clock.steady_now();
  for (const auto& [name, at] : snapshot->next) {
    if (at > with_.clock.wall_now() || now < not_before_[name]) continue;
    not_before_[name] = now + kTryAgain;
    add_task({TaskKind::kLook, [this, drill = name](std::stop_token) -> std::optional<Event> {
                // A refusal is counted and shown; there is nobody else to tell.
                (void)run(drill, "schedule", false);
                return std::nullopt;
              }});
    return;
  }
}

void DrillRunner::carry_out(std::vector<Effect> effects) {
  for (const Effect& effect : effects) {
    if (const auto* inject = std::get_if<Inject>(&effect)) {
      add_task({TaskKind::kInject, [this, run = inject->run](std::stop_token stop) -> std::optional<Event> {
                  const auto done = with_.injector.inject(*run, stop);
                  return Injected{run->id, done.has_value(), done ? *done : done.error().message};
                }});
    }
    if (const auto* restore = std::get_if<Restore>(&effect)) {
      add_task({TaskKind::kRestore, [this, run = restore->run](std::stop_token stop) -> std::optional<Event> {
                  const auto done = with_.injector.restore(*run, stop);
                  return Restored{run->id, done.has_value(), done ? *done : done.error().message};
                }});
    }
    if (const auto* find = std::get_if<FindFirstSample>(&effect)) {
      add_task({TaskKind::kLook, [this, asked = *find](std::stop_token stop) -> std::optional<Event> {
                  const auto at = with_.first_sample(asked, stop);
                  if (!at) return std::nullopt;
                  return FirstSampleFound{asked.run, asked.alert.to_string(), *at};
                }});
    }
    if (std::holds_alternative<StopInjecting>(effect)) {
      const std::scoped_lock lock(mutex_);
      if (working_ == TaskKind::kInject) work_stop_.request_stop();
    }
  }
}

// A restore waits for nobody: looks are cut short for it.
void DrillRunner::add_task(Task task) {
  const std::scoped_lock lock(mutex_);
  if (task.kind == TaskKind::kRestore) {
    if (working_ == TaskKind::kLook) work_stop_.request_stop();
    tasks_.push_front(std::move(task));
  } else {
    tasks_.push_back(std::move(task));
  }
  tasks_ready_.notify_one();
}

void DrillRunner::work_until_stopped(std::stop_token stop) {
  for (;;) {
    Task task;
    std::stop_token work_stop;
    {
      std::unique_lock lock(mutex_);
      if (!tasks_ready_.wait(lock, stop, [&] { return !tasks_.empty(); })) return;
      if (stop.stop_requested()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
      working_ = task.kind;
      work_stop_ = std::stop_source();
      work_stop = work_stop_.get_token();
    }
    std::optional<Event> event = task.work(work_stop);
    const std::scoped_lock lock(mutex_);
    working_.reset();
    if (!event) continue;
    events_.push_back({std::move(*event), nullptr});
    events_ready_.notify_one();
  }
}

void DrillRunner::publish() {
  auto snapshot = std::make_shared<DrillSnapshot>();
  if (engine_.current()) snapshot->current = std::make_shared<const Run>(*engine_.current());
  snapshot->history.assign(engine_.history().begin(), engine_.history().end());
  snapshot->degraded = engine_.degraded();
  const std::scoped_lock lock(mutex_);
  snapshot->plan = plan_;
  for (const DrillConfig& drill : plan_->drills) {
    if (!drill.schedule) continue;
    const RunPtr last = snapshot->last(drill.name);
    // One that has never run is due after its first interval, not at once.
    snapshot->next[drill.name] = drill.schedule->next(last == nullptr ? opened_ : last->created, opened_);
  }
  snapshot->refusals = refusals_;
  snapshot_ = std::move(snapshot);
  published_.notify_all();
}

}  // namespace actions::drill
