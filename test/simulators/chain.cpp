// SPDX-License-Identifier: Apache-2.0
#include "test/simulators/chain.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace simulators {

namespace {

constexpr std::uint64_t kFirstSlot = 11'500'000;
constexpr std::uint64_t kFirstBlock = 22'400'000;

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

std::uint64_t number_of(std::uint64_t seed, std::string_view what, std::uint64_t step) {
  std::uint64_t state = mix(seed);
  for (const char c : what) state = mix(state ^ static_cast<unsigned char>(c));
  return mix(state ^ step);
}

}  // namespace

Chain::Chain(const core::Clock& clock, std::uint64_t seed, double speed)
    : clock_(clock),
      seed_(seed),
      speed_(speed),
      started_(clock.steady_now()),
      started_wall_(clock.wall_now()),
      faults_([this] { return seconds(); }) {}

double Chain::seconds() const { return std::chrono::duration<double>(clock_.steady_now() - started_).count() * speed_; }

std::int64_t Chain::unix_seconds() const { return core::to_unix_ms(clock_.wall_now()) / 1000; }

std::int64_t Chain::start_unix_seconds() const { return core::to_unix_ms(started_wall_) / 1000; }

std::int64_t Chain::genesis_unix_seconds() const {
  return start_unix_seconds() - static_cast<std::int64_t>(static_cast<double>(kFirstSlot) * kSecondsPerSlot);
}

std::uint64_t Chain::slot_at(double seconds) const {
  return kFirstSlot + static_cast<std::uint64_t>(std::max(0.0, seconds) / kSecondsPerSlot);
}

std::uint64_t Chain::slot() const { return slot_at(seconds()); }

bool Chain::has_block(std::uint64_t slot) const { return number_of(seed_, "missed block", slot) % 100 != 0; }

std::uint64_t Chain::last_block(std::uint64_t slot) const {
  while (!has_block(slot)) --slot;
  return slot;
}

std::uint64_t Chain::beacon_head_slot() const {
  return last_block(slot_at(faults_.since_seconds("beacon", "head-stalls")));
}

std::uint64_t Chain::finalized_epoch() const { return beacon_head_slot() / kSlotsPerEpoch - 2; }

std::uint64_t Chain::justified_epoch() const { return beacon_head_slot() / kSlotsPerEpoch - 1; }

std::uint64_t Chain::block_number(std::uint64_t slot) const {
  // Close enough to one block a slot; it need only grow by one where there is a block.
  std::uint64_t missed = 0;
  for (std::uint64_t at = kFirstSlot; at < slot; ++at) missed += has_block(at) ? 0 : 1;
  return kFirstBlock + (slot < kFirstSlot ? 0 : slot - kFirstSlot) - missed;
}

std::uint64_t Chain::execution_head_block() const {
  const double seen = std::min(faults_.since_seconds("geth", "head-stalls"),
                               faults_.since_seconds("beacon", "execution-layer-offline"));
  return block_number(last_block(slot_at(seen)));
}

std::uint64_t Chain::beacon_peers() const {
  const double wave = noise("beacon peers", slot());
  return faults_.active("beacon", "peers-lost") ? static_cast<std::uint64_t>(wave * 3)
                                                : 72 + static_cast<std::uint64_t>(wave * 12);
}

std::uint64_t Chain::execution_peers() const {
  const double wave = noise("execution peers", slot());
  return faults_.active("geth", "peers-lost") ? static_cast<std::uint64_t>(wave * 2)
                                              : 44 + static_cast<std::uint64_t>(wave * 7);
}

double Chain::noise(std::string_view what, std::uint64_t step) const {
  return static_cast<double>(number_of(seed_, what, step) >> 11) * 0x1.0p-53;
}

std::string Chain::hash(std::string_view what, std::uint64_t step, std::size_t bytes) const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "0x";
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::uint64_t byte = number_of(seed_ + i, what, step) & 0xff;
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace simulators
