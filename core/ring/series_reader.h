// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/ring/ring_state.h"

namespace core::ring {

// Reads one series without a lock: it finds the newest chunk, follows the links to the older ones and copies each
// before it is decoded. What is overwritten meanwhile is found out by its generation, and ends the way back.

// Replaces `out` with the samples in [from_ms, to_ms], oldest first.
void read_samples(const RingState& ring, SeriesNumber series, std::uint32_t generation, std::int64_t from_ms,
                  std::int64_t to_ms, std::vector<Sample>& out);

// The newest sample, at whatever cost.
std::optional<Sample> find_newest(const RingState& ring, SeriesNumber series, std::uint32_t generation);
std::optional<Sample> find_newest(const RingState& ring, SeriesNumber series, std::uint32_t generation,
                                  NewestScrape& remembered);

// The same samples folded; false if that takes looking at each of them (read_samples() and fold what it gives).
bool fold_counter(const RingState& ring, SeriesNumber series, std::uint32_t generation, std::int64_t from_ms,
                  std::int64_t to_ms, CounterWindow& out);
// Replaces `out` with those of all these series, in their order; `left` with the places of those for which it is false.
void fold_counters(const RingState& ring, std::span<const SeriesRef> series, std::int64_t from_ms, std::int64_t to_ms,
                   std::vector<CounterWindow>& out, std::vector<std::size_t>& left);

}  // namespace core::ring
