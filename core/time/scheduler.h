// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "core/time/clock.h"

namespace core {

// Names a timer of one Scheduler; never used twice. 0 names none.
using TimerId = std::uint64_t;

// Calls back at a steady time. A wall-clock step never moves a timer.
//
// Thread safety: any thread may call; every callback runs on the scheduler's own thread (the I/O thread of the agent,
// the calling thread of the simulation), one at a time, never inside the call that scheduled it.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Runs `task` once, at or after `when`. Ties run in the order they were scheduled.
  virtual TimerId schedule_at(SteadyTime when, std::function<void()> task) = 0;

  // True if the task will not run any more because of this call; false if it ran, is running, or never existed.
  virtual bool cancel(TimerId timer) = 0;

  // Runs `task` as soon as possible.
  virtual void post(std::function<void()> task) = 0;

  TimerId schedule_after(const Clock& clock, Duration delay, std::function<void()> task) {
    return schedule_at(clock.steady_now() + delay, std::move(task));
  }
};

}  // namespace core
