// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ring_bench {

// Numbers that look random and are the same on every machine and in every run (SplitMix64, public domain, S. Vigna).
//
// Thread safety: confined to one thread.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}

  std::uint64_t roll() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }
  // From 0 to bound - 1. REQUIRES: bound > 0.
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(roll() % static_cast<std::uint64_t>(bound));
  }
  // From 0 to just under 1.
  double part() { return static_cast<double>(roll() >> 11) * 0x1p-53; }
  bool chance(double probability) { return part() < probability; }

 private:
  std::uint64_t state_;
};

}  // namespace ring_bench
