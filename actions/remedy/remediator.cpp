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

bool is_alert(const Event& event) {
  return std::holds_alternative<AlertFired>(event) || std::holds_alternative<AlertResolved>(event);
}

bool any_matches(const std::vector<RemediationConfig>& remediations, const core::ring::Labels& alert) {
  return std::any_of(remediations.begin(), remediations.end(), [&](const RemediationConfig& remediation) {
    return std::all_of(remediation.match.begin(), remediation.match.end(),
                       [&](const core::ring::Matcher& matcher) { return matcher.matches(alert); });
  });
}

}  // namespace

Result<std::unique_ptr<Remediator>> Remediator::open(Remediations remediations, EngineLimits limits,
                                                     const std::string& journal_path, StepRunner& steps,
                                                     const core::Clock& clock) {
  Result<SqliteJournal> journal = SqliteJournal::open(journal_path);
  if (!journal) return fail(journal.error());
  std::unique_ptr<Remediator> remediator(new Remediator(std::move(*journal), steps, clock));
  remediator->remediations_ = remediations;
  remediator->engine_ =
      std::make_unique<Engine>(std::move(remediations), limits, remediator->journal_, clock, remediator->stats_);
  if (auto started = remediator->engine_->start(); !started) return fail(started.error());
  remediator->publish_and_dispatch();
  Remediator* self = remediator.get();
  self->decider_ = std::jthread([self](std::stop_token stop) { self->decide_until_stopped(stop); });
  for (std::size_t i = 0; i < limits.running_max; ++i) {
    self->workers_.emplace_back([self](std::stop_token stop) { self->work_until_stopped(stop); });
  }
  return remediator;
}

Remediator::Remediator(SqliteJournal journal, StepRunner& steps, const core::Clock& clock)
    : clock_(clock), steps_(steps), journal_(std::move(journal)) {}

// The workers first: what their steps came to is still decided on and written.
Remediator::~Remediator() {
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    to_start_.clear();
  }
  for (std::jthread& worker : workers_) worker.request_stop();
  workers_.clear();
  decider_ = {};
}

void Remediator::on_transitions(std::span<const rules::Transition> transitions) {
  for (const rules::Transition& each : transitions) {
    const bool never_fired = each.from == AlertState::kPending && each.to == AlertState::kInactive;
    if (never_fired || each.to == AlertState::kPending) continue;
    const core::WallTime fired_at = each.fired_at.value_or(each.active_at);
    if (each.to == AlertState::kFiring) {
      push_alert(AlertFired{each.labels, fired_at});
    } else {
      push_alert(AlertResolved{each.labels, fired_at});
    }
  }
}

void Remediator::push_alert(Event event) {
  const auto& alert = std::holds_alternative<AlertFired>(event) ? std::get<AlertFired>(event).alert
                                                                : std::get<AlertResolved>(event).alert;
  const std::scoped_lock lock(mutex_);
  if (closed_ || !any_matches(*remediations_, alert)) return;
  ++stats_.alerts;
  if (alerts_queued_ >= kAlertsQueued) {
    ++stats_.alerts_dropped;
    return;
  }
  ++alerts_queued_;
  events_.push_back({std::move(event), nullptr});
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

Result<void> Remediator::approve(const std::string& run, const std::string& who) { return ask(Approved{run, who}); }
Result<void> Remediator::reject(const std::string& run, const std::string& who) { return ask(Rejected{run, who}); }
Result<void> Remediator::pause(const std::string& reason, const std::string& who) {
  if (reason.empty()) return fail(Errc::kInvalid, "a pause needs a reason");
  return ask(PauseAsked{reason, who});
}
Result<void> Remediator::resume(const std::string& who) { return ask(ResumeAsked{who}); }

Result<void> Remediator::configure(Remediations remediations) {
  {
    const std::scoped_lock lock(mutex_);
    remediations_ = remediations;
  }
  return ask(Reconfigured{std::move(remediations)});
}

std::shared_ptr<const Snapshot> Remediator::snapshot() const {
  const std::scoped_lock lock(mutex_);
  return snapshot_;
}

void Remediator::publish_and_dispatch() {
  std::shared_ptr<const Snapshot> snapshot = engine_->snapshot();
  std::vector<StartStep> steps = engine_->take_steps();
  const std::scoped_lock lock(mutex_);
  snapshot_ = std::move(snapshot);
  // While the agent ends, an intent stays without an outcome: the next start deals with it as with a crash.
  if (closed_) return;
  for (StartStep& step : steps) to_start_.push_back(std::move(step));
  steps_ready_.notify_all();
}

void Remediator::decide_until_stopped(std::stop_token stop) {
  core::SteadyTime last_tick = clock_.steady_now();
  for (;;) {
    std::optional<Queued> next;
    {
      std::unique_lock lock(mutex_);
      events_ready_.wait_for(lock, stop, kTick, [&] { return !events_.empty(); });
      if (!events_.empty()) {
        next = std::move(events_.front());
        events_.pop_front();
        if (is_alert(next->event)) --alerts_queued_;
      } else if (stop.stop_requested()) {
        return;
      }
    }
    // A refusal of an alert or an outcome is counted and shown; there is nobody else to tell.
    Result<void> done;
    if (next) done = engine_->handle(next->event);
    if (const core::SteadyTime now = clock_.steady_now(); now - last_tick >= kTick) {
      last_tick = now;
      (void)engine_->handle(Tick{});
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
    StepFinished finished = steps_.run(step, stop);
    const std::scoped_lock lock(mutex_);
    events_.push_back({std::move(finished), nullptr});
    events_ready_.notify_one();
  }
}

}  // namespace actions::remedy
