// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "core/ring/labels.h"
#include "core/ring/sample.h"

namespace oracle {

struct MadeSeries {
  core::ring::Labels labels;
  std::vector<core::ring::Sample> samples;  // by time
};

// The samples lie in the fifty minutes from here on, all of them 1 to 499 ms after a whole second: a window that ends
// 700 ms after one, or at one, has no sample at its borders. Prometheus 2.42 still counted both of them.
inline constexpr std::int64_t kStartMs = 1'700'000'000'000;
inline constexpr std::int64_t kSpanSeconds = 3000;

// Counters (high_total: with gaps, and so high that no extrapolation reaches zero; low_total: near zero and often
// reset, without gaps), gauges with gaps and stale markers, special values, a sparse series, classic histograms, an
// info metric.
std::vector<MadeSeries> make_series(std::uint64_t seed);

}  // namespace oracle
