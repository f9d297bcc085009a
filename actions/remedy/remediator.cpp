// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/remediator.h"

#include <algorithm>
#include <utility>

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using rules::AlertState;

constexpr std::size_t kAlertsQueued = 1024;
constexpr auto kTick = std::chrono::seconds(5);
// A commit takes milliseconds; a disk that takes longer is as good as none for whoever waits.
constexpr auto kAnswerWithin = std::chrono::seconds(10);

constexpr std::size_t kEvidenceQueued = 64;

bool any_matches(const Policy& policy, const core::ring::Labels& alert) {
  return std::any_of(policy.remediations.begin(), policy.remediations.end(),
                     [&](const RemediationConfig& remediation) { return remediation.matches(alert); });
}

bool is_outcome(const Event& event) {
  return std::holds_alternative<StepFinished>(event) || std::holds_alternative<StepSeen>(event);
}

bool has_ended(const Run& run) { return run.started && (run.final || run.state == RunState::kInterrupted); }

}  // namespace

Result<std::unique_ptr<Remediator>> Remediator::open(PolicyPtr policy, Options options, Dependencies dependencies) {
  Result<SqliteJournal> journal = SqliteJournal::open(options.journal_path, options.journal);
  if (!journal) return fail(journal.error());
  const core::Clock& clock = dependencies.clock;
  std::unique_ptr<Remediator> remediator(new Remediator(std::move(*journal), std::move(dependencies)));
  remediator->policy_ = policy;
  remediator->engine_ =
      std::make_unique<Engine>(std::move(policy), options.limits, remediator->journal_, clock, remediator->stats_);
  if (auto started = remediator->engine_->start(); !started) return fail(started.error());
  remediator->publish_and_dispatch();
  Remediator* self = remediator.get();
  self->decider_ = std::jthread([self](std::stop_token stop) { self->decide_until_stopped(stop); });
  self->looker_ = std::jthread([self](std::stop_token stop) { self->look_until_stopped(stop); });
  for (std::size_t i = 0; i < options.limits.running_max; ++i) {
    self->workers_.emplace_back([self](std::stop_token stop) { self->work_until_stopped(stop); });
  }
  return remediator;
}

Remediator::Remediator(SqliteJournal journal, Dependencies dependencies)
    : with_(std::move(dependencies)), journal_(std::move(journal)) {}

// The workers first: what their steps came to is still decided on and written.
Remediator::~Remediator() {
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    to_start_.clear();
    to_look_.clear();
  }
  for (std::jthread& worker : workers_) worker.request_stop();
  looker_.request_stop();
  workers_.clear();
  looker_ = {};
  decider_ = {};
}

void Remediator::on_transitions(std::span<const rules::Transition> transitions) {
  AlertsFired fired;
  const auto pass_on = [&] {
    const std::size_t count = fired.alerts.size();
    if (count > 0) push(std::exchange(fired, {}), count);
  };
  PolicyPtr policy;
  {
    const std::scoped_lock lock(mutex_);
    policy = policy_;
  }
  for (const rules::Transition& each : transitions) {
    const bool never_fired = each.from == AlertState::kPending && each.to == AlertState::kInactive;
    if (never_fired || each.to == AlertState::kPending || !any_matches(*policy, each.labels)) continue;
    const core::WallTime fired_at = each.fired_at.value_or(each.active_at);
    if (each.to == AlertState::kFiring) {
      fired.alerts.push_back({each.labels, fired_at});
    } else {
      pass_on();  // in the order in which it happened
      push(AlertResolved{each.labels, fired_at}, 1);
    }
  }
  pass_on();
}

void Remediator::push(Event event, std::size_t alerts) {
  const std::scoped_lock lock(mutex_);
  if (closed_) return;
  stats_.alerts += alerts;
  // A batch is taken whole, however large, while there is room for one alert: its bound is the rules' own.
  if (alerts_queued_ >= kAlertsQueued) {
    stats_.alerts_dropped += alerts;
    return;
  }
  alerts_queued_ += alerts;
  events_.push_back({std::move(event), nullptr, alerts});
  events_ready_.notify_one();
}

Result<void> Remediator::ask(Event event) {
  auto answer = std::make_shared<std::promise<Result<void>>>();
  std::future<Result<void>> future = answer->get_future();
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return fail(Errc::kCancelled, "the agent is ending");
    events_.push_back({std::move(event), std::move(answer)});
    events_ready_.notify_one();
  }
  if (future.wait_for(kAnswerWithin) != std::future_status::ready) {
    return fail(Errc::kTimeout, "no answer within 10s; it may still take effect");
  }
  return future.get();
}

Result<void> Remediator::approve(const std::string& run, const std::string& who, const std::string& plan) {
  return ask(Approved{run, who, plan});
}
Result<void> Remediator::reject(const std::string& run, const std::string& who) { return ask(Rejected{run, who}); }
Result<void> Remediator::pause(const std::string& reason, const std::string& who, const std::string& remediation) {
  if (reason.empty()) return fail(Errc::kInvalid, "a pause needs a reason");
  return ask(PauseAsked{reason, who, remediation});
}
Result<void> Remediator::resume(const std::string& who, const std::string& remediation) {
  return ask(ResumeAsked{who, remediation});
}

