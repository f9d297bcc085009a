// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actions/drill/drill_config.h"
#include "actions/drill/fault.h"
#include "actions/remedy/run.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace actions::drill {

// Where a drill is. From kInjecting to kRestoring the failure may be there.
enum class Phase {
  kInjecting,   // the intent is in the journal; whether it happened is not known yet
  kWatching,    // the failure is there, and what was expected is waited for
  kRestoring,   // until it has succeeded, however often that takes
  kRecovering,  // restored; the alert must be over
  kOver,
};

std::string_view to_string(Phase phase);
std::optional<Phase> phase_from(std::string_view text);

enum class Ending {
  kNone,         // not over, and nothing has cut it short
  kPassed,       // everything expected happened within its deadline
  kFailed,       // something did not, or nothing could be injected
  kCancelled,    // by a person, a pause, stop_if, another alert, or the end of the agent
  kInterrupted,  // the agent was killed; it restored when it came back
};

std::string_view to_string(Ending ending);
std::optional<Ending> ending_from(std::string_view text);

// Something that must happen, and what came of it.
struct Expectation {
  enum class Kind { kAlert, kNotified, kRemediation, kResolved };
  enum class State { kWaiting, kMet, kMissed };

  Kind kind = Kind::kAlert;
  std::string what;        // for people: alert alertname="GethDown"
  core::Millis within{0};  // since the injection; of kResolved since the restore
  State state = State::kWaiting;
  std::optional<core::WallTime> at;  // when it happened, as whoever saw it says
  std::string why;                   // of a miss
};

std::string_view to_string(Expectation::Kind kind);
std::string_view to_string(Expectation::State state);

// A line of the timeline.
struct Moment {
  core::WallTime at;
  std::string what;    // "injected", "pending", "firing", "notified", ...
  std::string detail;  // which alert, which receiver, which step

  bool operator==(const Moment&) const = default;
};

inline constexpr std::size_t kMomentsMax = 200;
inline constexpr std::size_t kCausedAlertsMax = 100;

// An alert that belongs to the drill.
struct CausedAlert {
  core::ring::Labels labels;
  bool expected = false;
  std::optional<core::WallTime> pending;
  std::optional<core::WallTime> fired;
  std::optional<core::WallTime> resolved;
};

// A pod as it was before it was killed.
struct PodBefore {
  std::string name;
  std::string uid;
  bool operator==(const PodBefore&) const = default;
};

// One run of a drill: what is done, what is expected, and what was seen.
//
// Thread safety: a value; shared ones are immutable.
// Invariants: the phases follow one another in their order; `ending` is kNone or one that cut the run short until
// kOver.
struct Run {
  std::string id;  // drill-milliseconds
  std::string drill;
  std::string component;
  std::string who;
  Fault fault;
  // Units that were active before: what a restore starts. Only of faults of systemd.
  std::vector<std::string> units;
  // Of faults of pods: the one that is killed, then the others that are as it is. A restore waits for one more.
  std::vector<PodBefore> pods;
  core::Millis max_duration{0};
  Phase phase = Phase::kInjecting;
  Ending ending = Ending::kNone;
  std::string reason;
  core::WallTime created;
  std::optional<core::WallTime> injected;
  std::optional<core::WallTime> restored;
  std::optional<core::WallTime> finished;
  int restores = 0;           // that were tried
  std::string restore_error;  // of the last one, while none has succeeded
  std::vector<Expectation> expectations;
  std::vector<CausedAlert> alerts;
  std::vector<remedy::Finding> findings;  // of its conditions, before it began
  std::vector<Moment> timeline;           // in the order of what happened
  std::size_t moments_left_out = 0;

  bool may_be_injected() const {
    return phase == Phase::kInjecting || phase == Phase::kWatching || phase == Phase::kRestoring;
  }
  const Expectation* find(Expectation::Kind kind) const;
  // Since the injection (of kResolved: the restore); none while it has not happened.
  std::optional<core::Millis> took(const Expectation& expectation) const;
  // Keeps the order of time; a moment that is there already is not added again.
  void add(Moment moment);
};

using RunPtr = std::shared_ptr<const Run>;

// What of a drill is expected, as a run begins with it.
std::vector<Expectation> expectations_of(const DrillConfig& drill);

// The one JSON form of a run: in the store and the API. Times are RFC 3339.
std::string to_json_text(const Run& run);
core::Result<Run> run_from_json_text(std::string_view text);

}  // namespace actions::drill
