// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/arrival_triggers.h"

#include <algorithm>
#include <utility>

namespace rules {
namespace {

using core::Duration;
using core::Millis;
using core::SteadyTime;

// With more targets than this a rule is evaluated rather than found out that none of them feeds it.
constexpr std::size_t kMaybeMax = 64;
// A series of a target that no scrape came from may have honoured labels, or be left over from a target that is gone.
// It is of the latter kind when it has no sample of this age: the look-back of a query.
constexpr Millis kLeftOverAfter = std::chrono::minutes(5);
// For an evaluation in the millisecond of the one before, or one that the group's slot must go before.
constexpr Duration kRetryAfter = Millis(1);
// A rule that costs c is served as if it had become due this many c later, so that cheap ones need not wait for it.
constexpr int kStandBack = 20;

void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

void ArrivalTriggers::rebuild(std::span<const std::shared_ptr<RuleGroup>> groups, const std::set<std::string>& recorded,
                              double share) {
  triggers_.clear();
  interest_changed_ = true;
  if (share <= 0) return;
  budget_ = ArrivalBudget(share, clock_.steady_now());
  for (const auto& group : groups) {
    const std::vector<RuleSpec>& rules = group->spec().rules;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (rules[i].kind != RuleKind::kAlerting) continue;
      Trigger trigger;
      trigger.group = group.get();
      trigger.rule = i;
      trigger.sources = sources_of(rules, i, recorded);
      triggers_.push_back(std::move(trigger));
    }
  }
}

bool ArrivalTriggers::is_current(const Trigger& trigger) const {
  return trigger.known && trigger.generation == reader_.index_generation() && trigger.heard_of == heard_count_;
}

bool ArrivalTriggers::may_feed(const Trigger& trigger, const std::string& job) const {
  return std::ranges::any_of(trigger.sources.inputs,
                             [&](const RuleInput& input) { return input.job.empty() || input.job == job; });
}

bool ArrivalTriggers::feeds(const Trigger& trigger, SourceNumber source) const {
  if (!is_current(trigger)) return may_feed(trigger, jobs_[source]);
  return trigger.any_source || (source < trigger.sources_found.size() && trigger.sources_found[source]);
}

void ArrivalTriggers::add(const std::vector<SourceArrivals>& arrivals) {
  // All of them first: what a rule depends on must not change from one to the next.
  for (const SourceArrivals& each : arrivals) {
    if (!heard_of_[each.job].emplace(each.instance, each.source).second) continue;
    ++heard_count_;
    interest_changed_ = true;
    if (jobs_.size() <= each.source) jobs_.resize(each.source + 1);
    jobs_[each.source] = each.job;
  }
  for (const SourceArrivals& each : arrivals) {
    for (Trigger& trigger : triggers_) {
      if (feeds(trigger, each.source)) ask(trigger, each);
    }
  }
}

void ArrivalTriggers::ask(Trigger& trigger, const SourceArrivals& arrivals) {
  const bool certain = is_current(trigger);
  if (!trigger.due) {
    const std::int64_t visible_ms = arrivals.first_ms + trigger.group->query_offset().count();
    const Duration until = core::from_unix_ms(visible_ms) - clock_.wall_now();
    const SteadyTime at = until > Duration::zero() ? clock_.steady_now() + until : arrivals.landed;
    trigger.due = Due{arrivals.first_ms, arrivals.last_ms, at, {}};
    if (!certain) trigger.due->maybe_by.push_back(arrivals.source);
    return;
  }
  Due& due = *trigger.due;
  due.first_ms = std::min(due.first_ms, arrivals.first_ms);
  due.last_ms = std::max(due.last_ms, arrivals.last_ms);
  // Empty: it is to be evaluated in any case.
  if (certain || due.maybe_by.size() >= kMaybeMax) due.maybe_by.clear();
  if (!due.maybe_by.empty()) due.maybe_by.push_back(arrivals.source);
  count(counters_.arrivals_coalesced);
}

// Whether what asked for an evaluation feeds the rule.
bool ArrivalTriggers::concerns(Trigger& trigger) {
  if (!is_current(trigger)) find_out(trigger);
  const std::vector<SourceNumber>& maybe_by = trigger.due->maybe_by;
  return maybe_by.empty() || std::ranges::any_of(maybe_by, [&](SourceNumber source) { return feeds(trigger, source); });
}

// An evaluation at `time_ms` has seen what was scraped up to then.
void ArrivalTriggers::settle(Trigger& trigger, std::int64_t time_ms) {
  if (trigger.due->last_ms <= time_ms) {
    trigger.due.reset();
    return;
  }
  const Duration until = Millis(trigger.due->last_ms - time_ms);
  trigger.due = Due{trigger.due->last_ms, trigger.due->last_ms, clock_.steady_now() + until, {}};
}

SteadyTime ArrivalTriggers::ready_at(const Trigger& trigger) const {
  return std::max({trigger.due->at, trigger.rests_until, std::min(trigger.has_share_at, budget_.has_credit_at())});
}

ArrivalTriggers::Trigger* ArrivalTriggers::next() {
  const SteadyTime now = clock_.steady_now();
  Trigger* best = nullptr;
  const auto rank = [](const Trigger& trigger) { return trigger.due->at + kStandBack * trigger.cost; };
  for (Trigger& trigger : triggers_) {
    if (!trigger.due) continue;
    // The interval's own evaluation may have come in between.
    if (const auto seen = trigger.group->seen_until_ms(); seen && *seen >= trigger.due->last_ms) {
      trigger.due.reset();
      continue;
    }
    if (ready_at(trigger) > now) continue;
    if (best == nullptr || rank(trigger) < rank(*best)) best = &trigger;
  }
  return best;
}

bool ArrivalTriggers::evaluate_one(const std::stop_token& stop) {
  Trigger* const trigger = next();
  if (trigger == nullptr) return false;
  const Duration used = cpu_time_();
  bool evaluated = false;
  if (concerns(*trigger)) {
    evaluated = evaluate(*trigger, clock_.steady_now(), stop);
  } else {
    trigger->due.reset();
  }
  pay(*trigger, cpu_time_() - used, evaluated ? kArrivalGapMin : Millis(0));
  return true;
}

bool ArrivalTriggers::evaluate(Trigger& trigger, SteadyTime begin, const std::stop_token& stop) {
  const Due due = *trigger.due;
  const ArrivalEvaluation done =
      trigger.group->evaluate_on_arrival(trigger.sources.steps, trigger.rule, due.last_ms, stop);
  switch (done.outcome) {
    case ArrivalEvaluation::Outcome::kRetry:
      trigger.due->at = begin + kRetryAfter;
      return false;
    case ArrivalEvaluation::Outcome::kLeftToInterval:
      trigger.due.reset();
      return false;
    case ArrivalEvaluation::Outcome::kDone:
      break;
  }
  settle(trigger, done.seen_ms);
  count(counters_.arrival_evaluations);
  const Duration latency = clock_.steady_now() - due.at;
  count(counters_.arrival_latency_ns, static_cast<std::uint64_t>(std::max(latency, Duration::zero()).count()));
  return true;
}

void ArrivalTriggers::pay(Trigger& trigger, Duration cost, Duration shortest_rest) {
  const SteadyTime now = clock_.steady_now();
  trigger.cost = cost;
  budget_.spend(cost, now);
  count(counters_.arrival_busy_ns, static_cast<std::uint64_t>(cost.count()));
  // What the interval does anyhow need not be waited for longer than that.
  const Duration interval = trigger.group->interval();
  const double own_share = budget_.share() / static_cast<double>(triggers_.size());
  const Duration rest = std::max(shortest_rest, pause_after(cost, kRuleShareMax));
  trigger.rests_until = now + std::min(rest, interval);
  trigger.has_share_at = now + std::min(pause_after(cost, own_share), interval);
}

std::optional<SourceNumber> ArrivalTriggers::number_of(const core::ring::Labels& series) const {
  const auto job = heard_of_.find(series.get("job"));
  if (job == heard_of_.end()) return std::nullopt;
  const auto instance = job->second.find(series.get("instance"));
  return instance == job->second.end() ? std::nullopt : std::optional(instance->second);
}

void ArrivalTriggers::find_out(Trigger& trigger) {
  trigger.generation = reader_.index_generation();
  trigger.heard_of = heard_count_;
  trigger.known = true;
  trigger.any_source = false;
  trigger.sources_found.assign(jobs_.size(), false);
  const std::int64_t left_over_ms = clock_.unix_ms() - kLeftOverAfter.count();
  for (const RuleInput& input : trigger.sources.inputs) {
    for (const core::ring::SelectedSeries& series : reader_.select(input.matchers)) {
      if (const auto source = number_of(*series.labels)) {
        trigger.sources_found[*source] = true;
      } else if (!trigger.any_source) {
        const auto last = reader_.last(series.ref);
        trigger.any_source = last && last->time_ms >= left_over_ms;
      }
    }
  }
  interest_changed_ = true;
}

std::optional<SteadyTime> ArrivalTriggers::next_ready() const {
  std::optional<SteadyTime> next;
  for (const Trigger& trigger : triggers_) {
    if (!trigger.due) continue;
    const SteadyTime at = ready_at(trigger);
    next = next ? std::min(*next, at) : at;
  }
  return next;
}

std::optional<ArrivalInterest> ArrivalTriggers::take_interest() {
  interest_changed_ = false;
  if (triggers_.empty()) return std::nullopt;
  ArrivalInterest interest;
  interest.generation = reader_.index_generation();
  interest.sources.assign(jobs_.size(), false);
  for (const Trigger& trigger : triggers_) {
    if (is_current(trigger)) interest.in_any = interest.in_any || trigger.any_source;
    for (SourceNumber source = 0; source < jobs_.size(); ++source) {
      if (!interest.sources[source] && feeds(trigger, source)) interest.sources[source] = true;
    }
  }
  return interest;
}

}  // namespace rules
