// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/alert_state.h"

#include <algorithm>
#include <utility>

namespace rules {
namespace {

using core::WallTime;
using core::ring::Label;
using core::ring::Labels;

// How often the store learns that an alert was still held: more often would be a write at every evaluation.
constexpr core::Millis kSeenAtPrecision = std::chrono::minutes(1);

bool is_active(const Alert& alert) { return alert.state != AlertState::kInactive; }

// A moment that a backward step of the wall clock left in the future counts as now: nothing waits for the clock to
// catch up.
WallTime not_after(WallTime time, WallTime slot) { return std::min(time, slot); }

Alert new_alert(const ActiveElement& element, WallTime slot) {
  Alert alert;
  alert.labels = element.labels;
  alert.active_at = slot;
  return alert;
}

// The alert's condition holds at `slot`.
void hold(Alert& alert, const ActiveElement& element, core::Millis hold_for, WallTime slot) {
  alert.value = element.value;
  alert.annotations = element.annotations;
  alert.keep_firing_since.reset();
  alert.restored = false;
  alert.active_at = not_after(alert.active_at, slot);
  const bool held_long_enough = slot - alert.active_at >= hold_for;
  if (alert.state == AlertState::kPending && held_long_enough) {
    alert.state = AlertState::kFiring;
    alert.fired_at = slot;
  } else if (alert.state == AlertState::kFiring && !held_long_enough && slot >= alert.fired_at.value_or(slot)) {
    // Only a longer `for` leads here. Were the clock stepped back, the slot would lie before fired_at.
    alert.state = AlertState::kPending;
    alert.fired_at.reset();
    alert.last_sent_at.reset();
  }
}

// The alert's condition does not hold at `slot`. False: the alert is to be dropped without a word.
bool release(Alert& alert, const AlertPolicy& policy, WallTime slot, Settling settling) {
  if (alert.state == AlertState::kInactive) {
    if (!alert.resolved_at) return true;  // forgotten, not announced yet
    alert.resolved_at = not_after(*alert.resolved_at, slot);
    // One that was never announced is kept until it was, however old.
    return slot - *alert.resolved_at <= kResolvedRetention || alert.announced != AlertState::kInactive;
  }
  if (alert.restored && settling == Settling::kSettling) return true;
  alert.restored = false;
  if (alert.state == AlertState::kPending) {
    alert.state = AlertState::kInactive;
    return alert.announced != AlertState::kInactive;
  }
  if (policy.keep_firing_for > core::Millis::zero()) {
    alert.keep_firing_since = not_after(alert.keep_firing_since.value_or(slot), slot);
    if (slot - *alert.keep_firing_since < policy.keep_firing_for) return true;
  }
  alert.state = AlertState::kInactive;
  alert.resolved_at = slot;
  return true;
}

Transition make_transition(const AlertPolicy& policy, const Alert& alert, AlertState from, AlertState to,
                           WallTime slot) {
  Transition transition;
  transition.labels = alert.labels;
  transition.annotations = alert.annotations;
  transition.from = from;
  transition.to = to;
  transition.at = slot;
  transition.value = alert.value;
  transition.active_at = alert.active_at;
  transition.fired_at = alert.fired_at;
  transition.resolved_at = alert.resolved_at;
  transition.valid_for = 4 * std::max(policy.interval, kResendDelay);
  transition.generator_url = policy.generator_url;
  transition.file = policy.file;
  transition.group = policy.group;
  return transition;
}

// Firing and resolved alerts only. At a slot, due also when waiting for the next one would exceed the delay.
bool repeat_is_due(const AlertPolicy& policy, const Alert& alert, WallTime slot, Occasion occasion) {
  if (alert.state == AlertState::kPending) return false;
  if (alert.state == AlertState::kInactive && !alert.resolved_at) return false;
  if (!alert.last_sent_at || *alert.last_sent_at > slot) return true;
  const core::Millis until_next = occasion == Occasion::kSlot ? policy.interval : core::Millis(1);
  return *alert.last_sent_at + kResendDelay < slot + until_next;
}

}  // namespace

Labels alert_labels(const Labels& element, const std::map<std::string, std::string>& expanded,
                    std::string_view alertname) {
  std::vector<Label> pairs;
  for (const Label& label : element) {
    if (label.name != core::ring::kMetricName && label.name != "alertname" && !expanded.contains(label.name)) {
      pairs.push_back(label);
    }
  }
  for (const auto& [name, value] : expanded) {
    if (name != "alertname") pairs.push_back({name, value});
  }
  pairs.push_back({"alertname", std::string(alertname)});
  return Labels(std::move(pairs));
}

core::Result<AlertTable> advance(const AlertPolicy& policy, const AlertTable& alerts,
                                 const std::vector<ActiveElement>& elements, WallTime slot, Settling settling) {
  std::map<Labels, const ActiveElement*> active;
  for (const ActiveElement& element : elements) {
    if (!active.emplace(element.labels, &element).second) {
      return core::fail(core::Errc::kFailed,
                        "vector contains metrics with the same labelset after applying alert labels: {}",
                        element.labels.to_string());
    }
  }
  AlertTable next = alerts;
  for (const auto& [labels, element] : active) {
    const auto known = next.find(labels);
    if (known == next.end()) {
      next.emplace(labels, new_alert(*element, slot));
    } else if (!is_active(known->second)) {
      // Not announced as resolved yet: the old alert would be lost without a trace, so the new one continues it.
      const AlertState announced = known->second.announced;
      known->second = new_alert(*element, slot);
      known->second.announced = announced;
    }
  }
  std::size_t held = 0;
  for (auto each = next.begin(); each != next.end();) {
    Alert& alert = each->second;
    const auto element = active.find(each->first);
    bool keep = true;
    if (element != active.end()) {
      hold(alert, *element->second, policy.hold_for, slot);
    } else {
      keep = release(alert, policy, slot, settling);
    }
    alert.seen_at = slot;
    if (keep && is_active(alert)) ++held;
    each = keep ? std::next(each) : next.erase(each);
  }
  const std::size_t limit = policy.limit > 0 ? policy.limit : kMaxAlertsPerRule;
  if (held > limit) {
    return core::fail(core::Errc::kLimitExceeded, "exceeded limit of {} with {} alerts", limit, held);
  }
  return next;
}

Announcement announce(const AlertPolicy& policy, const AlertTable& alerts, WallTime slot, Occasion occasion) {
  Announcement said;
  for (const auto& [labels, before] : alerts) {
    Alert alert = before;
    if (alert.announced == AlertState::kFiring && alert.state == AlertState::kPending) {
      Transition resolved = make_transition(policy, alert, AlertState::kFiring, AlertState::kInactive, slot);
      resolved.resolved_at = slot;
      if (!resolved.fired_at) resolved.fired_at = alert.active_at;
      said.transitions.push_back(std::move(resolved));
      alert.announced = AlertState::kInactive;
    }
    if (alert.announced != alert.state || repeat_is_due(policy, alert, slot, occasion)) {
      said.transitions.push_back(make_transition(policy, alert, alert.announced, alert.state, slot));
      alert.announced = alert.state;
      if (alert.state != AlertState::kPending) alert.last_sent_at = slot;
    }
    const bool forgotten = alert.state == AlertState::kInactive && !alert.resolved_at;
    if (!forgotten) said.alerts.emplace(labels, std::move(alert));
  }
  return said;
}

std::vector<SeriesSample> alert_series(const AlertTable& alerts) {
  std::vector<SeriesSample> samples;
  for (const auto& [labels, alert] : alerts) {
    if (!is_active(alert)) continue;
    samples.push_back({labels.with(core::ring::kMetricName, "ALERTS").with("alertstate", to_string(alert.state)), 1});
    const auto since = std::chrono::floor<std::chrono::seconds>(alert.active_at).time_since_epoch();
    samples.push_back({labels.with(core::ring::kMetricName, "ALERTS_FOR_STATE"), static_cast<double>(since.count())});
  }
  return samples;
}

AlertState highest_state(const AlertTable& alerts) {
  AlertState highest = AlertState::kInactive;
  for (const auto& [labels, alert] : alerts) highest = std::max(highest, alert.state);
  return highest;
}

AlertTable restore(AlertTable alerts, core::Millis interval, WallTime now) {
  // seen_at is stored once a minute; within that and a few evaluations nothing counts as an outage.
  const core::Duration tolerated = kSeenAtPrecision + 3 * interval;
  for (auto& [labels, alert] : alerts) {
    alert.restored = is_active(alert);
    alert.last_sent_at.reset();
    if (alert.state == AlertState::kPending && now - alert.seen_at > tolerated) {
      alert.active_at += now - alert.seen_at;
    }
    alert.seen_at = now;
  }
  return alerts;
}

bool worth_storing(const Alert& stored, const Alert& now) {
  return stored.state != now.state || stored.announced != now.announced || stored.active_at != now.active_at ||
         stored.fired_at != now.fired_at || stored.keep_firing_since != now.keep_firing_since ||
         stored.resolved_at != now.resolved_at || stored.last_sent_at != now.last_sent_at ||
         now.seen_at - stored.seen_at >= kSeenAtPrecision || now.seen_at < stored.seen_at;
}

std::string_view to_string(AlertState state) {
  switch (state) {
    case AlertState::kInactive:
      return "inactive";
    case AlertState::kPending:
      return "pending";
    case AlertState::kFiring:
      return "firing";
  }
  return "";
}

}  // namespace rules
