// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "collector/staking/json.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace collector::staking {

struct Slot {
  std::uint64_t value = 0;
  auto operator<=>(const Slot&) const = default;
};

struct Epoch {
  std::uint64_t value = 0;
  auto operator<=>(const Epoch&) const = default;
};

// Blocks and attestations from this far ahead are taken by the network itself (MAXIMUM_GOSSIP_CLOCK_DISPARITY of the
// consensus specification): a head this much in the future says nothing about a clock.
inline constexpr std::int64_t kClockDisparityMs = 500;

// Which slot a wall time lies in. Its numbers come from a beacon node, never from here.
//
// Thread safety: a value.
// Invariants: a slot has some length, an epoch at least one slot.
class SlotClock {
 public:
  // `spec` is the answer of /eth/v1/config/spec, `genesis` that of /eth/v1/beacon/genesis. kInvalid names the key that
  // is missing, of another kind, or contradicts another.
  static core::Result<SlotClock> make(const Json& spec, const Json& genesis);
  // REQUIRES: all but the first are above 0.
  SlotClock(std::int64_t genesis_ms, std::int64_t slot_ms, std::uint64_t slots_per_epoch);

  // None before genesis.
  std::optional<Slot> slot_at(core::WallTime time) const;
  std::int64_t start_ms(Slot slot) const;
  Epoch epoch_of(Slot slot) const { return {slot.value / slots_per_epoch_}; }

  std::int64_t genesis_ms() const { return genesis_ms_; }
  std::int64_t slot_ms() const { return slot_ms_; }
  std::uint64_t slots_per_epoch() const { return slots_per_epoch_; }
  bool operator==(const SlotClock&) const = default;

 private:
  std::int64_t genesis_ms_;
  std::int64_t slot_ms_;
  std::uint64_t slots_per_epoch_;
};

}  // namespace collector::staking