Result<void> Remediator::raise(const core::ring::Labels& alert, core::WallTime fired_at) {
  return ask(AlertFired{alert, fired_at});
}
Result<void> Remediator::resolve(const core::ring::Labels& alert, core::WallTime fired_at) {
  return ask(AlertResolved{alert, fired_at});
}

Result<void> Remediator::configure(PolicyPtr policy) {
  {
    const std::scoped_lock lock(mutex_);
    policy_ = policy;
  }
  return ask(Reconfigured{std::move(policy)});
}

std::shared_ptr<const Snapshot> Remediator::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return snapshot_;
}

void Remediator::publish_and_dispatch() {
  std::shared_ptr<const Snapshot> snapshot = engine_->snapshot();
  const PolicyPtr policy = snapshot->policy;
  const std::vector<RunPtr> records = engine_->take_records();
  {
    std::vector<StartStep> steps = engine_->take_steps();
    std::vector<StartLook> looks = engine_->take_looks();
    const std::scoped_lock lock(mutex_);
    snapshot_ = std::move(snapshot);
    for (const RunPtr& run : records) {
      if (with_.keep_evidence && has_ended(*run) && to_keep_.size() < kEvidenceQueued) to_keep_.push_back(run);
    }
    // While the agent ends, an intent stays without an outcome: the next start deals with it as with a crash.
    if (!closed_) {
      for (StartStep& step : steps) to_start_.push_back(std::move(step));
      for (StartLook& look : looks) to_look_.push_back(std::move(look));
    }
    steps_ready_.notify_all();
    looks_ready_.notify_all();
  }
  for (const RunPtr& run : records) with_.announcer.on_record(*run, policy->find(run->remediation));
}

void Remediator::decide_until_stopped(std::stop_token stop) {
  core::SteadyTime last_tick = with_.clock.steady_now();
  for (;;) {
    std::optional<Queued> next;
    bool ending = false;
    {
      std::unique_lock lock(mutex_);
      events_ready_.wait_for(lock, stop, kTick, [&] { return !events_.empty(); });
      if (!events_.empty()) {
        next = std::move(events_.front());
        events_.pop_front();
        alerts_queued_ -= next->alerts;
      } else if (stop.stop_requested()) {
        return;
      }
      ending = closed_;
    }
    if (ending && next && !is_outcome(next->event)) {
      // What would begin now would be an intent that nobody carries out.
      if (next->answer) next->answer->set_value(fail(Errc::kCancelled, "the agent is ending"));
      continue;
    }
    // A refusal of an alert or an outcome is counted and shown; there is nobody else to tell.
    Result<void> done;
    if (next) done = engine_->handle(next->event);
    if (const core::SteadyTime now = with_.clock.steady_now(); now - last_tick >= kTick) {
      last_tick = now;
      (void)engine_->handle(Tick{});
      with_.announcer.refresh();
    }
    publish_and_dispatch();
    if (next && next->answer) next->answer->set_value(done);
  }
}

void Remediator::work_until_stopped(std::stop_token stop) {
  for (;;) {
    StartStep step;
    {
      std::unique_lock lock(mutex_);
      if (!steps_ready_.wait(lock, stop, [&] { return !to_start_.empty(); })) return;
      step = std::move(to_start_.front());
      to_start_.pop_front();
    }
    std::optional<Event> outcome;
    if (!step.only_look) {
      outcome = with_.steps.run(step, stop);
    } else {
      outcome = with_.steps.look(step, stop);
      // What a look came to that was cut short says nothing: the next start looks again.
      if (stop.stop_requested()) return;
    }
    const std::scoped_lock lock(mutex_);
    events_.push_back({std::move(*outcome), nullptr});
    events_ready_.notify_one();
  }
}

Looked Remediator::look(const StartLook& asked, std::stop_token stop) {
  Looked looked{asked.run, asked.ticket, {}};
  for (const Question& question : asked.questions) {
    looked.answers.push_back(with_.lookout.answer(question, asked.fresh_within, stop));
  }
  return looked;
}

void Remediator::look_until_stopped(std::stop_token stop) {
  for (;;) {
    std::optional<StartLook> asked;
    RunPtr ended;
    PolicyPtr policy;
    {
      std::unique_lock lock(mutex_);
      if (!looks_ready_.wait(lock, stop, [&] { return !to_look_.empty() || !to_keep_.empty(); })) return;
      if (!to_look_.empty()) {
        asked = std::move(to_look_.front());
        to_look_.pop_front();
      } else {
        policy = policy_;
        ended = std::move(to_keep_.front());
        to_keep_.pop_front();
      }
    }
    if (ended != nullptr) with_.keep_evidence(*ended, *policy);
    if (!asked) continue;
    Looked looked = look(*asked, stop);
    if (stop.stop_requested()) return;
    const std::scoped_lock lock(mutex_);
    events_.push_back({std::move(looked), nullptr});
    events_ready_.notify_one();
  }
}

}  // namespace actions::remedy
