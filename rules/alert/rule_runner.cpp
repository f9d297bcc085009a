// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_runner.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace rules {
namespace {

using core::Millis;
using core::WallTime;

// A thread looks at the clock at least this often: the wall clock may have been stepped meanwhile.
constexpr Millis kLongestWait = std::chrono::seconds(1);
// Below this, waiting is spinning.
constexpr core::Duration kShortestWait = std::chrono::microseconds(50);

std::size_t lane_of(const std::string& file, const std::string& name, std::size_t lanes) {
  return core::ring::Labels{{"file", file}, {"name", name}}.fingerprint() % lanes;
}

}  // namespace

RuleRunner::RuleRunner(const promql::Engine& engine, core::ring::Ring& ring, const core::Clock& clock,
                       AlertStore& store, std::vector<AlertSink*> sinks, RuleRunnerOptions options)
    : clock_(clock),
      store_(store),
      writer_(ring.make_appender()),
      outlets_{store, std::move(sinks), counters_},
      environment_{engine, clock, writer_, outlets_, clock.steady_now(), options.start_grace} {
  CHECK(options.threads > 0, "rules are evaluated on at least one thread");
  for (std::size_t i = 0; i < options.threads; ++i) {
    lanes_.push_back(std::make_unique<Lane>(ring.reader(), clock, options.cpu_time, counters_));
  }
}

RuleRunner::~RuleRunner() { stop(); }

core::Result<void> RuleRunner::apply(std::vector<RuleGroupSpec> specs, RuleSettings settings) {
  std::map<RuleKey, StoredRule> stored;
  if (!restored_) {
    auto loaded = store_.load();
    if (!loaded) return core::fail(loaded.error());
    stored = std::move(*loaded);
  }
  core::Result<Groups> built = build(std::move(specs), settings);
  if (!built) return core::fail(built.error());

  std::vector<std::unique_lock<std::mutex>> quiet;
  for (auto& lane : lanes_) quiet.emplace_back(lane->mutex);
  Groups old = groups_;
  for (auto& [key, group] : *built) {
    const auto before = old.find(key);
    if (before == old.end()) continue;
    if (before->second->is_same(group->spec(), settings)) {
      group = before->second;
    } else {
      group->take_over(*before->second);
      retire(*before->second);
    }
    old.erase(before);
  }
  for (auto& [key, group] : old) retire(*group);
  if (!restored_) {
    const WallTime now = clock_.wall_now();
    for (auto& [key, group] : *built) group->restore(stored, now);
    retire_stored(std::move(stored));
    for (auto& [key, group] : *built) group->announce_restored(now);
    restored_ = true;
  }
  tend_retired();
  swap_in(std::move(*built), settings);
  return {};
}

core::Result<RuleRunner::Groups> RuleRunner::build(std::vector<RuleGroupSpec> specs, const RuleSettings& settings) {
  const auto shared = std::make_shared<const RuleSettings>(settings);
  Groups groups;
  for (RuleGroupSpec& spec : specs) {
    GroupKey key{spec.file, spec.name};
    core::Result<std::unique_ptr<RuleGroup>> group = RuleGroup::make(std::move(spec), shared, environment_);
    if (!group) return core::fail(group.error());
    groups.insert_or_assign(std::move(key), std::shared_ptr<RuleGroup>(std::move(*group)));
  }
  return groups;
}

// What a group leaves behind that no other took over.
void RuleRunner::retire(RuleGroup& group) {
  const std::lock_guard lock(retired_mutex_);
  for (HeldAlerts& alerts : group.retire_alerts()) retired_alerts_.push_back(std::move(alerts));
  if (auto series = group.retire_series()) retired_series_.push_back(std::move(*series));
}

// Alerts of an earlier process whose rules are not configured any more.
void RuleRunner::retire_stored(std::map<RuleKey, StoredRule> stored) {
  const std::lock_guard lock(retired_mutex_);
  for (auto& [key, rule] : stored) {
    AlertPolicy policy;
    policy.file = key.file;
    policy.group = key.group;
    policy.generator_url = rule.generator_url;
    HeldAlerts held(key, std::move(policy));
    held.restore(std::move(rule), clock_.wall_now());
    retired_alerts_.push_back(std::move(held));
  }
}

// REQUIRES: every lane's mutex is held.
void RuleRunner::swap_in(Groups groups, const RuleSettings& settings) {
  for (auto& lane : lanes_) lane->groups.clear();
  std::set<std::string> recorded;
  for (const auto& [key, group] : groups) {
    lanes_[lane_of(key.first, key.second, lanes_.size())]->groups.push_back(group);
    for (const RuleSpec& rule : group->spec().rules) {
      if (rule.kind == RuleKind::kRecording) recorded.insert(rule.name);
    }
  }
  const bool on_arrival = settings.rules.evaluate == Evaluate::kArrival;
  const double share = on_arrival ? settings.rules.arrival_share / static_cast<double>(lanes_.size()) : 0;
  for (auto& lane : lanes_) {
    lane->triggers.rebuild(lane->groups, recorded, share);
    lane->queue.set_interest(lane->triggers.take_interest());
    lane->queue.wake();
  }
  const std::lock_guard lock(groups_mutex_);
  groups_ = std::move(groups);
}

