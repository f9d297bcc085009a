// SPDX-License-Identifier: Apache-2.0
#include "actions/replace/rollouts.h"

#include <algorithm>
#include <utility>

namespace actions::replace {

using core::Errc;
using core::fail;
using core::Result;

namespace {

// Well within the time after which the engine takes an alert that is not told again as over.
constexpr auto kTick = std::chrono::seconds(5);
// How often a service is asked for the hosts of a group: its calls are counted.
constexpr core::Duration kDescribeEvery = std::chrono::seconds(20);
constexpr core::Duration kDescribeAtRest = std::chrono::minutes(5);

}  // namespace

Result<std::unique_ptr<Rollouts>> Rollouts::open(std::vector<GroupConfig> groups, std::unique_ptr<RolloutStore> store,
                                                 Dependencies with) {
  auto loaded = store->load();
  if (!loaded) return fail(loaded.error());
  std::unique_ptr<Rollouts> rollouts(new Rollouts(std::move(store), with));
  for (Rollout& each : *loaded) rollouts->rollouts_.emplace(each.group, std::move(each));
  rollouts->groups_ = std::move(groups);
  return rollouts;
}

Rollouts::~Rollouts() = default;

void Rollouts::run() {
  thread_ = std::jthread([this](std::stop_token stop) {
    while (!stop.stop_requested()) {
      tick(stop);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kTick, [this] { return std::exchange(ordered_, false); });
    }
  });
}

View Rollouts::look(const GroupConfig& group, const std::optional<Rollout>& rollout, const std::stop_token& stop) {
  View view;
  const auto see = [&](const std::string& expr) -> std::optional<std::vector<Host>> {
    Result<std::vector<Host>> hosts = with_.around.hosts(expr, group.fresh_within);
    if (hosts) return std::move(*hosts);
    view.problem = hosts.error().message;
    return std::nullopt;
  };
  if (group.rollout && !group.rollout->wanted_image.empty()) {
    Result<DescribedHosts> described = with_.around.described(group, stop);
    if (described) {
      view.members = std::move(described->members);
      view.outdated = std::move(described->outdated);
    } else {
      view.problem = described.error().message;
    }
  } else if (group.rollout) {
    view.members = see(group.rollout->members);
    if (view.members && view.members->empty()) {
      view.members.reset();
      view.problem = "no host of the group is seen";
    }
    if (view.members) view.outdated = see(group.rollout->outdated);
  }
  if (rollout && rollout->current) view.run = with_.around.run(run_of(group.name, *rollout->current));
  return view;
}

std::optional<GroupConfig> Rollouts::find_locked(const std::string& name) const {
  const auto found = std::ranges::find(groups_, name, &GroupConfig::name);
  return found == groups_.end() ? std::nullopt : std::optional(*found);
}

Result<void> Rollouts::save_locked(Rollout rollout) {
  const auto known = rollouts_.find(rollout.group);
  if (known != rollouts_.end() && known->second == rollout) return {};
  if (auto saved = store_->save(rollout); !saved) {
    ++stats_.store_errors;
    return fail(Errc::kUnavailable, "the rolling update cannot be stored: {}", saved.error().message);
  }
  rollouts_.insert_or_assign(rollout.group, std::move(rollout));
  return {};
}

bool Rollouts::is_due(const GroupConfig& group, const std::optional<Rollout>& rollout) {
  if (!group.rollout || group.rollout->wanted_image.empty()) return true;
  const bool under_way = rollout && (!rollout->is_over() || rollout->current);
  const core::SteadyTime now = with_.clock.steady_now();
  const std::scoped_lock lock(mutex_);
  const auto asked = asked_.find(group.name);
  if (asked != asked_.end() && now - asked->second < (under_way ? kDescribeEvery : kDescribeAtRest)) return false;
  asked_.insert_or_assign(group.name, now);
  return true;
}

void Rollouts::advance_group(const GroupConfig& group, const std::stop_token& stop) {
  std::optional<Rollout> before;
  {
    const std::scoped_lock lock(mutex_);
    const auto known = rollouts_.find(group.name);
    if (known != rollouts_.end()) before = known->second;
  }
  // The run of a host is followed in every round, whoever is to be asked for the others.
  const bool due = is_due(group, before);
  if (!due && !(before && before->current)) return;
  View view;
  if (due) {
    view = look(group, before, stop);
  } else {
    view.run = with_.around.run(run_of(group.name, *before->current));
  }
  if (stop.stop_requested()) return;
  std::vector<Effect> effects;
  {
    const std::scoped_lock lock(mutex_);
    if (due) {
      if (group.rollout && (!view.members || !view.outdated)) ++stats_.looks_unknown;
      seen_.insert_or_assign(group.name, view);
    }
    // Somebody asked for something meanwhile: the next round sees it.
    if (!before || rollouts_.at(group.name) != *before) return;
    Advance next = advance(*before, view, with_.clock.wall_now());
    const std::size_t replaced = next.rollout.replaced.size() - before->replaced.size();
    const bool failed = next.rollout.state == RolloutState::kFailed && before->state != RolloutState::kFailed;
    // What is not stored is not told: after a crash nobody would know of it.
    if (!save_locked(std::move(next.rollout))) return;
    stats_.hosts_replaced += replaced;
    stats_.rollouts_failed += failed;
    effects = std::move(next.effects);
  }
  // The engine takes its time. What it refuses, or what is lost here, is told again in the next round.
  for (const Effect& effect : effects) {
    if (const auto* raised = std::get_if<Raise>(&effect)) (void)with_.around.raise(raised->alert, raised->since);
    if (const auto* over = std::get_if<Withdraw>(&effect)) (void)with_.around.withdraw(over->alert, over->since);
  }
}

