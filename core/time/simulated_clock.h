// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <utility>

#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace core {

// Time under a test's control, with the faults of real clocks: the wall clock steps and drifts, the machine suspends.
// Timers fire inside advance(), in time order, ties in the order they were scheduled.
//
// Thread safety: confined to one thread.
class SimulatedClock final : public Clock, public Scheduler {
 public:
  explicit SimulatedClock(WallTime start = from_unix_ms(1'700'000'000'000));

  WallTime wall_now() const override;
  SteadyTime steady_now() const override { return steady_; }

  TimerId schedule_at(SteadyTime when, std::function<void()> task) override;
  bool cancel(TimerId timer) override;
  void post(std::function<void()> task) override;

  // Lets `by` of steady time pass and runs every timer that falls due, each at its own time.
  // REQUIRES: by >= 0.
  void advance(Duration by);
  // Runs what is due now, without letting time pass.
  void run_due() { advance(Duration::zero()); }

  // The wall clock jumps, as after `date -s` or an NTP step; steady time and timers do not notice.
  void step_wall(Duration by) { wall_offset_ += by; }
  // From now on the wall clock gains `parts_per_million` against steady time (loses, if negative).
  void set_drift_ppm(double parts_per_million);
  // The machine sleeps: wall time passes, steady time (CLOCK_MONOTONIC) does not.
  void suspend(Duration for_how_long) { wall_offset_ += for_how_long; }

 private:
  Duration drift_since_change() const;

  SteadyTime steady_{std::chrono::hours(1)};
  SteadyTime drift_from_ = steady_;
  Duration wall_offset_;  // wall = steady + offset + drift
  double drift_ppm_ = 0;
  TimerId next_timer_ = 1;
  std::map<std::pair<SteadyTime, TimerId>, std::function<void()>> timers_;
};

}  // namespace core
