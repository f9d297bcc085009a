// SPDX-License-Identifier: Apache-2.0
#include "core/time/simulated_clock.h"

#include <algorithm>

#include "core/check.h"

namespace core {

SimulatedClock::SimulatedClock(WallTime start) : wall_offset_(start.time_since_epoch() - steady_.time_since_epoch()) {}

Duration SimulatedClock::drift_since_change() const {
  const double elapsed_ns = static_cast<double>((steady_ - drift_from_).count());
  return Duration(static_cast<std::int64_t>(elapsed_ns * drift_ppm_ / 1e6));
}

WallTime SimulatedClock::wall_now() const {
  return WallTime(steady_.time_since_epoch() + wall_offset_ + drift_since_change());
}

void SimulatedClock::set_drift_ppm(double parts_per_million) {
  wall_offset_ += drift_since_change();
  drift_from_ = steady_;
  drift_ppm_ = parts_per_million;
}

TimerId SimulatedClock::schedule_at(SteadyTime when, std::function<void()> task) {
  const TimerId id = next_timer_++;
  timers_.emplace(std::pair(when, id), std::move(task));
  return id;
}

bool SimulatedClock::cancel(TimerId timer) {
  const auto found =
      std::find_if(timers_.begin(), timers_.end(), [timer](const auto& entry) { return entry.first.second == timer; });
  if (found == timers_.end()) return false;
  timers_.erase(found);
  return true;
}

void SimulatedClock::post(std::function<void()> task) { schedule_at(steady_, std::move(task)); }

void SimulatedClock::advance(Duration by) {
  CHECK(by >= Duration::zero(), "steady time never goes back");
  const SteadyTime until = steady_ + by;
  while (!timers_.empty() && timers_.begin()->first.first <= until) {
    auto node = timers_.extract(timers_.begin());
    steady_ = std::max(steady_, node.key().first);
    node.mapped()();
  }
  steady_ = std::max(steady_, until);
}

}  // namespace core
