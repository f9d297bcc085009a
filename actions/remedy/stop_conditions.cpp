// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/stop_conditions.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace actions::remedy {
namespace {

// What the engine is doing that a stop would meddle with.
std::optional<std::string> objection_of(const Snapshot& engine, const std::string& trigger) {
  if (const auto paused = engine.pauses.find(""); paused != engine.pauses.end()) {
    return fmt::format("paused by {}: {}", paused->second.who, paused->second.reason);
  }
  for (const RunPtr& run : engine.runs) {
    // The run that asks for the backup is one of them.
    if (run->state == RunState::kRunning && run->id != trigger) {
      return fmt::format("the remediation {} is under way", run->remediation);
    }
  }
  return std::nullopt;
}

}  // namespace

void StopConditions::configure(PolicyPtr policy) {
  const std::scoped_lock lock(mutex_);
  policy_ = std::move(policy);
}

std::optional<std::string> StopConditions::objection(const backup::ClientConfig& client, const std::string& trigger,
                                                     std::stop_token stop) {
  const std::shared_ptr<const Snapshot> engine = engine_();
  if (engine == nullptr) return "the remediations are not ready";
  if (auto found = objection_of(*engine, trigger)) return found;
  // What a remediation does about a drill's fault is what the drill is for.
  const bool by_remediation = std::ranges::any_of(engine->runs, [&](const RunPtr& run) { return run->id == trigger; });
  if (auto found = by_remediation ? std::nullopt : drills_()) return found;
  PolicyPtr policy;
  {
    const std::scoped_lock lock(mutex_);
    policy = policy_;
  }
  std::vector<Question> questions;
  for (const std::string& expr : client.require) {
    questions.push_back({.kind = Question::Kind::kCondition, .name = "require " + expr, .text = expr});
  }
  for (const std::string& name : client.gates) {
    const GateConfig* const gate = policy->gate(name);
    if (gate == nullptr) return fmt::format("there is no gate \"{}\"", name);
    questions.push_back({.kind = Question::Kind::kCondition, .name = "gate " + name, .text = gate->expr});
  }
  for (const Question& question : questions) {
    const Answer answer = lookout_.answer(question, client.fresh_within, stop);
    if (answer.verdict == Verdict::kYes) continue;
    return fmt::format("{}: {}{}", question.name, answer.verdict == Verdict::kUnknown ? "unknown: " : "", answer.why);
  }
  return std::nullopt;
}

}  // namespace actions::remedy
