// SPDX-License-Identifier: Apache-2.0
// What may object to a start. Each guard says its reason in words that stay the same while it holds, so that it is
// recorded once.
#include <algorithm>
#include <set>

#include "actions/remedy/deciding.h"
#include "core/check.h"
#include "core/time/duration.h"

namespace actions::remedy {
namespace {

Held refused(std::string reason) { return {RunState::kRefused, std::move(reason), false}; }

// A run that was interrupted has done something to its target, and nobody knows what: it counts like one that runs.
bool is_at_work(const Run& run) {
  return run.state == RunState::kRunning || (run.state == RunState::kInterrupted && !run.final);
}

std::size_t at_work_in_budget(const EngineState& state, const std::string& budget, const std::string& except) {
  std::size_t count = 0;
  for (const auto& [id, run] : state.runs) count += id != except && run->budget == budget && is_at_work(*run);
  return count;
}

std::optional<Held> guard_concurrency(const EngineState& state, const RemediationConfig& remediation,
                                      const std::string& except) {
  std::size_t running = 0;
  for (const auto& [id, run] : state.runs) {
    if (id == except) continue;
    running += run->state == RunState::kRunning;
    if (run->remediation != remediation.name) continue;
    if (run->state == RunState::kRunning) return refused(fmt::format("{} is still running", id));
    if (is_at_work(*run)) {
      return refused(fmt::format("{} was interrupted and needs a person: reject it to go on", id));
    }
  }
  if (running >= state.limits.running_max) {
    return refused(fmt::format("{} remediations run at once already", running));
  }
  if (remediation.limits.budget.empty()) return std::nullopt;
  const BudgetConfig* budget = state.policy->budget(remediation.limits.budget);
  if (budget == nullptr) return refused(fmt::format("budget {} is not configured", remediation.limits.budget));
  if (at_work_in_budget(state, budget->name, except) >= budget->max_at_once) {
    return refused(fmt::format("budget {}: {} at once already", budget->name, budget->max_at_once));
  }
  return std::nullopt;
}

std::optional<Held> guard_frequency(const EngineState& state, Now now, const RemediationConfig& remediation) {
  const Limits& limits = remediation.limits;
  std::size_t in_window = 0;
  const Start* first = nullptr;
  for (const Start& start : state.starts) {
    if (start.remediation != remediation.name) continue;
    const core::Duration elapsed = since(start, now);
    if (elapsed < limits.cooldown) {
      return refused(fmt::format("cooldown of {} until {}", duration_text(limits.cooldown),
                                 core::format_rfc3339(plus(start.wall, limits.cooldown))));
    }
    if (elapsed < limits.window && in_window++ == 0) first = &start;
  }
  if (in_window < limits.runs) return std::nullopt;
  return refused(fmt::format("{} runs within {}, the first at {}", in_window, duration_text(limits.window),
                             core::format_rfc3339(first->wall)));
}

std::optional<Held> guard_storm(const EngineState& state, Now now) {
  const StormConfig& storm = state.policy->storm;
  const auto starts = std::count_if(state.starts.begin(), state.starts.end(),
                                    [&](const Start& start) { return since(start, now) < storm.window; });
  if (static_cast<std::size_t>(starts) >= storm.runs) {
    return Held{RunState::kProposed,
                fmt::format("only proposed: {} remediations started within {}, which looks like a fault of the watcher "
                            "or the network",
                            starts, duration_text(storm.window)),
                true};
  }
  std::set<std::uint64_t> alerts;
  for (const auto& [id, episode] : state.firing) {
    if (now.steady - episode.began < storm.window) alerts.insert(episode.alert);
  }
  if (alerts.size() < storm.alerts) return std::nullopt;
  return refused(
      fmt::format("{} or more alerts with a remediation began within {}, which looks like a fault of the "
                  "watcher or the network",
                  storm.alerts, duration_text(storm.window)));
}

std::optional<Held> guard_intervals(const EngineState& state, Now now, const RemediationConfig& remediation) {
  const auto within = [&](const std::string& name) {
    const auto found = state.policy->intervals.find(name);
    return found != state.policy->intervals.end() && notify::contains(found->second, now.wall);
  };
  for (const std::string& name : remediation.mute_time_intervals) {
    // A checked configuration has them all; without that, nobody knows whether this is the time.
    if (!state.policy->intervals.contains(name)) return refused(fmt::format("no time interval is named {}", name));
    if (within(name)) return refused(fmt::format("muted by the time interval {}", name));
  }
  const auto& active = remediation.active_time_intervals;
  if (active.empty() || std::any_of(active.begin(), active.end(), within)) return std::nullopt;
  return refused("outside of its active time intervals");
}

}  // namespace

const Pause* pause_of(const EngineState& state, const std::string& remediation) {
  for (const std::string& key : {std::string(), remediation}) {
    if (const auto found = state.pauses.find(key); found != state.pauses.end()) return &found->second;
  }
  return nullptr;
}

core::Duration since(const Start& start, Now now) {
  core::Duration elapsed = now.wall - start.wall;
  if (start.steady) elapsed = std::min(elapsed, core::Duration(now.steady - *start.steady));
  return std::max(elapsed, core::Duration::zero());
}

core::Duration longest_memory(const Policy& policy) {
  core::Duration longest = policy.storm.window;
  for (const RemediationConfig& each : policy.remediations) {
    longest = std::max({longest, core::Duration(each.limits.cooldown), core::Duration(each.limits.window)});
  }
  return longest;
}

std::optional<Held> guard(const EngineState& state, Now now, const RemediationConfig& remediation,
                          const std::string& run) {
  if (const Pause* pause = pause_of(state, remediation.name)) {
    return Held{RunState::kPaused, fmt::format("paused by {}: {}", pause->who, pause->reason)};
  }
  if (auto held = guard_intervals(state, now, remediation)) return held;
  if (auto held = guard_concurrency(state, remediation, run)) return held;
  if (auto held = guard_frequency(state, now, remediation)) return held;
  return guard_storm(state, now);
}

std::vector<Question> questions_of(const Policy& policy, const RemediationConfig& remediation) {
  std::vector<Question> questions;
  const auto condition = [&](std::string name, const std::string& expr) {
    questions.push_back({.kind = Question::Kind::kCondition, .name = std::move(name), .text = expr});
  };
  for (const std::string& expr : remediation.require) condition("require " + expr, expr);
  for (const std::string& name : remediation.gates) {
    const GateConfig* gate = policy.gate(name);
    condition("gate " + name, gate == nullptr ? "" : gate->expr);
  }
  if (remediation.backup_fresh) {
    const auto& fresh = *remediation.backup_fresh;
    questions.push_back({.kind = Question::Kind::kBackupAge,
                         .name = "fresh backup " + fresh.name,
                         .text = fresh.name,
                         .at_most = std::chrono::duration<double>(fresh.max_age).count()});
  }
  const BudgetConfig* budget = policy.budget(remediation.limits.budget);
  if (budget != nullptr && !budget->healthy.empty()) {
    questions.push_back({.kind = Question::Kind::kNumber,
                         .name = "budget " + budget->name,
                         .text = budget->healthy,
                         .at_least = static_cast<double>(budget->min_healthy)});
  }
  return questions;
}

std::optional<Held> judge_findings(const EngineState& state, const RemediationConfig& remediation,
                                   const std::string& run, const std::vector<Question>& questions,
                                   const std::vector<Answer>& answers) {
  CHECK(questions.size() == answers.size(), "an answer for each question");
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Question& question = questions[i];
    const Answer& answer = answers[i];
    if (answer.verdict == Verdict::kNo) return refused(fmt::format("{}: {}", question.name, answer.why));
    if (answer.verdict == Verdict::kUnknown) return refused(fmt::format("{}: unknown: {}", question.name, answer.why));
    if (question.kind == Question::Kind::kBackupAge && !(answer.value <= question.at_most)) {
      return refused(fmt::format("{}: the last good one is older than {}", question.name,
                                 duration_text(core::Millis(static_cast<std::int64_t>(question.at_most * 1000)))));
    }
    if (question.kind != Question::Kind::kNumber) continue;
    // What other runs work on may still look healthy, or look so again, just because they have only begun.
    const auto others = static_cast<double>(at_work_in_budget(state, remediation.limits.budget, run));
    if (!(answer.value - others >= question.at_least)) {
      return refused(
          fmt::format("{}: fewer than {} healthy beside what other runs work on", question.name, question.at_least));
    }
  }
  return std::nullopt;
}

}  // namespace actions::remedy
