// SPDX-License-Identifier: Apache-2.0
// What the writers of ring_kill_test append: a function of series, number of the scrape and round, so that the process
// that checks knows it without being told.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>

#include "core/ring/labels.h"
#include "core/ring/sample.h"
#include "test/unit/core/ring/ring_model.h"
#include "test/unit/core/ring/value_families.h"

namespace fault_test {

using core::ring::Labels;
using core::ring::Sample;
using ring_test::Random;

inline constexpr std::size_t kTimelines = 4;
inline constexpr std::size_t kSeries = 36;   // of a timeline, for good
inline constexpr std::size_t kPassing = 3;   // of a timeline, under new labels every epoch
inline constexpr std::int64_t kEpoch = 150;  // scrapes
inline constexpr std::int64_t kStartMs = 1'700'000'000'000;
inline constexpr std::int64_t kStepMs = 15'000;
inline constexpr std::int64_t kJitterMs = 300;
inline constexpr std::int64_t kEarlyMs = 500;  // by which own timestamps lie before their scrape

// One series of the script. Slots below kSeries last, those above pass.
struct Slot {
  std::size_t timeline = 0;
  std::size_t number = 0;
  std::int64_t epoch = 0;

  // The one that has this number when the timeline comes to this scrape.
  static Slot at(std::size_t timeline, std::size_t number, std::int64_t scrape) {
    return {timeline, number, number < kSeries ? 0 : scrape / kEpoch};
  }

  bool passing() const { return number >= kSeries; }
  bool own_time() const { return !passing() && number % 9 == 7; }

  Labels labels() const {
    const std::string slot = std::to_string(number);
    const std::string where = std::to_string(timeline);
    if (!passing()) return {{"__name__", "lasting"}, {"slot", slot}, {"timeline", where}};
    return {{"__name__", "passing"}, {"epoch", std::to_string(epoch)}, {"slot", slot}, {"timeline", where}};
  }
};

inline std::uint64_t dice(std::uint64_t a, std::uint64_t b, std::uint64_t c = 0) {
  return Random::mix(Random::mix(a * 0x9e3779b97f4a7c15ULL + b) ^ (c * 0xd1342543de82ef95ULL));
}

inline std::int64_t time_of(std::size_t timeline, std::int64_t scrape) {
  const auto jitter = dice(timeline, static_cast<std::uint64_t>(scrape)) % static_cast<std::uint64_t>(kJitterMs);
  return kStartMs + scrape * kStepMs + static_cast<std::int64_t>(jitter);
}

// Which scrape has a sample of this time.
inline std::int64_t scrape_at(std::int64_t time_ms) { return (time_ms + kEarlyMs - kStartMs) / kStepMs; }

// What the series has in this scrape, if anything. Some series depend on the round, so that what a killed writer left
// half done cannot pass for what the next one wrote; others do not, so that their runs go on over restarts.
inline std::optional<Sample> sample_of(const Slot& slot, std::int64_t scrape, std::uint64_t round) {
  const auto n = static_cast<std::uint64_t>(scrape);
  const std::uint64_t self = slot.timeline * 1000 + slot.number + static_cast<std::uint64_t>(slot.epoch) * 10'000;
  Sample sample{time_of(slot.timeline, scrape), 0};
  if (slot.passing() && scrape / kEpoch != slot.epoch) return std::nullopt;
  switch (slot.number % 9) {
    case 0:  // in every scrape: it tells how far the timeline came
      sample.value = static_cast<double>(n * (1 + slot.number));
      break;
    case 1:
      sample.value = static_cast<double>(slot.number);
      break;
    case 2:
      sample.value = static_cast<double>(dice(self, n / 97) % 5);
      break;
    case 3:
      sample.value = static_cast<double>(dice(self, n, round) % 400) - 200;
      break;
    case 4:
      if (dice(self, n / 5) % 4 == 0) return std::nullopt;
      sample.value = static_cast<double>(dice(self, n / 2, round) % 100'000) / 1000;
      break;
    case 5:
      sample.value = std::bit_cast<double>(dice(self, n, round));
      break;
    case 6:
      if (n / 11 % 3 == 1) return std::nullopt;
      sample.value = 0.25;
      break;
    case 7:  // under a time of its own, the same in three scrapes
      sample.time_ms = time_of(slot.timeline, scrape / 3 * 3) - kEarlyMs;
      sample.value = static_cast<double>(dice(self, n / 3) % 50);
      break;
    default:
      sample.value = std::bit_cast<double>(
          ring_test::kSpecialBits[dice(self, n / 4, n % 40 < 20 ? round : 0) % ring_test::kSpecialBits.size()]);
      break;
  }
  return sample;
}

}  // namespace fault_test
