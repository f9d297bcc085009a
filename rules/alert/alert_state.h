// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"
#include "rules/alert/alert_sink.h"
#include "rules/alert/rule_spec.h"

// The life of alerts as pure functions of (state, evaluation result, slot time). Prometheus's rules with the
// differences named here, each chosen so that trouble is announced rather than lost:
//   - a rule beyond its limit fails and keeps its alerts instead of forgetting them, and no rule is without limit;
//   - while a rule fails, its firing alerts go on being refreshed, so that no receiver takes silence for recovery;
//   - a firing alert that falls back to pending (its `for` became longer) is announced as resolved first;
//   - a wall clock that jumps back neither demotes an alert nor silences its refreshes.
namespace rules {

// A firing alert is sent again at least this often (Prometheus's resend delay).
inline constexpr core::Millis kResendDelay = std::chrono::minutes(1);
// How long a resolved alert is kept, and its resolution repeated.
inline constexpr core::Millis kResolvedRetention = std::chrono::minutes(15);

// The limit of a rule whose group sets none: a condition that holds for everything must not fill memory and store.
inline constexpr std::size_t kMaxAlertsPerRule = 10'000;

// One alert that a rule holds.
//
// Invariants: pending has neither fired_at nor resolved_at; firing has fired_at; inactive with resolved_at is resolved
// and retained; inactive without it was pending and is dropped as soon as that is announced.
struct Alert {
  core::ring::Labels labels;  // with alertname, without external labels
  std::map<std::string, std::string> annotations;
  AlertState state = AlertState::kPending;
  double value = 0;
  core::WallTime active_at;
  std::optional<core::WallTime> fired_at;
  std::optional<core::WallTime> keep_firing_since;
  std::optional<core::WallTime> resolved_at;
  std::optional<core::WallTime> last_sent_at;
  // The last slot at which the rule was evaluated with this alert held: after an outage, what lies between is
  // unobserved.
  core::WallTime seen_at;
  // What the sinks were told last. It differs from `state` between a decision and its announcement only; a crash there
  // leaves the difference in the store, and the announcement is made after the restart.
  AlertState announced = AlertState::kInactive;
  // Came from the store and has not been in a result since.
  bool restored = false;

  bool operator==(const Alert&) const = default;
};

using AlertTable = std::map<core::ring::Labels, Alert>;

// One element of the expression's result, with the rule's labels and annotations expanded.
struct ActiveElement {
  core::ring::Labels labels;
  std::map<std::string, std::string> annotations;
  double value = 0;
};

// What the decisions need to know of a rule.
struct AlertPolicy {
  core::Millis hold_for{0};
  core::Millis keep_firing_for{0};
  std::size_t limit = 0;
  core::Millis interval = std::chrono::minutes(1);
  std::string file;
  std::string group;
  std::string generator_url;
};

// Whether absence from a result may be believed. After a start the ring may still be empty: a restored alert is held
// as it is until its rule has settled (RuleRunnerOptions::start_grace says when).
enum class Settling { kSettled, kSettling };

// The alert's labels of a result element: without the metric name, with the rule's expanded labels (an empty one
// removes the label) and `alertname`.
core::ring::Labels alert_labels(const core::ring::Labels& element, const std::map<std::string, std::string>& expanded,
                                std::string_view alertname);

// The state after one evaluation. Fails, and means "keep the old state", for two elements with equal labels and beyond
// the limit. Alerts to be forgotten are still in the result, inactive, so that announce() can say so.
core::Result<AlertTable> advance(const AlertPolicy& policy, const AlertTable& alerts,
                                 const std::vector<ActiveElement>& elements, core::WallTime slot,
                                 Settling settling = Settling::kSettled);

// Why a rule is evaluated: its group's slot has come, or something it looks at was scraped. The decisions are the same;
// after a slot the next one is an interval away, after an arrival nothing is promised but the slots.
enum class Occasion { kSlot, kArrival };

struct Announcement {
  AlertTable alerts;
  std::vector<Transition> transitions;
};

// Whom to tell what: every change since the last announcement, refreshes and repeated resolutions that are due. The
// table it returns has that noted and forgotten alerts dropped. After a failed evaluation it is called with the old
// table.
Announcement announce(const AlertPolicy& policy, const AlertTable& alerts, core::WallTime slot,
                      Occasion occasion = Occasion::kSlot);

// ALERTS and ALERTS_FOR_STATE of every pending or firing alert.
std::vector<SeriesSample> alert_series(const AlertTable& alerts);

// The highest of the alerts: firing > pending > inactive.
AlertState highest_state(const AlertTable& alerts);

// Alerts read back from the store at `now`. Firing and resolved ones are to be announced again at once. A pending one
// keeps its `for`; but after an outage of more than a few evaluations the unobserved time does not count toward it.
AlertTable restore(AlertTable alerts, core::Millis interval, core::WallTime now);

// True if a restart from `stored` instead of `now` would forget a decision. Values and annotations alone are not worth
// a write at each evaluation.
bool worth_storing(const Alert& stored, const Alert& now);

std::string_view to_string(AlertState state);  // inactive, pending, firing

}  // namespace rules
