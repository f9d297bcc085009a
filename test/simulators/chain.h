// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/time/clock.h"
#include "test/simulators/faults.h"

namespace simulators {

inline constexpr double kSecondsPerSlot = 12;
inline constexpr std::uint64_t kSlotsPerEpoch = 32;
inline constexpr std::uint64_t kFarFutureEpoch = 18446744073709551615U;

// A proof-of-stake chain as a pure function of seed, time and faults: slots of 12 s, epochs of 32, finality two epochs
// behind, one slot in a hundred without a block.
//
// Thread safety: any thread; immutable but for the fault board.
class Chain {
 public:
  // Simulated time runs `speed` times as fast as `clock`.
  Chain(const core::Clock& clock, std::uint64_t seed, double speed);

  FaultBoard& faults() { return faults_; }
  const FaultBoard& faults() const { return faults_; }
  double speed() const { return speed_; }
  std::uint64_t seed() const { return seed_; }

  // Simulated seconds since the start of the program.
  double seconds() const;
  std::int64_t unix_seconds() const;
  std::int64_t start_unix_seconds() const;
  std::int64_t genesis_unix_seconds() const;

  std::uint64_t slot() const;  // of the wall clock
  std::uint64_t epoch() const { return slot() / kSlotsPerEpoch; }
  bool has_block(std::uint64_t slot) const;
  // The last slot with a block up to `slot`.
  std::uint64_t last_block(std::uint64_t slot) const;
  std::uint64_t beacon_head_slot() const;  // what the beacon node has, faults included
  std::uint64_t finalized_epoch() const;
  std::uint64_t justified_epoch() const;
  std::uint64_t execution_head_block() const;  // what Geth has
  std::uint64_t block_number(std::uint64_t slot) const;
  std::uint64_t beacon_peers() const;
  std::uint64_t execution_peers() const;

  // In [0, 1), the same for the same seed and arguments.
  double noise(std::string_view what, std::uint64_t step) const;
  // 0x and `bytes` bytes.
  std::string hash(std::string_view what, std::uint64_t step, std::size_t bytes = 32) const;

 private:
  std::uint64_t slot_at(double seconds) const;

  const core::Clock& clock_;
  std::uint64_t seed_;
  double speed_;
  core::SteadyTime started_;
  core::WallTime started_wall_;
  FaultBoard faults_;
};

}  // namespace simulators
