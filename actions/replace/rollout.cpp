// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/rollout.h"

#include <algorithm>
#include <utility>

#include "actions/replace/group_config.h"

namespace actions::replace {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;
using remedy::Run;
using remedy::RunState;

constexpr std::pair<RolloutState, std::string_view> kStates[] = {{RolloutState::kRunning, "running"},
                                                                 {RolloutState::kPaused, "paused"},
                                                                 {RolloutState::kStopped, "stopped"},
                                                                 {RolloutState::kFailed, "failed"},
                                                                 {RolloutState::kDone, "done"}};

// A host that is gone may be seen for as long as the last samples of it count: the agent may have ended before it could
// mark its series as over.
constexpr core::Duration kOldSamplesLinger = std::chrono::minutes(6);

// What the engine made of the host.
enum class Fate { kOpen, kBegun, kReplaced, kLost };

Fate fate_of(const Run& run) {
  switch (run.state) {
    case RunState::kSucceeded:
      return Fate::kReplaced;
    case RunState::kRunning:
      return Fate::kBegun;
    case RunState::kFailed:
    case RunState::kInterrupted:
    case RunState::kObserved:
    case RunState::kProposed:
      return Fate::kLost;
    case RunState::kWaiting:
      return Fate::kOpen;
    case RunState::kPaused:
    case RunState::kRefused:
      return run.final ? Fate::kLost : Fate::kOpen;
  }
  return Fate::kLost;
}

Effect raise(const Rollout& rollout) {
  return Raise{alert_of(rollout.group, rollout.current->host), rollout.current->since};
}
Effect withdraw(const Rollout& rollout) {
  return Withdraw{alert_of(rollout.group, rollout.current->host), rollout.current->since};
}

// Of one that is not to go on: whether it was begun all the same is for the engine to say.
Advance let_go(Rollout rollout, const View& view) {
  const bool over = view.run == nullptr || view.run->final;
  std::vector<Effect> effects{withdraw(rollout)};
  if (over) rollout.current.reset();
  return {std::move(rollout), std::move(effects)};
}

Advance lost(Rollout rollout, const Run& run) {
  std::vector<Effect> effects{withdraw(rollout)};
  std::string why = fmt::format("{}: {}: {}", name_of(rollout.current->host), remedy::to_string(run.state), run.reason);
  if (rollout.is_over()) {
    rollout.reason += "; " + why;
  } else {
    rollout.state = RolloutState::kFailed;
    rollout.reason = std::move(why);
  }
  rollout.current.reset();
  return {std::move(rollout), std::move(effects)};
}

Advance follow_current(Rollout rollout, const View& view, WallTime now) {
  const std::string name = name_of(rollout.current->host);
  const bool goes_on = rollout.state == RolloutState::kRunning;
  switch (view.run == nullptr ? Fate::kOpen : fate_of(*view.run)) {
    case Fate::kBegun: {
      if (goes_on) rollout.reason = name + " is being replaced";
      std::vector<Effect> effects{raise(rollout)};
      return {std::move(rollout), std::move(effects)};
    }
    case Fate::kOpen: {
      if (!goes_on) return let_go(std::move(rollout), view);
      rollout.reason = view.run == nullptr ? name + " is next" : fmt::format("{}: {}", name, view.run->reason);
      std::vector<Effect> effects{raise(rollout)};
      return {std::move(rollout), std::move(effects)};
    }
    case Fate::kReplaced: {
      std::vector<Effect> effects{withdraw(rollout)};
      rollout.replaced.push_back({rollout.current->host, view.run->id, now});
      rollout.current.reset();
      return {std::move(rollout), std::move(effects)};
    }
    case Fate::kLost: {
      // Withdrawn before it began is no failure.
      const bool never_began = !view.run->started;
      if (!goes_on && never_began) return let_go(std::move(rollout), view);
      return lost(std::move(rollout), *view.run);
    }
  }
  return {std::move(rollout), {}};
}

// One that was replaced in this rolling update and is shown as outdated all the same.
const Replaced* seen_again(const Rollout& rollout, const std::vector<Host>& outdated) {
  for (const Replaced& each : rollout.replaced) {
    if (std::ranges::find(outdated, each.host) != outdated.end()) return &each;
  }
  return nullptr;
}

Advance give_up(Rollout rollout, std::string reason) {
  rollout.state = RolloutState::kFailed;
  rollout.reason = std::move(reason);
  return {std::move(rollout), {}};
}

Advance choose_next(Rollout rollout, const View& view, WallTime now) {
  if (!view.members || !view.outdated) {
    rollout.reason = "which hosts are outdated is not known: " + view.problem;
    return {std::move(rollout), {}};
  }
  if (view.members->size() < rollout.members) {
    rollout.reason = fmt::format("{} of {} hosts of the group are seen", view.members->size(), rollout.members);
    return {std::move(rollout), {}};
  }
  if (view.outdated->empty()) {
    rollout.state = RolloutState::kDone;
    rollout.reason = fmt::format("{} hosts were replaced, none is outdated", rollout.replaced.size());
    return {std::move(rollout), {}};
  }
  if (const Replaced* again = seen_again(rollout, *view.outdated)) {
    std::string reason = name_of(again->host) + " was replaced, and is outdated still";
    if (std::chrono::abs(now - again->at) > kOldSamplesLinger) return give_up(std::move(rollout), std::move(reason));
    rollout.reason = std::move(reason);
    return {std::move(rollout), {}};
  }
  const Host next = in_order(*view.outdated).front();
  // What is new may be outdated too, if it comes from an old template: that would go on for ever.
  if (rollout.replaced.size() >= rollout.outdated) {
    return give_up(std::move(rollout),
                   fmt::format("all {} that were outdated were replaced, and {} are outdated still: "
                               "what the new ones are made from may be",
                               rollout.outdated, view.outdated->size()));
  }
  rollout.current = Current{next, now};
  rollout.reason = name_of(next) + " is next";
  std::vector<Effect> effects{raise(rollout)};
  return {std::move(rollout), std::move(effects)};
}

}  // namespace

