// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/ring/labels.h"

namespace ring_bench {

// In a row or a table of values: the series was not in that scrape. A NaN that no exporter writes.
inline constexpr std::uint64_t kAbsentBits = 0x7ff00000000000ab;

// Targets and what scraping them gives: what a scrape loop would hand to the ring, without the scraping.
//
// Thread safety: confined to one thread.
class SampleSource {
 public:
  virtual ~SampleSource() = default;

  virtual std::size_t targets() const = 0;
  virtual std::size_t series(std::size_t target) const = 0;
  virtual core::ring::Labels labels(std::size_t target, std::size_t series) const = 0;

  // The target's next scrape, made in interval number `step` (never less than the last): fills `row`, one value a
  // series, and returns the time at which the request went out.
  virtual std::int64_t scrape(std::size_t target, std::int64_t step, std::span<double> row) = 0;
};

// Of all targets together.
std::size_t series_of(const SampleSource& source);

}  // namespace ring_bench
