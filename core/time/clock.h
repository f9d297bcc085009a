// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace core {

// Wall time: what a person and a sample's timestamp mean. It can jump in both directions; never measure with it.
using WallTime = std::chrono::system_clock::time_point;
// Steady time: for durations, deadlines and timers. Means nothing outside this boot.
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;
using Millis = std::chrono::milliseconds;

// Milliseconds since the Unix epoch, rounded toward minus infinity: the unit of every sample.
constexpr std::int64_t to_unix_ms(WallTime time) { return std::chrono::floor<Millis>(time).time_since_epoch().count(); }

constexpr WallTime from_unix_ms(std::int64_t time_ms) { return WallTime(Millis(time_ms)); }

// Where time comes from. Injected everywhere, so that a test or the simulation owns it; nothing else may read a clock
// (test/tidy enforces that).
//
// Thread safety: any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall_now() const = 0;
  virtual SteadyTime steady_now() const = 0;

  std::int64_t unix_ms() const { return to_unix_ms(wall_now()); }
};

// The machine's clocks.
//
// Thread safety: immutable after construction.
class SystemClock final : public Clock {
 public:
  WallTime wall_now() const override;
  SteadyTime steady_now() const override;
};

}  // namespace core
