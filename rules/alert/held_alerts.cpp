// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/held_alerts.h"

#include <algorithm>
#include <utility>

namespace rules {

void HeldAlerts::restore(StoredRule stored, core::WallTime now) {
  stored_ = std::move(stored.alerts);
  alerts_ = rules::restore(stored_, policy_.interval, now);
}

void HeldAlerts::take_over(HeldAlerts& other) {
  alerts_ = std::exchange(other.alerts_, {});
  stored_ = std::exchange(other.stored_, {});
}

bool HeldAlerts::commit(AlertTable next, core::WallTime slot, AlertOutlets& outlets, Occasion occasion) {
  alerts_ = std::move(next);
  store(outlets);
  Announcement said = announce(policy_, alerts_, slot, occasion);
  if (!said.transitions.empty()) {
    outlets.counters.transitions.fetch_add(said.transitions.size(), std::memory_order_relaxed);
    for (AlertSink* sink : outlets.sinks) sink->on_transitions(said.transitions);
  }
  alerts_ = std::move(said.alerts);
  store(outlets);
  return std::ranges::any_of(said.transitions, [](const Transition& each) { return each.from != each.to; });
}

void HeldAlerts::store(AlertOutlets& outlets) {
  core::Result<AlertTable> stored = outlets.store.save(key_, policy_.generator_url, stored_, alerts_);
  if (stored) {
    stored_ = std::move(*stored);
  } else {
    outlets.counters.state_write_failures.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace rules
