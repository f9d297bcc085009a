// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "rules/alert/held_alerts.h"
#include "rules/alert/rule_evaluation.h"
#include "rules/alert/rule_schedule.h"
#include "rules/alert/rule_spec.h"
#include "rules/alert/rule_status.h"
#include "rules/alert/series_writer.h"
#include "rules/promql/engine.h"
#include "rules/promql/prepared_query.h"

namespace rules {

// What every group works with.
struct RuleEnvironment {
  const promql::Engine& engine;
  const core::Clock& clock;
  SeriesWriter& writer;
  AlertOutlets& outlets;
  core::SteadyTime started_at;  // of the agent: settling is counted from here, whatever the wall clock does
  core::Millis start_grace{0};  // RuleRunnerOptions
};

// A rule with its state.
struct LiveRule {
  LiveRule(RuleSpec rule_spec, RuleKey key, AlertPolicy policy);

  RuleSpec spec;
  promql::PreparedQuery query;                 // of spec.expr
  core::Millis window;                         // how far back the expression looks
  HeldAlerts alerts;                           // empty for a recording rule
  std::optional<core::WallTime> evaluated_at;  // the last slot, or moment of an arrival
  RuleSeries series;
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;
  core::Duration evaluation_time{0};
  std::optional<core::WallTime> last_evaluation;
  bool has_selectors = false;
  bool found_news = false;  // a sample that was taken since the agent's start
  bool settled = false;
};

// What came of an evaluation on arrival.
struct ArrivalEvaluation {
  enum class Outcome {
    kDone,
    kRetry,           // a moment later
    kLeftToInterval,  // it was stopped, or the wall clock has gone back
  };
  Outcome outcome = Outcome::kLeftToInterval;
  std::int64_t seen_ms = 0;  // kDone: what was scraped up to then
};

// Series whose rule is gone: they are to be ended.
struct RetiredSeries {
  core::ring::TimelineRef timeline;
  std::vector<RuleSeries> series;
  core::WallTime end_at;
};

// The rules of one group, evaluated one after another at the group's slots, and single ones of them in between when
// what they look at has been scraped. Both decide by the same functions of state, result and time.
//
// A rule that fails leaves its alerts and series as they were; the rules after it are evaluated all the same.
//
// Thread safety: one thread at a time; status() any thread.
class RuleGroup {
 public:
  // Opens the group's timeline. Fails if the ring has no room for one.
  static core::Result<std::unique_ptr<RuleGroup>> make(RuleGroupSpec spec, std::shared_ptr<const RuleSettings> settings,
                                                       const RuleEnvironment& environment);

  ~RuleGroup();
  RuleGroup(const RuleGroup&) = delete;
  RuleGroup& operator=(const RuleGroup&) = delete;

  // Evaluates the rules if a slot is due at the clock's time. A stopped evaluation leaves its rule untouched.
  bool evaluate_due(std::stop_token stop);
  core::WallTime next_due(core::WallTime now) const { return schedule_.next(now); }

  // Evaluates an alerting rule at the clock's time, after those recording rules before it (`steps`) that have not seen
  // what was scraped at `scraped_ms`. An alerting rule's series are written when a state has changed; refreshes are
  // left to the interval while it is frequent enough.
  ArrivalEvaluation evaluate_on_arrival(const std::vector<std::size_t>& steps, std::size_t rule,
                                        std::int64_t scraped_ms, std::stop_token stop);
  // What was scraped up to here, the last slot's evaluation has seen.
  std::optional<std::int64_t> seen_until_ms() const;
  core::Millis query_offset() const { return query_offset_; }
  core::Millis interval() const { return schedule_.interval(); }

  // True if a reload that brings `spec` may keep this group as it is.
  bool is_same(const RuleGroupSpec& spec, const RuleSettings& settings) const;
  // Before the first evaluation: goes on with the state of `old` for rules of equal name and labels, the n-th of equals
  // with the n-th. What is left over in `old` afterwards is retired by retire().
  void take_over(RuleGroup& old);
  // Before the first evaluation: alerts of an earlier process. The entries that are taken are removed from `stored`.
  void restore(std::map<RuleKey, StoredRule>& stored, core::WallTime now);
  // Tells the sinks of every restored alert.
  void announce_restored(core::WallTime now);

  // What remains of a group that no longer exists: its alerts, and its series if nobody took over the timeline.
  std::vector<HeldAlerts> retire_alerts();
  std::optional<RetiredSeries> retire_series();

  const RuleGroupSpec& spec() const { return spec_; }
  std::shared_ptr<const GroupStatus> status() const;

 private:
  RuleGroup(RuleGroupSpec spec, std::shared_ptr<const RuleSettings> settings, const RuleEnvironment& environment,
            core::ring::TimelineRef timeline);

  bool evaluate_rule(LiveRule& rule, core::WallTime slot, Occasion occasion, std::stop_token stop);
  bool is_news(const promql::QueryResult& result, core::WallTime slot) const;
  core::Result<void> decide(LiveRule& rule, promql::QueryResult result, core::WallTime slot, Occasion occasion);
  Settling settling(LiveRule& rule) const;
  void fail(LiveRule& rule, std::string error, core::WallTime slot, Occasion occasion);
  void write(LiveRule& rule, std::span<const SeriesSample> samples, core::WallTime slot);
  void publish_status();

  RuleGroupSpec spec_;
  std::shared_ptr<const RuleSettings> settings_;
  const RuleEnvironment& environment_;
  core::Millis query_offset_;
  core::ring::TimelineRef timeline_;
  bool owns_timeline_ = true;
  RuleSchedule schedule_;
  std::vector<LiveRule> rules_;
  std::vector<RuleSeries> orphans_;  // of rules that a reload removed; ended at the next evaluation
  std::optional<core::WallTime> last_slot_;
  std::optional<core::WallTime> newest_;  // the last evaluation, of a slot or of an arrival
  bool status_is_old_ = false;

  core::Duration evaluation_time_{0};
  std::optional<core::WallTime> last_evaluation_;
  std::uint64_t evaluations_ = 0;
  std::uint64_t missed_slots_ = 0;

  mutable std::mutex status_mutex_;
  std::shared_ptr<const GroupStatus> status_;  // guarded by status_mutex_
};

}  // namespace rules