// Resolves the alerts of rules that are gone and repeats that for as long as resolved alerts are kept; ends their
// series.
void RuleRunner::tend_retired() {
  const WallTime now = clock_.wall_now();
  const std::lock_guard lock(retired_mutex_);
  for (HeldAlerts& held : retired_alerts_) {
    AlertPolicy no_keeping = held.policy();
    no_keeping.keep_firing_for = Millis::zero();
    no_keeping.limit = 0;
    if (auto next = advance(no_keeping, held.alerts(), {}, now)) {
      // It comes by here every second, which must not repeat what was said.
      held.commit(std::move(*next), now, outlets_, Occasion::kArrival);
    }
  }
  std::erase_if(retired_alerts_, [](const HeldAlerts& held) { return held.alerts().empty(); });
  for (RetiredSeries& retired : retired_series_) {
    if (now < retired.end_at) continue;
    for (RuleSeries& series : retired.series) {
      writer_.write(retired.timeline, series, {}, core::to_unix_ms(retired.end_at));
    }
    writer_.close_timeline(retired.timeline);
  }
  std::erase_if(retired_series_, [now](const RetiredSeries& retired) { return now >= retired.end_at; });
}

void RuleRunner::start() {
  for (auto& lane : lanes_) {
    lane->thread = std::jthread([this, &lane = *lane](std::stop_token stop) { run(lane, std::move(stop)); });
  }
}

void RuleRunner::stop() {
  for (auto& lane : lanes_) lane->thread.request_stop();
  for (auto& lane : lanes_) {
    if (lane->thread.joinable()) lane->thread.join();
  }
}

void RuleRunner::run(Lane& lane, std::stop_token stop) {
  std::unique_lock lock(lane.mutex);
  while (!stop.stop_requested()) {
    RuleGroup* group = earliest(lane);
    if (group != nullptr && group->evaluate_due(stop)) continue;
    if (evaluate_arrival(lane, stop)) continue;
    if (&lane == lanes_.front().get()) tend_retired();
    const core::Duration at_most = until_next(lane);
    lock.unlock();
    lane.queue.wait(stop, at_most);
    lock.lock();
  }
}

bool RuleRunner::evaluate_arrival(Lane& lane, const std::stop_token& stop) {
  lane.triggers.add(lane.queue.take());
  const bool evaluated = lane.triggers.evaluate_one(stop);
  if (!evaluated && lane.triggers.interest_changed()) lane.queue.set_interest(lane.triggers.take_interest());
  return evaluated;
}

void RuleRunner::on_arrival(const Arrival& arrival) {
  const core::SteadyTime now = clock_.steady_now();
  ArrivalQueue::Offered best = ArrivalQueue::Offered::kIgnored;
  for (auto& lane : lanes_) best = std::max(best, lane->queue.offer(arrival, now));
  if (best == ArrivalQueue::Offered::kIgnored) return;
  counters_.arrivals.fetch_add(1, std::memory_order_relaxed);
  if (best == ArrivalQueue::Offered::kCoalesced) counters_.arrivals_coalesced.fetch_add(1, std::memory_order_relaxed);
  if (best == ArrivalQueue::Offered::kDropped) counters_.arrivals_dropped.fetch_add(1, std::memory_order_relaxed);
}

RuleGroup* RuleRunner::earliest(const Lane& lane) const {
  const WallTime now = clock_.wall_now();
  const auto first = std::min_element(lane.groups.begin(), lane.groups.end(), [now](const auto& a, const auto& b) {
    return a->next_due(now) < b->next_due(now);
  });
  return first == lane.groups.end() ? nullptr : first->get();
}

core::Duration RuleRunner::until_next(const Lane& lane) const {
  core::Duration until = kLongestWait;
  if (const RuleGroup* group = earliest(lane)) {
    const WallTime now = clock_.wall_now();
    until = std::min<core::Duration>(until, group->next_due(now) - now);
  }
  if (const auto ready = lane.triggers.next_ready()) until = std::min(until, *ready - clock_.steady_now());
  return std::max(until, kShortestWait);
}

RuleGroup* RuleRunner::earliest() const {
  const WallTime now = clock_.wall_now();
  RuleGroup* first = nullptr;
  for (const auto& lane : lanes_) {
    RuleGroup* group = earliest(*lane);
    if (group != nullptr && (first == nullptr || group->next_due(now) < first->next_due(now))) first = group;
  }
  return first;
}

std::size_t RuleRunner::evaluate_due() {
  std::size_t evaluated = 0;
  for (RuleGroup* group = earliest(); group != nullptr && group->evaluate_due({}); group = earliest()) ++evaluated;
  for (auto& lane : lanes_) {
    while (evaluate_arrival(*lane, {})) ++evaluated;
  }
  tend_retired();
  return evaluated;
}

WallTime RuleRunner::next_due() const {
  const RuleGroup* group = earliest();
  return group == nullptr ? WallTime::max() : group->next_due(clock_.wall_now());
}

std::vector<std::shared_ptr<const GroupStatus>> RuleRunner::groups() const {
  std::vector<std::shared_ptr<const GroupStatus>> statuses;
  const std::lock_guard lock(groups_mutex_);
  for (const auto& [key, group] : groups_) statuses.push_back(group->status());
  return statuses;
}

}  // namespace rules
