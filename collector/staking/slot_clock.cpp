// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/slot_clock.h"

#include "core/check.h"

namespace collector::staking {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// Bounds that keep every product below far from overflow, and that no chain comes near: an hour, a year of hours, the
// year 5138.
constexpr std::uint64_t kSlotMsMax = 3'600'000;
constexpr std::uint64_t kSlotsPerEpochMax = 8'784;
constexpr std::uint64_t kGenesisSecondsMax = 100'000'000'000;

Result<std::uint64_t> positive(const Json& spec, std::string_view path, std::uint64_t most) {
  const auto value = spec.number(path);
  if (!value) return fail(Errc::kInvalid, "{}: expected a whole number", path.substr(path.rfind('/') + 1));
  if (*value == 0 || *value > most) {
    return fail(Errc::kInvalid, "{}: expected 1 to {}, got {}", path.substr(path.rfind('/') + 1), most, *value);
  }
  return *value;
}

// Newer clients write milliseconds, older ones seconds; who writes both must mean the same.
Result<std::uint64_t> slot_ms_of(const Json& spec) {
  const bool has_ms = spec.has("data/SLOT_DURATION_MS");
  const bool has_seconds = spec.has("data/SECONDS_PER_SLOT");
  if (!has_ms && !has_seconds) return fail(Errc::kInvalid, "neither SLOT_DURATION_MS nor SECONDS_PER_SLOT");
  std::uint64_t slot_ms = 0;
  if (has_ms) {
    const auto read = positive(spec, "data/SLOT_DURATION_MS", kSlotMsMax);
    if (!read) return read;
    slot_ms = *read;
  }
  if (!has_seconds) return slot_ms;
  const auto seconds = positive(spec, "data/SECONDS_PER_SLOT", kSlotMsMax / 1000);
  if (!seconds) return seconds;
  if (has_ms && slot_ms != *seconds * 1000) {
    return fail(Errc::kInvalid, "SLOT_DURATION_MS is {}, SECONDS_PER_SLOT {}", slot_ms, *seconds);
  }
  return *seconds * 1000;
}

}  // namespace

Result<SlotClock> SlotClock::make(const Json& spec, const Json& genesis) {
  const auto slot_ms = slot_ms_of(spec);
  if (!slot_ms) return fail(slot_ms.error());
  const auto slots = positive(spec, "data/SLOTS_PER_EPOCH", kSlotsPerEpochMax);
  if (!slots) return fail(slots.error());
  const auto seconds = genesis.number("data/genesis_time");
  if (!seconds || *seconds > kGenesisSecondsMax) return fail(Errc::kInvalid, "genesis_time: expected a Unix time");
  return SlotClock(static_cast<std::int64_t>(*seconds) * 1000, static_cast<std::int64_t>(*slot_ms), *slots);
}

SlotClock::SlotClock(std::int64_t genesis_ms, std::int64_t slot_ms, std::uint64_t slots_per_epoch)
    : genesis_ms_(genesis_ms), slot_ms_(slot_ms), slots_per_epoch_(slots_per_epoch) {
  CHECK(slot_ms > 0 && slots_per_epoch > 0, "a slot has some length, an epoch at least one slot");
}

std::optional<Slot> SlotClock::slot_at(core::WallTime time) const {
  const std::int64_t into = core::to_unix_ms(time) - genesis_ms_;
  if (into < 0) return std::nullopt;
  return Slot{static_cast<std::uint64_t>(into / slot_ms_)};
}

std::int64_t SlotClock::start_ms(Slot slot) const {
  return genesis_ms_ + static_cast<std::int64_t>(slot.value) * slot_ms_;
}

}  // namespace collector::staking
