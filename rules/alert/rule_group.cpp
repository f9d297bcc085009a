// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_group.h"

#include <algorithm>
#include <map>
#include <utility>

#include "rules/alert/rule_inputs.h"
#include "rules/alert/unexpanded_labels.h"

namespace rules {
namespace {

using core::Millis;
using core::WallTime;

std::string labels_text(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += (text.empty() ? "" : ", ") + name + "=" + core::ring::go_quote(value);
  }
  return text;
}

// Names the group's timeline across restarts; a group moved to another file is another group.
std::uint64_t timeline_identity(const RuleGroupSpec& spec) {
  const core::ring::Labels group{{"rule_file", spec.file}, {"rule_group", spec.name}};
  return std::max<std::uint64_t>(1, group.fingerprint());
}

bool same_rule(const RuleSpec& a, const RuleSpec& b) {
  return a.kind == b.kind && a.name == b.name && a.query == b.query && a.hold_for == b.hold_for &&
         a.keep_firing_for == b.keep_firing_for && a.labels == b.labels && a.annotations == b.annotations;
}

// An alert began or ceased to be kept firing, which is no change of its state but shown.
bool keeping_changed(const AlertTable& before, const AlertTable& after) {
  return std::ranges::any_of(after, [&](const auto& each) {
    const auto old = before.find(each.first);
    return old != before.end() && old->second.keep_firing_since != each.second.keep_firing_since;
  });
}

RuleStatus status_of(const LiveRule& rule) {
  RuleStatus status;
  status.spec = rule.spec;
  status.health = rule.health;
  status.last_error = rule.last_error;
  status.evaluation_time = rule.evaluation_time;
  status.last_evaluation = rule.last_evaluation;
  status.has_selectors = rule.has_selectors;
  status.found_series = rule.found_news;
  if (rule.spec.kind == RuleKind::kRecording) return status;
  const AlertTable& alerts = rule.alerts.alerts();
  if (rule.last_evaluation || !alerts.empty()) status.state = highest_state(alerts);
  for (const auto& [labels, alert] : alerts) {
    if (alert.state == AlertState::kInactive) continue;
    status.alerts.push_back({labels, alert.annotations, alert.state, alert.active_at, alert.fired_at,
                             alert.keep_firing_since, alert.value});
  }
  return status;
}

}  // namespace

LiveRule::LiveRule(RuleSpec rule_spec, RuleKey key, AlertPolicy policy)
    : spec(std::move(rule_spec)),
      query(spec.expr),
      window(rules::window(*spec.expr)),
      alerts(std::move(key), std::move(policy)),
      has_selectors(!inputs_of(*spec.expr).empty()) {}

core::Result<std::unique_ptr<RuleGroup>> RuleGroup::make(RuleGroupSpec spec,
                                                         std::shared_ptr<const RuleSettings> settings,
                                                         const RuleEnvironment& environment) {
  core::Result<core::ring::TimelineRef> timeline = environment.writer.open_timeline(timeline_identity(spec));
  if (!timeline) return core::fail(timeline.error().with_context("group \"{}\" of {}", spec.name, spec.file));
  return std::unique_ptr<RuleGroup>(new RuleGroup(std::move(spec), std::move(settings), environment, *timeline));
}

RuleGroup::RuleGroup(RuleGroupSpec spec, std::shared_ptr<const RuleSettings> settings,
                     const RuleEnvironment& environment, core::ring::TimelineRef timeline)
    : spec_(std::move(spec)),
      settings_(std::move(settings)),
      environment_(environment),
      query_offset_(spec_.query_offset.value_or(settings_->query_offset)),
      timeline_(timeline),
      schedule_(spec_.file, spec_.name, spec_.interval.value_or(settings_->evaluation_interval),
                environment.clock.wall_now()) {
  std::map<std::pair<std::string, std::string>, int> equals;
  rules_.reserve(spec_.rules.size());
  for (const RuleSpec& rule : spec_.rules) {
    const std::string labels = labels_text(rule.labels);
    RuleKey key{spec_.file, spec_.name, rule.name, labels, equals[{rule.name, labels}]++};
    AlertPolicy policy{rule.hold_for, rule.keep_firing_for,           spec_.limit, schedule_.interval(), spec_.file,
                       spec_.name,    generator_url(*settings_, rule)};
    rules_.emplace_back(rule, std::move(key), std::move(policy));
  }
  publish_status();
}

