// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/result.h"
#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "core/time/cpu_time.h"
#include "rules/alert/alert_sink.h"
#include "rules/alert/alert_store.h"
#include "rules/alert/arrival_queue.h"
#include "rules/alert/arrival_triggers.h"
#include "rules/alert/rule_evaluation.h"
#include "rules/alert/rule_group.h"
#include "rules/alert/rule_spec.h"
#include "rules/alert/rule_status.h"
#include "rules/alert/series_writer.h"
#include "rules/promql/engine.h"

namespace rules {

struct RuleRunnerOptions {
  // Groups are divided among this many threads, so that one slow query does not stop every rule.
  std::size_t threads = 2;
  // After a start the ring may be empty, or hold only what was before, and a restored alert must not resolve for want
  // of data. Until its rule has settled, such an alert is held as it was. A rule has settled when its selectors have
  // found samples taken since the start and the agent has run for the window of the expression plus two intervals; at
  // the latest after this grace.
  core::Millis start_grace = std::chrono::minutes(10);
  // What the calling thread has used of a core; evaluations on arrival are bounded by it.
  std::function<core::Duration()> cpu_time = core::thread_cpu_time;
};

// Runs all rule groups: owns their state across reloads, and the threads that evaluate them.
//
// Two ways to drive it: start() for real threads, or evaluate_due() again and again on one thread under a simulated
// clock.
//
// Thread safety: apply(), start(), stop() and evaluate_due() from one thread; everything else from any. Sinks are
// called on the evaluation threads, and inside apply().
class RuleRunner {
 public:
  // References outlive the runner. Nothing is evaluated before the first apply().
  RuleRunner(const promql::Engine& engine, core::ring::Ring& ring, const core::Clock& clock, AlertStore& store,
             std::vector<AlertSink*> sinks, RuleRunnerOptions options = {});
  ~RuleRunner();

  // Replaces all groups at once. A group that did not change goes on undisturbed; of a changed one, rules of equal name
  // and labels keep their alerts. Alerts of rules that are gone are resolved, their series ended.
  //
  // The first call restores the stored alerts: each is announced again at once, those without a rule as resolved. Waits
  // for evaluations that are under way. On failure the groups stay as they were.
  core::Result<void> apply(std::vector<RuleGroupSpec> groups, RuleSettings settings);

  // A scrape has landed: the alerting rules that it feeds are evaluated as soon as they may. Does not wait.
  void on_arrival(const Arrival& arrival);

  void start();
  void stop();

  // Evaluates, in the order of their slots, every group with a slot due at the clock's time, then the rules that are
  // due by arrivals. Returns how many of both.
  // REQUIRES: not started.
  std::size_t evaluate_due();
  // The earliest next slot; the far future without groups. Arrivals do not count. REQUIRES: not started.
  core::WallTime next_due() const;

  // By file, then name.
  std::vector<std::shared_ptr<const GroupStatus>> groups() const;
  const RuleCounters& counters() const { return counters_; }

 private:
  // The groups of one thread.
  struct Lane {
    Lane(const core::ring::Reader& reader, const core::Clock& clock, std::function<core::Duration()> cpu_time,
         RuleCounters& counters)
        : queue(reader), triggers(reader, clock, std::move(cpu_time), counters) {}

    ArrivalQueue queue;                              // the thread waits here
    mutable std::mutex mutex;                        // held during an evaluation
    std::vector<std::shared_ptr<RuleGroup>> groups;  // guarded by mutex
    ArrivalTriggers triggers;                        // guarded by mutex
    std::jthread thread;
  };
  using GroupKey = std::pair<std::string, std::string>;  // file, name
  using Groups = std::map<GroupKey, std::shared_ptr<RuleGroup>>;

  core::Result<Groups> build(std::vector<RuleGroupSpec> specs, const RuleSettings& settings);
  core::Result<std::map<RuleKey, StoredRule>> load_stored();
  void retire(RuleGroup& group);
  void retire_stored(std::map<RuleKey, StoredRule> stored);
  void swap_in(Groups groups, const RuleSettings& settings);
  void run(Lane& lane, std::stop_token stop);
  bool evaluate_arrival(Lane& lane, const std::stop_token& stop);
  core::Duration until_next(const Lane& lane) const;
  RuleGroup* earliest(const Lane& lane) const;
  RuleGroup* earliest() const;
  void tend_retired();

  const core::Clock& clock_;
  AlertStore& store_;
  RuleCounters counters_;
  SeriesWriter writer_;
  AlertOutlets outlets_;
  RuleEnvironment environment_;
  bool restored_ = false;

  std::vector<std::unique_ptr<Lane>> lanes_;

  mutable std::mutex groups_mutex_;
  Groups groups_;  // guarded by groups_mutex_

  std::mutex retired_mutex_;
  std::vector<HeldAlerts> retired_alerts_;     // guarded by retired_mutex_
  std::vector<RetiredSeries> retired_series_;  // guarded by retired_mutex_
};

}  // namespace rules
