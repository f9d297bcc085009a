// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/ring/ring.h"
#include "core/time/clock.h"
#include "rules/alert/arrival_budget.h"
#include "rules/alert/arrival_queue.h"
#include "rules/alert/rule_group.h"
#include "rules/alert/rule_inputs.h"
#include "rules/alert/rule_status.h"

namespace rules {

// The alerting rules of one rule thread, which arrivals make each of them due, and which are.
//
// What feeds a rule is read off its selectors, and narrowed down by what they find in the ring: the targets whose
// series they select, by job and instance. That is found out again when the ring's index has changed, and a target
// whose job the selectors do not rule out has a scrape.
//
// Arrivals while a rule is due are one evaluation. How often a rule may be evaluated is bounded by what it costs:
// always by kRuleShareMax, and by its equal part of the thread's share unless the thread has time to spare.
//
// Thread safety: confined to its thread.
class ArrivalTriggers {
 public:
  // `cpu_time`: what this thread has used of a core; what evaluations cost is counted by it.
  ArrivalTriggers(const core::ring::Reader& reader, const core::Clock& clock, std::function<core::Duration()> cpu_time,
                  RuleCounters& counters)
      : reader_(reader),
        clock_(clock),
        cpu_time_(std::move(cpu_time)),
        counters_(counters),
        budget_(1, clock.steady_now()) {}

  // Starts anew for these groups, which outlive the next call. `share`: of a core, for all rules together; 0 is none,
  // and nothing is evaluated on arrival.
  void rebuild(std::span<const std::shared_ptr<RuleGroup>> groups, const std::set<std::string>& recorded, double share);

  void add(const std::vector<SourceArrivals>& arrivals);
  // Serves the rule that has waited longest, dear ones standing back: evaluates it, or finds out that what came does
  // not concern it. False if none is ready.
  bool evaluate_one(const std::stop_token& stop);
  // When the next one is ready, as far as is known; none if none is due.
  std::optional<core::SteadyTime> next_ready() const;
  // What to listen to, if that may have changed since the last call; none without a rule.
  bool interest_changed() const { return interest_changed_; }
  std::optional<ArrivalInterest> take_interest();

 private:
  // An evaluation that is asked for.
  struct Due {
    std::int64_t first_ms = 0;  // the scrapes that it has to see
    std::int64_t last_ms = 0;
    core::SteadyTime at;                 // not before: a query offset must have passed
    std::vector<SourceNumber> maybe_by;  // the targets that asked, if it is not known whether they feed the rule
  };
  struct Trigger {
    RuleGroup* group = nullptr;
    std::size_t rule = 0;
    RuleSources sources;

    bool known = false;  // what follows was found out, at this generation
    std::uint64_t generation = 0;
    std::size_t heard_of = 0;
    bool any_source = false;
    std::vector<bool> sources_found;  // by number

    std::optional<Due> due;
    core::Duration cost{0};         // of the last evaluation
    core::SteadyTime rests_until;   // whatever there is to spare
    core::SteadyTime has_share_at;  // from then on its own part is enough
  };

  bool is_current(const Trigger& trigger) const;
  bool feeds(const Trigger& trigger, SourceNumber source) const;
  bool may_feed(const Trigger& trigger, const std::string& job) const;
  std::optional<SourceNumber> number_of(const core::ring::Labels& series) const;
  void find_out(Trigger& trigger);
  void ask(Trigger& trigger, const SourceArrivals& arrivals);
  bool concerns(Trigger& trigger);
  bool evaluate(Trigger& trigger, core::SteadyTime begin, const std::stop_token& stop);
  void settle(Trigger& trigger, std::int64_t time_ms);
  core::SteadyTime ready_at(const Trigger& trigger) const;
  Trigger* next();
  void pay(Trigger& trigger, core::Duration cost, core::Duration shortest_rest);

  const core::ring::Reader& reader_;
  const core::Clock& clock_;
  std::function<core::Duration()> cpu_time_;
  RuleCounters& counters_;
  ArrivalBudget budget_;
  std::vector<Trigger> triggers_;
  using Instances = std::map<std::string, SourceNumber, std::less<>>;
  std::map<std::string, Instances, std::less<>> heard_of_;  // by job and instance
  std::size_t heard_count_ = 0;
  std::vector<std::string> jobs_;  // of the sources, by number
  bool interest_changed_ = true;
};

}  // namespace rules
