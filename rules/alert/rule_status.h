// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/ring/labels.h"
#include "core/time/clock.h"
#include "rules/alert/alert_sink.h"
#include "rules/alert/rule_spec.h"

namespace rules {

enum class RuleHealth { kUnknown, kOk, kFailing };

// A pending or firing alert as the API shows it.
struct AlertStatus {
  core::ring::Labels labels;
  std::map<std::string, std::string> annotations;
  AlertState state = AlertState::kPending;
  core::WallTime active_at;
  std::optional<core::WallTime> fired_at;
  std::optional<core::WallTime> keep_firing_since;
  double value = 0;
};

// A rule as it stood after its last evaluation.
//
// Thread safety: a value.
struct RuleStatus {
  RuleSpec spec;
  std::optional<AlertState> state;  // alerting rules, once evaluated or restored
  std::vector<AlertStatus> alerts;
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;  // empty while it is well
  core::Duration evaluation_time{0};
  std::optional<core::WallTime> last_evaluation;
  bool has_selectors = false;
  bool found_series = false;  // with samples taken since the agent's start

  // Such a rule watches nothing: a name is misspelt, or what it is for is not there. What the ring remembers of before
  // the start does not count.
  bool watches_nothing() const { return has_selectors && last_evaluation && !found_series; }
};

struct GroupStatus {
  std::string file;
  std::string name;
  core::Millis interval{0};
  core::Millis query_offset{0};
  std::size_t limit = 0;
  core::Duration evaluation_time{0};
  std::optional<core::WallTime> last_evaluation;  // when the evaluation began
  std::uint64_t evaluations = 0;
  std::uint64_t missed_slots = 0;
  std::vector<RuleStatus> rules;
};

// What the agent exposes about rules. Each only grows.
//
// Thread safety: any thread; relaxed, as nothing is ordered by them.
struct RuleCounters {
  std::atomic<std::uint64_t> evaluations{0};  // at slots
  std::atomic<std::uint64_t> evaluation_failures{0};
  std::atomic<std::uint64_t> missed_slots{0};
  std::atomic<std::uint64_t> samples_dropped{0};
  std::atomic<std::uint64_t> transitions{0};
  std::atomic<std::uint64_t> state_write_failures{0};
  std::atomic<std::uint64_t> arrivals{0};            // scrapes that may feed an alerting rule
  std::atomic<std::uint64_t> arrivals_coalesced{0};  // evaluations asked for while one was due already
  std::atomic<std::uint64_t> arrivals_dropped{0};    // left to the interval
  std::atomic<std::uint64_t> arrival_evaluations{0};
  std::atomic<std::uint64_t> arrival_busy_ns{0};     // spent on these
  std::atomic<std::uint64_t> arrival_latency_ns{0};  // from landing to decision, added up
};

}  // namespace rules
