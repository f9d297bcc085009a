// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/engine.h"

#include <algorithm>
#include <utility>

#include "actions/remedy/deciding.h"

namespace actions::remedy {

using core::Errc;
using core::fail;
using core::Result;

Engine::Engine(PolicyPtr policy, EngineLimits limits, Journal& journal, const core::Clock& clock, RemedyStats& stats)
    : journal_(journal), clock_(clock), stats_(stats) {
  state_.policy = std::move(policy);
  state_.limits = limits;
}

Result<void> Engine::start() {
  const auto longest = std::chrono::duration_cast<core::Millis>(longest_memory(*state_.policy));
  Result<Recollection> recollection = journal_.recall(state_.limits.history_max, clock_.wall_now() - longest);
  if (!recollection) return fail(recollection.error());
  for (RunPtr& run : recollection->runs) state_.runs.emplace(run->id, std::move(run));
  state_.starts = std::move(recollection->starts);
  state_.pauses = std::move(recollection->pauses);
  return decide_and_commit(Restarted{});
}

Result<void> Engine::handle(const Event& event) {
  const bool outcome = std::holds_alternative<StepFinished>(event) || std::holds_alternative<StepSeen>(event);
  Result<void> done;
  if (std::holds_alternative<PauseAsked>(event)) {
    // A pause comes before outcomes that wait for the journal: none of them starts a further step then.
    done = decide_and_commit(event);
    if (done || done.error().code != Errc::kUnavailable) (void)write_outcomes();
    return done;
  }
  // Outcomes first: what is decided next depends on them.
  done = write_outcomes();
  if (done) done = decide_and_commit(event);
  if (!done && outcome && done.error().code == Errc::kUnavailable) unwritten_.push_back(event);
  return done;
}

Result<void> Engine::write_outcomes() {
  while (!unwritten_.empty()) {
    auto written = decide_and_commit(unwritten_.front());
    if (!written && written.error().code == Errc::kUnavailable) return written;
    unwritten_.pop_front();
  }
  return {};
}

// A run that memory has let go, or that was finished before the last start, must not begin a second time.
Result<void> Engine::recollect(const AlertFired& event) {
  for (const RemediationConfig& remediation : state_.policy->remediations) {
    const std::string id = run_id(remediation.name, event.alert, event.fired_at);
    if (state_.runs.contains(id)) continue;
    Result<std::optional<Run>> known = journal_.find(id);
    if (!known) return fail(known.error());
    if (*known) state_.runs.emplace(id, std::make_shared<const Run>(std::move(**known)));
  }
  return {};
}

Result<void> Engine::recollect(const Event& event) {
  if (const auto* fired = std::get_if<AlertFired>(&event)) return recollect(*fired);
  if (const auto* batch = std::get_if<AlertsFired>(&event)) {
    for (const AlertFired& each : batch->alerts) {
      if (auto known = recollect(each); !known) return known;
    }
  }
  return {};
}

tl::unexpected<core::Error> Engine::degrade(const core::Error& error) {
  ++stats_.journal_errors;
  degraded_ = "the journal of remediations does not work, so nothing is started: " + error.message;
  return fail(Errc::kUnavailable, "{}", degraded_);
}

Result<void> Engine::decide_and_commit(const Event& event) {
  if (auto known = recollect(event); !known) return degrade(known.error());
  const Now now{clock_.wall_now(), clock_.steady_now()};
  if (std::holds_alternative<Tick>(event) && !degraded_.empty()) {
    if (auto works = journal_.probe(now.wall); !works) return degrade(works.error());
    degraded_.clear();
  }
  Decision decision = decide(state_, event, now);
  const bool records = std::any_of(decision.effects.begin(), decision.effects.end(), [](const Effect& effect) {
    return std::holds_alternative<RecordRun>(effect) || std::holds_alternative<RecordPause>(effect);
  });
  if (records) {
    if (auto committed = journal_.commit(decision.effects, now.wall); !committed) return degrade(committed.error());
    degraded_.clear();
  }
  state_ = std::move(decision.state);
  count(event, decision.effects);
  std::string refused;
  for (Effect& effect : decision.effects) {
    if (auto* step = std::get_if<StartStep>(&effect)) ready_.push_back(std::move(*step));
    if (auto* look = std::get_if<StartLook>(&effect)) looks_.push_back(std::move(*look));
    if (auto* record = std::get_if<RecordRun>(&effect)) records_.push_back(std::move(record->run));
    if (auto* refuse = std::get_if<Refuse>(&effect)) refused = std::move(refuse->why);
  }
  if (!refused.empty()) return fail(Errc::kInvalid, "{}", refused);
  return {};
}

void Engine::count(const Event& event, const std::vector<Effect>& effects) {
  if (const auto* looked = std::get_if<Looked>(&event)) {
    ++stats_.looks;
    stats_.looks_unknown += std::any_of(looked->answers.begin(), looked->answers.end(),
                                        [](const Answer& answer) { return answer.verdict == Verdict::kUnknown; });
  }
  for (const Effect& effect : effects) {
    if (const auto* step = std::get_if<StartStep>(&effect)) {
      if (step->only_look) continue;
      ++stats_.steps_started;
      if (step->step == 0 && step->snapshot->steps[0].attempts == 1) ++stats_.runs_started;
    }
    const auto* record = std::get_if<RecordRun>(&effect);
    if (record == nullptr) continue;
    const RunState state = record->run->state;
    if (state == RunState::kSucceeded) ++stats_.runs_succeeded;
    if (state == RunState::kFailed) ++stats_.runs_failed;
    if (state == RunState::kRefused || state == RunState::kPaused) ++stats_.runs_refused;
    if (state == RunState::kInterrupted && !record->run->final) ++stats_.runs_interrupted;
  }
}

std::shared_ptr<const Snapshot> Engine::snapshot() const {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->policy = state_.policy;
  for (const auto& [id, run] : state_.runs) snapshot->runs.push_back(run);
  std::stable_sort(snapshot->runs.begin(), snapshot->runs.end(),
                   [](const RunPtr& a, const RunPtr& b) { return a->created > b->created; });
  snapshot->pauses = state_.pauses;
  snapshot->degraded = degraded_;
  return snapshot;
}

}  // namespace actions::remedy
