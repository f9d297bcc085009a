// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/lane_math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/ring/sample.h"

// One build for every x86-64 that also uses what newer ones have, chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define WATCHKEEPER_WIDER_LANES __attribute__((target_clones("avx2", "default")))
#else
#define WATCHKEEPER_WIDER_LANES
#endif

namespace rules::promql::plan {

WATCHKEEPER_WIDER_LANES
void add_compensated(double* __restrict sums, double* __restrict compensations, const double* __restrict values,
                     std::size_t count) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    const double x = values[i];
    const double sum = sums[i];
    const double compensation = compensations[i];
    const bool absent = std::bit_cast<std::uint64_t>(x) == core::ring::kStaleBits;
    const bool first = std::bit_cast<std::uint64_t>(sum) == core::ring::kStaleBits;
    const double next = sum + x;
    const double if_larger = (sum - next) + x;
    const double if_smaller = (x - next) + sum;
    const double lost = std::fabs(sum) >= std::fabs(x) ? if_larger : if_smaller;
    const double kept = compensation + lost;
    const double carried = std::fabs(next) == kInfinity ? 0 : kept;
    sums[i] = absent ? sum : (first ? x : next);
    compensations[i] = absent ? compensation : (first ? 0 : carried);
  }
}

WATCHKEEPER_WIDER_LANES
void extrapolate_counters(const double* __restrict difference, const double* __restrict first,
                          const double* __restrict span, const double* __restrict to_start,
                          const double* __restrict to_end, double divisor, double* __restrict out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const double d = difference[i];
    const double f = first[i];
    const double s = span[i];
    const double start = to_start[i];
    const double to_zero = s * (f / d);
    const double bound = to_zero < start ? to_zero : start;
    const bool bounded = (d > 0) & (f >= 0);
    const double before = bounded ? bound : start;
    const double share = (s + before + to_end[i]) / s;
    const double factor = (s == 0 ? 1 : share) / divisor;
    out[i] = d * factor;
  }
}

WATCHKEEPER_WIDER_LANES
void extrapolate_gauges(const double* __restrict difference, const double* __restrict span,
                        const double* __restrict to_start, const double* __restrict to_end, double* __restrict out,
                        std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const double s = span[i];
    const double share = (s + to_start[i] + to_end[i]) / s;
    out[i] = difference[i] * (s == 0 ? 1 : share);
  }
}

void extrapolate_lanes(const RateLanes& in, double* out, std::size_t count) {
  if (in.counter) {
    extrapolate_counters(in.difference, in.first, in.span, in.to_start, in.to_end, in.divisor, out, count);
  } else {
    extrapolate_gauges(in.difference, in.span, in.to_start, in.to_end, out, count);
  }
}

}  // namespace rules::promql::plan
