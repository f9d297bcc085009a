// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "core/ring/chunk_format.h"

namespace core::ring {

// One change of a series' value, in a domain.
struct Difference {
  std::int64_t m = 0;     // from the sample before
  std::int32_t ulps = 0;  // likewise
};

// Parameters for differences like these: the pair of widths, and the middle, that take the fewest bits. Without any,
// what suits small whole numbers.
ChunkParams learn_params(Domain domain, std::span<const Difference> differences);

// Whether a series goes on with the parameters of its last chunk, `head`, `params` and `index` being that one's: it has
// settled, and its values fit. Now and then it is looked at again all the same.
bool keeps_params(const ChunkHead& head, const ChunkParams& params, std::uint32_t index, std::uint64_t next_bits);
// What to code the next chunk of a series with: from its last chunk, and the value that comes next.
ChunkParams next_params(const SlotImage& last, std::uint64_t next_bits);
// The same for a series without a chunk yet: from its only two values.
ChunkParams first_params(std::uint64_t first_bits, std::uint64_t next_bits);

// Signed bits that hold `value`: 0 for 0, 1 for -1, 2 for 1 and -2, ...
inline std::uint32_t signed_width(std::int64_t value) {
  // Nothing here is for the processor to guess. folded < 2^63, so that what is asked for the first bit is never 0.
  const auto folded = static_cast<std::uint64_t>(value ^ (value >> 63));
  return static_cast<std::uint32_t>(63 - std::countl_zero(folded << 1 | 1)) + static_cast<std::uint32_t>(value != 0);
}
// The smallest index into kWidths of at least `width`.
std::uint8_t width_index(std::uint32_t width);

}  // namespace core::ring
