// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "core/time/clock.h"

namespace collector::scrape {

// The time that the scheduler's thread may give to reading bodies itself: a quarter of all, so that its timers and
// sockets wait for no more than that however many bodies come.
//
// Thread safety: confined to one thread.
class ReadingTime {
 public:
  static constexpr int kOneIn = 4;
  // What was not used is kept up to here: scrapes come in bunches.
  static constexpr core::Duration kKeptMax = std::chrono::milliseconds(20);

  // Whether there is some left at `now`, which does not go back.
  bool has_left(core::SteadyTime now) {
    left_ = std::min(left_ + (now - at_) / kOneIn, kKeptMax);
    at_ = now;
    return left_ > core::Duration::zero();
  }
  void spend(core::Duration spent) { left_ -= spent; }

 private:
  core::SteadyTime at_{};
  core::Duration left_ = kKeptMax;
};

}  // namespace collector::scrape
