// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/objections.h"

#include <algorithm>
#include <set>

#include "core/time/duration.h"

namespace actions::drill {
namespace {

using rules::AlertState;
using rules::AlertStatus;

void each_alert(const Situation& situation, const std::function<void(const AlertStatus&)>& look) {
  for (const auto& group : situation.rules) {
    for (const rules::RuleStatus& rule : group->rules) {
      for (const AlertStatus& alert : rule.alerts) look(alert);
    }
  }
}

bool is_critical(const AlertStatus& alert) {
  return alert.state == AlertState::kFiring && alert.labels.get("severity") == "critical";
}

// A rule that could fire what is expected; true where the matchers do not say its name.
bool has_rule(const DrillConfig& drill, const Situation& situation) {
  for (const core::ring::Matcher& matcher : drill.expect.alert.match) {
    if (matcher.name() != "alertname") continue;
    const bool any = std::ranges::any_of(situation.rules, [&](const auto& group) {
      return std::ranges::any_of(group->rules, [&](const rules::RuleStatus& rule) {
        return rule.spec.kind == rules::RuleKind::kAlerting && matcher.matches(rule.spec.name);
      });
    });
    if (!any) return false;
  }
  return true;
}

void object_to_alerts(const DrillConfig& drill, const Situation& situation, std::vector<std::string>& reasons) {
  each_alert(situation, [&](const AlertStatus& alert) {
    if (drill.expects(alert.labels)) {
      reasons.push_back(fmt::format("{} is {} already: what the drill does to it could not be told",
                                    alert.labels.to_string(),
                                    alert.state == AlertState::kFiring ? "firing" : "pending"));
    } else if (is_critical(alert)) {
      reasons.push_back(fmt::format("an incident: {} fires", alert.labels.to_string()));
    }
  });
  if (!has_rule(drill, situation)) reasons.push_back("no rule has the name of the expected alert");
}

void object_to_remediations(const DrillConfig& drill, const remedy::Snapshot& remedy, remedy::Now now,
                            std::vector<std::string>& reasons) {
  for (const auto& [remediation, pause] : remedy.pauses) {
    const bool expected = drill.expect.remediation && drill.expect.remediation->name == remediation;
    if (!remediation.empty() && !expected) continue;
    reasons.push_back(fmt::format("{} paused by {}: {}", remediation.empty() ? "automation is" : remediation + " is",
                                  pause.who, pause.reason));
  }
  if (!remedy.degraded.empty()) reasons.push_back("remediations: " + remedy.degraded);
  const remedy::StormConfig& storm = remedy.policy->storm;
  std::size_t begun = 0;
  for (const remedy::RunPtr& run : remedy.runs) {
    if (!run->final && run->state == remedy::RunState::kRunning) reasons.push_back(run->id + " is running");
    if (!run->final && run->state == remedy::RunState::kInterrupted) {
      reasons.push_back(run->id + " was interrupted and needs a person");
    }
    begun += run->started && now.wall - *run->started < storm.window;
  }
  if (begun >= storm.runs) {
    reasons.push_back(
        fmt::format("a storm: {} remediations began within {}", begun, core::format_duration(storm.window)));
  }
}

void object_to_storm(const Situation& situation, remedy::Now now, std::vector<std::string>& reasons) {
  const remedy::Policy& policy = *situation.remedy->policy;
  std::size_t begun = 0;
  each_alert(situation, [&](const AlertStatus& alert) {
    if (alert.state != AlertState::kFiring || !alert.fired_at) return;
    if (now.wall - *alert.fired_at >= policy.storm.window) return;
    begun += std::ranges::any_of(policy.remediations, [&](const auto& each) { return each.matches(alert.labels); });
  });
  if (begun < policy.storm.alerts) return;
  reasons.push_back(fmt::format("a storm: {} alerts with a remediation began within {}", begun,
                                core::format_duration(policy.storm.window)));
}

}  // namespace

std::vector<std::string> objections(const DrillConfig& drill, const Situation& situation, remedy::Now now) {
  std::vector<std::string> reasons;
  object_to_remediations(drill, *situation.remedy, now, reasons);
  object_to_storm(situation, now, reasons);
  object_to_alerts(drill, situation, reasons);
  if (!situation.notifier_degraded.empty()) reasons.push_back("notifications: " + situation.notifier_degraded);
  for (const std::string& client : situation.resting) reasons.push_back(client + " is stopped for its backup");
  if (drill.expect.notified && !situation.somebody_is_told) {
    reasons.push_back("a notification is expected, and there is nobody to be told");
  }
  return reasons;
}

std::string reason_to_end(const Situation& situation, const std::function<bool(const AlertStatus&)>& is_its_own) {
  if (const auto pause = situation.remedy->pauses.find(""); pause != situation.remedy->pauses.end()) {
    return fmt::format("automation was paused by {}: {}", pause->second.who, pause->second.reason);
  }
  std::string reason;
  each_alert(situation, [&](const AlertStatus& alert) {
    if (!reason.empty() || !is_critical(alert) || is_its_own(alert)) return;
    reason = fmt::format("an incident: {} fires", alert.labels.to_string());
  });
  return reason;
}

std::vector<remedy::Question> questions_of(const DrillConfig& drill, const remedy::Policy& policy) {
  std::vector<remedy::Question> questions;
  for (const std::string& expr : drill.require) questions.push_back({.name = "require " + expr, .text = expr});
  for (const std::string& name : drill.gates) {
    const remedy::GateConfig* gate = policy.gate(name);
    questions.push_back({.name = "gate " + name, .text = gate == nullptr ? "" : gate->expr});
  }
  return questions;
}

}  // namespace actions::drill