RuleGroup::~RuleGroup() {
  if (owns_timeline_) environment_.writer.close_timeline(timeline_);
}

bool RuleGroup::evaluate_due(std::stop_token stop) {
  const WallTime now = environment_.clock.wall_now();
  const std::optional<RuleSchedule::Due> due = schedule_.take(now);
  if (!due) return false;
  missed_slots_ += due->missed;
  environment_.outlets.counters.missed_slots.fetch_add(due->missed, std::memory_order_relaxed);
  const core::SteadyTime begin = environment_.clock.steady_now();
  last_slot_ = due->slot;
  newest_ = due->slot;
  for (LiveRule& rule : rules_) {
    if (!evaluate_rule(rule, due->slot, Occasion::kSlot, stop)) break;
  }
  for (RuleSeries& series : std::exchange(orphans_, {})) {
    environment_.writer.write(timeline_, series, {}, core::to_unix_ms(due->slot - query_offset_));
  }
  ++evaluations_;
  last_evaluation_ = now;
  evaluation_time_ = environment_.clock.steady_now() - begin;
  publish_status();
  return true;
}

ArrivalEvaluation RuleGroup::evaluate_on_arrival(const std::vector<std::size_t>& steps, std::size_t rule,
                                                 std::int64_t scraped_ms, std::stop_token stop) {
  using Outcome = ArrivalEvaluation::Outcome;
  const WallTime now = std::chrono::floor<Millis>(environment_.clock.wall_now());
  // Series are written at the time of their evaluation, so times only grow: a slot that is due goes first.
  if (schedule_.next(now) <= now) return {Outcome::kRetry, 0};
  LiveRule& wanted = rules_[rule];
  if (newest_ && now < *newest_) return {Outcome::kLeftToInterval, 0};
  if (wanted.evaluated_at && now <= *wanted.evaluated_at) return {Outcome::kRetry, 0};
  for (const std::size_t index : steps) {
    LiveRule& step = rules_[index];
    if (step.evaluated_at &&
        (now <= *step.evaluated_at || core::to_unix_ms(*step.evaluated_at - query_offset_) >= scraped_ms)) {
      continue;
    }
    if (!evaluate_rule(step, now, Occasion::kArrival, stop)) return {Outcome::kLeftToInterval, 0};
  }
  if (!evaluate_rule(wanted, now, Occasion::kArrival, stop)) return {Outcome::kLeftToInterval, 0};
  newest_ = now;
  if (std::exchange(status_is_old_, false)) publish_status();
  return {Outcome::kDone, core::to_unix_ms(now - query_offset_)};
}

std::optional<std::int64_t> RuleGroup::seen_until_ms() const {
  if (!last_slot_) return std::nullopt;
  return core::to_unix_ms(*last_slot_ - query_offset_);
}

// False if it was stopped.
bool RuleGroup::evaluate_rule(LiveRule& rule, WallTime slot, Occasion occasion, std::stop_token stop) {
  const core::SteadyTime begin = environment_.clock.steady_now();
  const std::int64_t time_ms = core::to_unix_ms(slot - query_offset_);
  const bool settling = rule.spec.kind == RuleKind::kAlerting && !rule.settled;
  rule.query.want_exact_newest(settling || (rule.has_selectors && !rule.found_news));
  core::Result<promql::QueryResult> result = environment_.engine.instant(rule.query, time_ms, stop);
  if (!result && result.error().code == core::Errc::kCancelled) return false;
  // The watchdog counts on slots alone: arrivals must not hide that they are not evaluated.
  if (occasion == Occasion::kSlot) environment_.outlets.counters.evaluations.fetch_add(1, std::memory_order_relaxed);
  rule.last_evaluation = environment_.clock.wall_now();
  rule.evaluated_at = slot;
  const RuleHealth before = rule.health;
  if (!result) {
    fail(rule, result.error().message, slot, occasion);
  } else if (auto done = decide(rule, std::move(*result), slot, occasion); !done) {
    fail(rule, done.error().message, slot, occasion);
  }
  if (rule.health != before) status_is_old_ = true;
  rule.evaluation_time = environment_.clock.steady_now() - begin;
  return true;
}

