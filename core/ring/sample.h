// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace core::ring {

// One measurement: milliseconds since the Unix epoch, and a double. Bit patterns matter: a stale marker is a NaN.
struct Sample {
  std::int64_t time_ms = 0;
  double value = 0;
};

// The NaN by which Prometheus marks the end of a series (model/value/value.go, StaleNaN). Ordinary NaNs have other
// bits.
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;
// The NaN that stands for "not a number" proper (NormalNaN); parsers produce this one.
inline constexpr std::uint64_t kNanBits = 0x7ff8000000000001;

inline double stale_marker() { return std::bit_cast<double>(kStaleBits); }
inline double normal_nan() { return std::bit_cast<double>(kNanBits); }
inline bool is_stale(double value) { return std::bit_cast<std::uint64_t>(value) == kStaleBits; }
// Equality of what was stored: NaNs with equal bits are equal, 0 and -0 are not.
inline bool same_bits(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

}  // namespace core::ring
