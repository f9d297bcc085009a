// SPDX-License-Identifier: Apache-2.0
// What the agent says of host replacement.
#include <string>

#include "agent/wiring/self_metrics.h"

namespace agent {
namespace {

using actions::replace::RolloutState;

constexpr RolloutState kStates[] = {RolloutState::kRunning, RolloutState::kPaused, RolloutState::kStopped,
                                    RolloutState::kFailed, RolloutState::kDone};

void append_group(MetricText& text, const actions::replace::GroupStatus& group) {
  // What is not known is no series: a rule must not take it for none.
  if (group.members) {
    text.gauge("watchkeeper_replace_members", "Hosts of the group that are seen.",
               static_cast<double>(group.members->size()), {{"group", group.name}});
  }
  if (group.outdated) {
    text.gauge("watchkeeper_replace_outdated", "Of these, hosts that a rolling update would replace.",
               static_cast<double>(group.outdated->size()), {{"group", group.name}});
  }
  for (const RolloutState state : kStates) {
    text.gauge("watchkeeper_replace_rollout_state", "1 for the state of the group's last rolling update.",
               group.last && group.last->state == state ? 1 : 0,
               {{"group", group.name}, {"state", std::string(to_string(state))}});
  }
  if (!group.last) return;
  const auto& replaced = group.last->replaced;
  text.gauge("watchkeeper_replace_rollout_replaced", "Hosts that the group's last rolling update has replaced.",
             static_cast<double>(replaced.size()), {{"group", group.name}});
  const core::WallTime progress = replaced.empty() ? group.last->started : replaced.back().at;
  text.gauge("watchkeeper_replace_rollout_progress_timestamp_seconds",
             "When the group's last rolling update began, or replaced its newest host.",
             std::chrono::duration<double>(progress.time_since_epoch()).count(), {{"group", group.name}});
}

}  // namespace

void append_replace(MetricText& text, const AgentView& agent, const actions::replace::RolloutStats& stats) {
  // relaxed: each number stands alone.
  const auto counter = [&](const char* name, const char* help, const std::atomic<std::uint64_t>& value) {
    text.counter(name, help, static_cast<double>(value.load(std::memory_order_relaxed)));
  };
  counter("watchkeeper_replace_hosts_replaced_total", "Hosts that rolling updates replaced.", stats.hosts_replaced);
  counter("watchkeeper_replace_rollouts_failed_total",
          "Rolling updates that stopped at a host which did not come back.", stats.rollouts_failed);
  counter("watchkeeper_replace_looks_unknown_total", "Looks at a group with something that nobody knows.",
          stats.looks_unknown);
  counter("watchkeeper_replace_store_errors_total", "Writes of where a rolling update stands that failed.",
          stats.store_errors);
  for (const auto& group : agent.replacements()) append_group(text, group);
}

}  // namespace agent