void RuleGroup::write(LiveRule& rule, std::span<const SeriesSample> samples, WallTime slot) {
  const std::int64_t time_ms = core::to_unix_ms(slot - query_offset_);
  const SeriesWriter::Outcome written = environment_.writer.write(timeline_, rule.series, samples, time_ms);
  rule.health = written.dropped == 0 ? RuleHealth::kOk : RuleHealth::kFailing;
  rule.last_error = written.reason;
  environment_.outlets.counters.samples_dropped.fetch_add(written.dropped, std::memory_order_relaxed);
}

// Takes a result: writes the series that come of it; for an alerting rule also its new state, told to the sinks.
core::Result<void> RuleGroup::decide(LiveRule& rule, promql::QueryResult result, WallTime slot, Occasion occasion) {
  rule.found_news = rule.found_news || is_news(result, slot);
  core::Result<promql::Vector> vector = to_vector(std::move(result.value));
  if (!vector) return core::fail(vector.error());
  if (rule.spec.kind == RuleKind::kRecording) {
    const auto samples = record(rule.spec, *vector, spec_.limit);
    if (!samples) return core::fail(samples.error());
    write(rule, *samples, slot);
    return {};
  }

  const std::vector<ActiveElement> elements = expand(rule.spec, *vector, *settings_, environment_.engine, slot);
  HeldAlerts& held = rule.alerts;
  core::Result<AlertTable> next = advance(held.policy(), held.alerts(), elements, slot, settling(rule));
  if (!next) return core::fail(next.error());
  if (keeping_changed(held.alerts(), *next)) status_is_old_ = true;
  const bool changed = held.commit(std::move(*next), slot, environment_.outlets, occasion);
  if (changed) status_is_old_ = true;
  // Between slots the series stay as they are unless a state changed: they would only fill the ring with times.
  if (changed || occasion == Occasion::kSlot || rule.health != RuleHealth::kOk) {
    std::vector<SeriesSample> series = alert_series(held.alerts());
    add_unexpanded_labels(series, rule.spec.labels);
    write(rule, series, slot);
  }
  return {};
}

// By age, not by date: a wall clock that was set since the start makes nothing new.
bool RuleGroup::is_news(const promql::QueryResult& result, WallTime slot) const {
  if (result.newest_ms == promql::kNoSample) return false;
  return slot - core::from_unix_ms(result.newest_ms) <= environment_.clock.steady_now() - environment_.started_at;
}

// The ring may hold samples from before the start, but what became of their targets since nobody has looked yet.
// Absence means nothing until the rule's selectors have found samples taken since then and had the time that the
// expression looks back on; but no longer than the grace. A rule that selects nothing waits for nothing.
Settling RuleGroup::settling(LiveRule& rule) const {
  if (!rule.settled) {
    const core::Duration running = environment_.clock.steady_now() - environment_.started_at;
    const Millis data_is_back = std::min(environment_.start_grace, rule.window + 2 * schedule_.interval());
    rule.settled =
        !rule.has_selectors || running >= environment_.start_grace || (rule.found_news && running >= data_is_back);
  }
  return rule.settled ? Settling::kSettled : Settling::kSettling;
}

void RuleGroup::fail(LiveRule& rule, std::string error, WallTime slot, Occasion occasion) {
  rule.health = RuleHealth::kFailing;
  rule.last_error = std::move(error);
  environment_.outlets.counters.evaluation_failures.fetch_add(1, std::memory_order_relaxed);
  if (rule.spec.kind == RuleKind::kRecording) return;
  rule.alerts.commit(rule.alerts.alerts(), slot, environment_.outlets, occasion);
}

