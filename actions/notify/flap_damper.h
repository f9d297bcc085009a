// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/config/table.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"
#include "rules/alert/alert_sink.h"

namespace actions::notify {

// `notification_delay`: how long a state must last before people hear of it.
struct NotificationDelayConfig {
  core::Millis up{0};
  core::Millis down{0};
  double multiplier = 1;
  core::Millis max = std::chrono::hours(1);

  bool enabled() const { return up > core::Millis(0) || down > core::Millis(0); }
  bool operator==(const NotificationDelayConfig&) const = default;
  static const core::config::Table<NotificationDelayConfig>& fields();
};

// Each only grows. Thread safety: any thread; relaxed, as nothing is ordered by them.
struct FlapCounters {
  std::atomic<std::uint64_t> suppressed_firings{0};      // over before they were told
  std::atomic<std::uint64_t> suppressed_resolutions{0};  // fired again before the end was told
  std::atomic<std::uint64_t> undelayed{0};               // passed on at once: too many alerts are known
  std::atomic<std::uint64_t> dropped{0};                 // transitions that did not fit; a refresh brings them again
};

// Stands between the rules and a sink that tells people, and holds back what may not last: a firing alert until it has
// fired for `up`, a resolution until it has lasted for `down`. A change within the delay is never heard of, and
// multiplies the alert's delays; they are plain again once it has kept still for `max`. While a resolution is held back
// the alert goes on being refreshed as firing, with the start it was told with.
//
// The delays count from when the rule decided, so that a restart does not begin them anew; multiplication does not
// survive one.
//
// Thread safety: on_transitions() and configure() on any thread; decisions are made on the strand.
class FlapDamper final : public rules::AlertSink {
 public:
  // Alerts whose state is known; what comes beyond is passed on without delay.
  static constexpr std::size_t kAlertsMax = 50'000;
  // Transitions that wait for the strand; what comes beyond is dropped there as by a full inbox: a refresh brings it.
  static constexpr std::size_t kQueueMax = 50'000;

  FlapDamper(const core::Clock& clock, core::Scheduler& strand, rules::AlertSink& next);
  ~FlapDamper() override;

  // Without delays everything passes, and what was held back is told.
  void configure(NotificationDelayConfig config);
  void on_transitions(std::span<const rules::Transition> transitions) override;

  const FlapCounters& counters() const { return counters_; }

 private:
  using Transition = rules::Transition;
  struct Known {
    bool told = false;  // as firing
    std::optional<core::WallTime> told_start;
    std::optional<Transition> held;  // a change that is not told yet
    Transition last;                 // the last one that said that it fires
    core::SteadyTime due;
    double factor = 1;
    core::SteadyTime changed_at;
  };

  void take(std::vector<Transition> transitions);
  void on_firing(Known& known, Transition transition, std::vector<Transition>& out);
  void on_resolved(Known& known, Transition transition, std::vector<Transition>& out);
  void hold(Known& known, Transition transition, core::Millis delay, core::WallTime since);
  void flip(Known& known);
  void tell_firing(Known& known, Transition transition, std::vector<Transition>& out);
  void tell_due(std::vector<Transition>& out, bool all);
  void wake();
  void plan();

  const core::Clock& clock_;
  core::Scheduler& strand_;
  rules::AlertSink& next_;
  FlapCounters counters_;
  std::shared_ptr<FlapDamper*> self_;  // gone when this is: late tasks find nobody
  std::atomic<bool> enabled_{false};
  std::atomic<std::size_t> queued_{0};

  // On the strand.
  NotificationDelayConfig config_;
  std::unordered_map<core::ring::Labels, Known, core::ring::LabelsHash> known_;
  core::TimerId timer_ = 0;
};

}  // namespace actions::notify