void Rollouts::tick(const std::stop_token& stop) {
  std::vector<GroupConfig> groups;
  {
    const std::scoped_lock lock(mutex_);
    groups = groups_;
  }
  for (const GroupConfig& group : groups) advance_group(group, stop);
}

Result<void> Rollouts::carry_out(Order order, const std::string& group, const std::string& who,
                                 const std::string& reason) {
  Result<void> carried = carry_out_now(order, group, who, reason);
  if (carried) {
    const std::scoped_lock lock(mutex_);
    ordered_ = true;
    asked_.erase(group);
  }
  wake_.notify_all();
  return carried;
}

Result<void> Rollouts::carry_out_now(Order order, const std::string& group, const std::string& who,
                                     const std::string& reason) {
  switch (order) {
    case Order::kStart:
      return start(group, who);
    case Order::kPause:
      return pause(group, who, reason);
    case Order::kResume:
      return resume(group, who);
    case Order::kStop:
      return stop(group, who);
  }
  return fail(Errc::kInvalid, "unknown order");
}

Result<void> Rollouts::start(const std::string& name, const std::string& who) {
  std::optional<GroupConfig> group;
  {
    const std::scoped_lock lock(mutex_);
    group = find_locked(name);
  }
  if (!group) return fail(Errc::kNotFound, "no group is named \"{}\" in replace", name);
  if (!group->rollout) return fail(Errc::kInvalid, "the group {} has no rollout: nothing says who is outdated", name);
  if (group->level != remedy::Level::kAuto && group->level != remedy::Level::kApprove) {
    return fail(Errc::kInvalid, "the group {} has the level {}: nothing would be replaced", name,
                core::config::Codec<remedy::Level>::print(group->level));
  }
  const View view = look(*group, std::nullopt, {});
  Result<Rollout> begun = begin(name, view, who, with_.clock.wall_now());
  if (!begun) return fail(begun.error());
  const std::scoped_lock lock(mutex_);
  const auto known = rollouts_.find(name);
  if (known != rollouts_.end() && (!known->second.is_over() || known->second.current)) {
    return fail(Errc::kInvalid, "the rolling update of {} is {}", name, to_string(known->second.state));
  }
  return save_locked(std::move(*begun));
}

Result<void> Rollouts::change(const std::string& name, const std::function<Result<Rollout>(Rollout)>& how) {
  const std::scoped_lock lock(mutex_);
  if (!find_locked(name)) return fail(Errc::kNotFound, "no group is named \"{}\" in replace", name);
  const auto known = rollouts_.find(name);
  if (known == rollouts_.end()) return fail(Errc::kInvalid, "the group {} has no rolling update", name);
  Result<Rollout> changed = how(known->second);
  if (!changed) return fail(changed.error());
  return save_locked(std::move(*changed));
}

Result<void> Rollouts::pause(const std::string& group, const std::string& who, const std::string& reason) {
  if (reason.empty()) return fail(Errc::kInvalid, "a pause needs a reason");
  return change(group, [&](Rollout rollout) { return replace::pause(std::move(rollout), who, reason); });
}

Result<void> Rollouts::resume(const std::string& group, const std::string& who) {
  return change(group, [&](Rollout rollout) { return replace::resume(std::move(rollout), who); });
}

Result<void> Rollouts::stop(const std::string& group, const std::string& who) {
  return change(group, [&](Rollout rollout) { return replace::stop(std::move(rollout), who); });
}

std::vector<GroupStatus> Rollouts::status() const {
  const std::scoped_lock lock(mutex_);
  std::vector<GroupStatus> all;
  for (const GroupConfig& group : groups_) {
    GroupStatus status;
    status.name = group.name;
    status.driver = group.driver;
    status.level = group.level;
    status.has_rollout = group.rollout.has_value();
    if (const auto seen = seen_.find(group.name); seen != seen_.end()) {
      status.members = seen->second.members;
      status.outdated = seen->second.outdated;
      status.problem = seen->second.problem;
    }
    if (const auto last = rollouts_.find(group.name); last != rollouts_.end()) status.last = last->second;
    all.push_back(std::move(status));
  }
  return all;
}

void Rollouts::configure(std::vector<GroupConfig> groups) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(seen_, [&](const auto& each) {
    return std::ranges::find(groups, each.first, &GroupConfig::name) == groups.end();
  });
  groups_ = std::move(groups);
}

}  // namespace actions::replace