bool RuleGroup::is_same(const RuleGroupSpec& spec, const RuleSettings& settings) const {
  return *settings_ == settings && spec_.file == spec.file && spec_.name == spec.name &&
         spec_.interval == spec.interval && spec_.query_offset == spec.query_offset && spec_.limit == spec.limit &&
         std::equal(spec_.rules.begin(), spec_.rules.end(), spec.rules.begin(), spec.rules.end(), same_rule);
}

void RuleGroup::take_over(RuleGroup& old) {
  environment_.writer.close_timeline(timeline_);
  timeline_ = old.timeline_;
  old.owns_timeline_ = false;
  schedule_.start_after(old.schedule_.last());
  newest_ = old.newest_;
  std::map<RuleKey, LiveRule*> predecessors;
  for (LiveRule& rule : old.rules_) predecessors.emplace(rule.alerts.key(), &rule);
  for (LiveRule& rule : rules_) {
    const auto found = predecessors.find(rule.alerts.key());
    if (found == predecessors.end() || found->second->spec.kind != rule.spec.kind) continue;
    rule.alerts.take_over(found->second->alerts);
    rule.series = std::exchange(found->second->series, {});
    rule.evaluated_at = found->second->evaluated_at;
    rule.found_news = found->second->found_news && found->second->spec.query == rule.spec.query;
    rule.settled = found->second->settled;
  }
  orphans_ = std::exchange(old.orphans_, {});
  for (LiveRule& rule : old.rules_) {
    if (rule.series.size() > 0) orphans_.push_back(std::exchange(rule.series, {}));
  }
  publish_status();
}

void RuleGroup::restore(std::map<RuleKey, StoredRule>& stored, WallTime now) {
  for (LiveRule& rule : rules_) {
    if (rule.spec.kind != RuleKind::kAlerting) continue;
    auto found = stored.extract(rule.alerts.key());
    if (!found.empty()) rule.alerts.restore(std::move(found.mapped()), now);
  }
  publish_status();
}

void RuleGroup::announce_restored(WallTime now) {
  for (LiveRule& rule : rules_) {
    if (!rule.alerts.alerts().empty()) {
      rule.alerts.commit(rule.alerts.alerts(), now, environment_.outlets, Occasion::kSlot);
    }
  }
  publish_status();
}

std::vector<HeldAlerts> RuleGroup::retire_alerts() {
  std::vector<HeldAlerts> retired;
  for (LiveRule& rule : rules_) {
    if (rule.alerts.alerts().empty()) continue;
    HeldAlerts held(rule.alerts.key(), rule.alerts.policy());
    held.take_over(rule.alerts);
    retired.push_back(std::move(held));
  }
  return retired;
}

std::optional<RetiredSeries> RuleGroup::retire_series() {
  if (!owns_timeline_) return std::nullopt;
  owns_timeline_ = false;
  RetiredSeries retired{timeline_, std::exchange(orphans_, {}), schedule_.last() + 2 * schedule_.interval()};
  for (LiveRule& rule : rules_) retired.series.push_back(std::exchange(rule.series, {}));
  return retired;
}

std::shared_ptr<const GroupStatus> RuleGroup::status() const {
  const std::lock_guard lock(status_mutex_);
  return status_;
}

void RuleGroup::publish_status() {
  auto status = std::make_shared<GroupStatus>();
  status->file = spec_.file;
  status->name = spec_.name;
  status->interval = schedule_.interval();
  status->query_offset = query_offset_;
  status->limit = spec_.limit;
  status->evaluation_time = evaluation_time_;
  status->last_evaluation = last_evaluation_;
  status->evaluations = evaluations_;
  status->missed_slots = missed_slots_;
  for (const LiveRule& rule : rules_) status->rules.push_back(status_of(rule));
  const std::lock_guard lock(status_mutex_);
  status_ = std::move(status);
}

}  // namespace rules