std::string_view to_string(RolloutState state) {
  for (const auto& [each, name] : kStates) {
    if (each == state) return name;
  }
  return "unknown";
}

std::optional<RolloutState> rollout_state_from(std::string_view text) {
  for (const auto& [each, name] : kStates) {
    if (name == text) return each;
  }
  return std::nullopt;
}

core::ring::Labels alert_of(const std::string& group, const Host& host) {
  return host.with("__name__", "").with("alertname", remedy::kRolloutAlert).with(kRolloutLabel, group);
}

std::string run_of(const std::string& group, const Current& current) {
  return remedy::run_id(group + kRolloutSuffix, alert_of(group, current.host), current.since);
}

std::string name_of(const Host& host) {
  const std::string_view instance = host.get("instance");
  return instance.empty() ? host.to_string() : std::string(instance);
}

std::vector<Host> in_order(std::vector<Host> hosts) {
  std::ranges::sort(hosts, {}, [](const Host& each) { return std::pair(name_of(each), each.to_string()); });
  return hosts;
}

Advance advance(Rollout rollout, const View& view, WallTime now) {
  // One that was stopped or has failed still sees the host to its end that was being replaced.
  if (rollout.current) return follow_current(std::move(rollout), view, now);
  if (rollout.state == RolloutState::kRunning) return choose_next(std::move(rollout), view, now);
  return {std::move(rollout), {}};
}

Result<Rollout> begin(const std::string& group, const View& view, const std::string& who, WallTime now) {
  if (!view.members || !view.outdated) {
    return fail(Errc::kUnavailable, "which hosts are outdated is not known: {}", view.problem);
  }
  if (view.members->empty()) return fail(Errc::kUnavailable, "no host of the group is seen");
  if (view.outdated->empty()) return fail(Errc::kInvalid, "none of {} hosts is outdated", view.members->size());
  Rollout rollout;
  rollout.group = group;
  rollout.who = who;
  rollout.reason = "started by " + who;
  rollout.started = now;
  rollout.members = view.members->size();
  rollout.outdated = view.outdated->size();
  return rollout;
}

Result<Rollout> pause(Rollout rollout, const std::string& who, const std::string& reason) {
  if (rollout.state != RolloutState::kRunning) {
    return fail(Errc::kInvalid, "the rolling update of {} is {}", rollout.group, to_string(rollout.state));
  }
  rollout.state = RolloutState::kPaused;
  rollout.reason = fmt::format("paused by {}: {}", who, reason);
  return rollout;
}

Result<Rollout> resume(Rollout rollout, const std::string& who) {
  if (rollout.state != RolloutState::kPaused) {
    return fail(Errc::kInvalid, "the rolling update of {} is {}", rollout.group, to_string(rollout.state));
  }
  rollout.state = RolloutState::kRunning;
  rollout.reason = "resumed by " + who;
  return rollout;
}

Result<Rollout> stop(Rollout rollout, const std::string& who) {
  if (rollout.is_over()) {
    return fail(Errc::kInvalid, "the rolling update of {} is {}", rollout.group, to_string(rollout.state));
  }
  rollout.state = RolloutState::kStopped;
  rollout.reason = "stopped by " + who;
  return rollout;
}

}  // namespace actions::replace
