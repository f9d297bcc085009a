// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/announcer.h"

#include <utility>

namespace actions::remedy {
namespace {

using rules::AlertState;
using rules::Transition;

constexpr core::Duration kRefreshEvery = std::chrono::minutes(1);
constexpr core::Duration kEndStands = std::chrono::minutes(5);
constexpr core::Millis kValidFor = std::chrono::minutes(10);

constexpr std::string_view kAlertName = "WatchkeeperRemediation";

std::string_view severity_of(const Run& run) {
  switch (run.state) {
    case RunState::kFailed:
    case RunState::kInterrupted:
      return "critical";
    case RunState::kWaiting:
    case RunState::kProposed:
    case RunState::kPaused:
    case RunState::kRefused:
      return "warning";
    case RunState::kObserved:
    case RunState::kRunning:
    case RunState::kSucceeded:
      return "info";
  }
  return "info";
}

bool is_told(const Run& run, const RemediationConfig* remediation) {
  const Telling telling = remediation == nullptr ? Telling::kAttention : remediation->notify;
  if (telling == Telling::kNone) return false;
  if (run.state == RunState::kFailed && remediation != nullptr && !remediation->on_failure.notify) return false;
  return telling == Telling::kAll || severity_of(run) != "info";
}

std::string plan_text(const Run& run) {
  std::string text;
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    const StepRun& step = run.steps[i];
    text += fmt::format("{}. {}: {}", i + 1, step.step.to_string(), to_string(step.state));
    text += step.result.empty() ? "\n" : " (" + step.result + ")\n";
  }
  if (run.state == RunState::kWaiting) {
    text += fmt::format("To decide: watchkeeper remedy approve {} --plan {}", run.id, run.plan.substr(0, 12));
  }
  return text;
}

Transition ended(Transition transition, core::WallTime at) {
  transition.from = AlertState::kFiring;
  transition.to = AlertState::kInactive;
  transition.at = at;
  transition.resolved_at = at;
  return transition;
}

}  // namespace

Transition Announcer::transition(const Run& run, std::string_view state, std::string_view severity,
                                 std::string summary) const {
  std::vector<core::ring::Label> labels = {{"alertname", std::string(kAlertName)},
                                           {"remediation", run.remediation},
                                           {"run", run.id},
                                           {"severity", std::string(severity)},
                                           {"state", std::string(state)}};
  if (run.alert.has("alertname")) labels.push_back({"alert", std::string(run.alert.get("alertname"))});
  if (run.alert.has("instance")) labels.push_back({"instance", std::string(run.alert.get("instance"))});
  Transition transition;
  transition.labels = core::ring::Labels(std::move(labels));
  transition.annotations = {{"summary", std::move(summary)}, {"description", plan_text(run)}};
  transition.from = AlertState::kPending;
  transition.to = AlertState::kFiring;
  transition.at = clock_.wall_now();
  transition.active_at = transition.at;
  transition.fired_at = transition.at;
  transition.value = 1;
  transition.valid_for = kValidFor;
  return transition;
}

void Announcer::on_record(const Run& run, const RemediationConfig* remediation) {
  std::vector<Transition> told;
  {
    const std::scoped_lock lock(mutex_);
    const auto known = standing_.find(run.id);
    const bool tells = is_told(run, remediation);
    Transition next = transition(run, to_string(run.state), severity_of(run),
                                 fmt::format("{} is {}: {}", run.remediation, to_string(run.state), run.reason));
    if (known != standing_.end()) {
      const bool same = known->second.transition.labels == next.labels;
      if (!same) told.push_back(ended(known->second.transition, clock_.wall_now()));
      if (same && tells) {
        next.from = AlertState::kFiring;
        next.active_at = known->second.transition.active_at;
        next.fired_at = known->second.transition.fired_at;
      }
      standing_.erase(known);
    }
    if (tells) {
      told.push_back(next);
      const core::SteadyTime now = clock_.steady_now();
      if (standing_.size() < kStandingMax) standing_[run.id] = {std::move(next), now, now, run.final};
    }
  }
  if (!told.empty()) sink_.on_transitions(told);
}

void Announcer::tell(const Run& run, const std::string& text) {
  const Transition message = transition(run, "message", "info", text);
  {
    const std::scoped_lock lock(mutex_);
    const core::SteadyTime now = clock_.steady_now();
    if (standing_.size() < kStandingMax) {
      standing_[fmt::format("{} {}", run.id, run.current())] = {message, now, now, true};
    }
  }
  sink_.on_transitions({&message, 1});
}

void Announcer::refresh() {
  std::vector<Transition> told;
  {
    const std::scoped_lock lock(mutex_);
    const core::SteadyTime now = clock_.steady_now();
    for (auto each = standing_.begin(); each != standing_.end();) {
      Standing& standing = each->second;
      if (standing.final && now - standing.since >= kEndStands) {
        told.push_back(ended(standing.transition, clock_.wall_now()));
        each = standing_.erase(each);
        continue;
      }
      if (now - standing.told >= kRefreshEvery) {
        standing.told = now;
        standing.transition.from = AlertState::kFiring;
        standing.transition.at = clock_.wall_now();
        told.push_back(standing.transition);
      }
      ++each;
    }
  }
  if (!told.empty()) sink_.on_transitions(told);
}

}  // namespace actions::remedy
