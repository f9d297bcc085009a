// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/triggers.h"

#include <algorithm>
#include <utility>

#include "actions/backup/backup_config.h"
#include "core/time/clock.h"

namespace actions::backup {
namespace {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

// `head` and `block` come with every slot.
constexpr std::string_view kTopics[] = {"finalized_checkpoint", "chain_reorg", "attester_slashing",
                                        "proposer_slashing"};

constexpr std::string_view kAlert = "alert ";
constexpr std::string_view kEvent = "event ";

bool matches(const std::vector<core::ring::Matcher>& matchers, const core::ring::Labels& labels) {
  return !matchers.empty() &&
         std::ranges::all_of(matchers, [&](const core::ring::Matcher& each) { return each.matches(labels); });
}

// One text for one episode.
std::string reason_of(const rules::Transition& transition) {
  std::string text(kAlert);
  text += transition.labels.get("alertname");
  if (const auto instance = transition.labels.get("instance"); !instance.empty()) {
    text += " on " + std::string(instance);
  }
  return text + " since " + core::format_rfc3339(transition.fired_at.value_or(transition.at));
}

}  // namespace

const Table<TriggerConfig>& TriggerConfig::fields() {
  static const auto table =
      Table<TriggerConfig>("on", "Something that happens and is a reason for a backup.")
          .field("alert", &TriggerConfig::alert,
                 {.help = "An alert that fires and has all of these labels; once for each time it begins to.",
                  .example = "['alertname=\"GethStuck\"']"})
          .field("event", &TriggerConfig::event,
                 {.help = "What a beacon node of `staking` tells of: finalized_checkpoint, chain_reorg,"
                          " attester_slashing or proposer_slashing.",
                  .example = "finalized_checkpoint"})
          .check([](const TriggerConfig& trigger, const Node& node) -> Result<void> {
            if (trigger.alert.empty() == trigger.event.empty()) {
              return fail(node.error("on: expected one of alert, with a matcher in it, and event"));
            }
            if (trigger.event.empty() || std::ranges::find(kTopics, trigger.event) != std::end(kTopics)) return {};
            return fail(
                node.error("on: expected finalized_checkpoint, chain_reorg, attester_slashing or"
                           " proposer_slashing, got \"{}\"",
                           trigger.event));
          });
  return table;
}

const Table<TriggerLimits>& TriggerLimits::fields() {
  static const auto table =
      Table<TriggerLimits>("on_limits", "How often what happens (`on`) starts a backup.")
          .field("after", &TriggerLimits::after,
                 {.help = "A run begins so long after its reason; what comes meanwhile"
                          " is answered by the same run."})
          .field("every", &TriggerLimits::every,
                 {.help = "The least time between the starts of two such runs; reasons wait until then."})
          .check([](const TriggerLimits& limits, const Node& node) -> Result<void> {
            if (limits.after < core::Millis(0) || limits.every < core::Millis(0)) {
              return fail(node.error("on_limits: after and every must not be less than zero"));
            }
            return {};
          });
  return table;
}

bool Triggers::is_reason(std::string_view trigger) {
  return trigger.starts_with(kAlert) || trigger.starts_with(kEvent);
}

void Triggers::configure(const std::vector<BackupConfig>& backups) {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, Waiting> next;
  for (const BackupConfig& backup : backups) {
    if (backup.on.empty()) continue;
    Waiting waiting;
    if (const auto found = waiting_.find(backup.name); found != waiting_.end()) waiting = std::move(found->second);
    waiting.on = backup.on;
    next.insert_or_assign(backup.name, std::move(waiting));
  }
  waiting_ = std::move(next);
}

void Triggers::add_locked(Waiting& waiting, std::string text) {
  if (std::ranges::find(waiting.reasons, text, &Reason::text) != waiting.reasons.end()) return;
  if (std::ranges::find(waiting.answered, text) != waiting.answered.end()) return;
  if (waiting.reasons.size() >= kReasonsMax) {
    ++dropped_;
    return;
  }
  waiting.reasons.push_back({std::move(text), clock_.steady_now()});
}

void Triggers::on_transitions(std::span<const rules::Transition> transitions) {
  const std::scoped_lock lock(mutex_);
  if (waiting_.empty()) return;
  for (const rules::Transition& transition : transitions) {
    if (transition.to != rules::AlertState::kFiring) continue;
    for (auto& [backup, waiting] : waiting_) {
      const bool wanted = std::ranges::any_of(
          waiting.on, [&](const TriggerConfig& trigger) { return matches(trigger.alert, transition.labels); });
      if (wanted) add_locked(waiting, reason_of(transition));
    }
  }
}

void Triggers::on_event(std::string_view topic) {
  const std::scoped_lock lock(mutex_);
  for (auto& [backup, waiting] : waiting_) {
    if (std::ranges::find(waiting.on, topic, &TriggerConfig::event) == waiting.on.end()) continue;
    add_locked(waiting, std::string(kEvent) + std::string(topic));
  }
}

std::vector<Triggers::Reason> Triggers::reasons(const std::string& backup) const {
  const std::scoped_lock lock(mutex_);
  const auto found = waiting_.find(backup);
  return found == waiting_.end() ? std::vector<Reason>() : found->second.reasons;
}

void Triggers::answered(const std::string& backup, const std::vector<Reason>& reasons) {
  const std::scoped_lock lock(mutex_);
  const auto found = waiting_.find(backup);
  if (found == waiting_.end()) return;
  for (const Reason& reason : reasons) {
    std::erase_if(found->second.reasons, [&](const Reason& each) { return each.text == reason.text; });
    // An event comes again and is another one; an alert is refreshed and is the same.
    if (!reason.text.starts_with(kAlert)) continue;
    std::vector<std::string>& answered = found->second.answered;
    answered.push_back(reason.text);
    if (answered.size() > kAnsweredMax) answered.erase(answered.begin());
  }
}

}  // namespace actions::backup
