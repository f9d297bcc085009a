// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actions/remedy/run.h"
#include "core/result.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace actions::replace {

// The decisions of a rolling update as a pure function: advance(rollout, what is seen, now) -> (rollout, effects). One
// host after another is told to the remediation engine as an alert; the engine has the guards, the approvals, the
// journal and the steps, and the rolling update goes on only when its run has succeeded.

enum class RolloutState {
  kRunning,
  kPaused,   // by a person: the host that is being replaced is finished, no other is begun
  kStopped,  // by a person, for good
  kFailed,   // at the first host that did not come back, for good
  kDone,     // nothing is outdated any more
};

std::string_view to_string(RolloutState state);
std::optional<RolloutState> rollout_state_from(std::string_view text);

// A host as the group's expressions show it.
using Host = core::ring::Labels;

// The host that is being replaced. Its run is found by its id, which labels and time make: a restart tells the same
// alert again, and the engine knows it.
struct Current {
  Host host;
  core::WallTime since;  // when it was chosen: the alert's beginning

  bool operator==(const Current&) const = default;
};

struct Replaced {
  Host host;
  std::string run;
  core::WallTime at;

  bool operator==(const Replaced&) const = default;
};

// Invariants: at most one host at a time; what is kStopped, kFailed or kDone never changes again.
//
// Thread safety: a value.
struct Rollout {
  std::string group;
  RolloutState state = RolloutState::kRunning;
  std::string who;     // began it
  std::string reason;  // why it is as it is
  core::WallTime started;
  std::size_t members = 0;   // hosts of the group at the start: as many must be seen before the next is replaced
  std::size_t outdated = 0;  // of these, to be replaced: no more than so many are
  std::optional<Current> current;
  std::vector<Replaced> replaced;

  bool is_over() const { return state != RolloutState::kRunning && state != RolloutState::kPaused; }
  bool operator==(const Rollout&) const = default;
};

// What is seen of the world; none: nobody knows.
struct View {
  std::optional<std::vector<Host>> members;
  std::optional<std::vector<Host>> outdated;
  remedy::RunPtr run;        // of the current host; null: the engine has none
  std::string problem = {};  // why something is not known
};

// Tell the engine of a host, or once more that it is still meant.
struct Raise {
  core::ring::Labels alert;
  core::WallTime since;
};
// The host is not meant any more.
struct Withdraw {
  core::ring::Labels alert;
  core::WallTime since;
};
using Effect = std::variant<Raise, Withdraw>;

struct Advance {
  Rollout rollout;
  std::vector<Effect> effects;  // only after the rollout is stored
};

Advance advance(Rollout rollout, const View& view, core::WallTime now);

// A person's wish. kInvalid if it makes no sense in that state.
core::Result<Rollout> begin(const std::string& group, const View& view, const std::string& who, core::WallTime now);
core::Result<Rollout> pause(Rollout rollout, const std::string& who, const std::string& reason);
core::Result<Rollout> resume(Rollout rollout, const std::string& who);
core::Result<Rollout> stop(Rollout rollout, const std::string& who);

// The alert that stands for a host, and the id of the run that it makes.
core::ring::Labels alert_of(const std::string& group, const Host& host);
std::string run_of(const std::string& group, const Current& current);

// A host for people: its instance, else all its labels.
std::string name_of(const Host& host);

// Hosts in the order in which they are replaced.
std::vector<Host> in_order(std::vector<Host> hosts);

std::string to_json_text(const Rollout& rollout);
core::Result<Rollout> rollout_from_json_text(std::string_view text);

}  // namespace actions::replace
