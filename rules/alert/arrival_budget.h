// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "core/time/clock.h"

namespace rules {

// No rule takes more of a core than this by arrivals, however much is left: after an evaluation that took c it pauses
// for 19 c.
inline constexpr double kRuleShareMax = 0.05;
// The shortest time between two evaluations of a rule by arrivals: at most 200 a second.
inline constexpr core::Millis kArrivalGapMin{5};

// The pause after work of `cost` that keeps it within `share` of the time.
inline core::Duration pause_after(core::Duration cost, double share) {
  return std::chrono::duration_cast<core::Duration>(cost * (1 / share - 1));
}

// How much of its time one rule thread may spend on arrivals: `share` of a core, saved up for a moment at most.
//
// Thread safety: confined to its thread.
class ArrivalBudget {
 public:
  // What may be spent at once after a quiet time.
  static constexpr core::Duration kBurst = std::chrono::milliseconds(50);

  // REQUIRES: 0 < share <= 1.
  ArrivalBudget(double share, core::SteadyTime now) : share_(share), counted_at_(now) {}

  double share() const { return share_; }

  void spend(core::Duration cost, core::SteadyTime now) {
    refill(now);
    // A debt is bounded too: one slow query must not keep every other rule waiting for minutes.
    credit_ = std::max(credit_ - cost, -kBurst);
  }

  // When there is credit again; the past if there is some.
  core::SteadyTime has_credit_at() const {
    if (credit_ > core::Duration::zero()) return counted_at_;
    return counted_at_ + std::chrono::duration_cast<core::Duration>((core::Duration(1) - credit_) / share_);
  }

 private:
  void refill(core::SteadyTime now) {
    credit_ += std::chrono::duration_cast<core::Duration>((now - counted_at_) * share_);
    credit_ = std::min(credit_, kBurst);
    counted_at_ = now;
  }

  double share_;
  core::SteadyTime counted_at_;
  core::Duration credit_ = kBurst;
};

}  // namespace rules
