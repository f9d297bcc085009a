// SPDX-License-Identifier: Apache-2.0
#include "core/ring/chunk_learning.h"

#include "core/ring/chunk_decode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <optional>

namespace core::ring {
namespace {

constexpr std::array<std::uint8_t, 65> kIndexOfWidth = [] {
  std::array<std::uint8_t, 65> built{};
  std::uint8_t index = 0;
  for (std::uint32_t i = 0; i < built.size(); ++i) {
    while (kWidths[index] < i) ++index;
    built[i] = index;
  }
  return built;
}();

// How many differences need each width of the table.
struct Histogram {
  std::array<std::uint32_t, kWidths.size()> counts{};
  std::uint32_t present = 0;  // bit i: there are some of width i

  void add(std::int64_t difference) {
    const std::uint8_t index = kIndexOfWidth[signed_width(difference)];
    ++counts[index];
    present |= 1U << index;
  }
};
static_assert(kWidths.size() <= 32);

struct Pair {
  std::uint8_t narrow = 0;
  std::uint8_t wide = 0;
  std::uint32_t bits = std::numeric_limits<std::uint32_t>::max();
};

constexpr std::uint32_t kFarBits = kEscapeBits + kFarWidthBits;

// Tries every pair of widths that occur.
Pair best_pair(const Histogram& histogram) {
  std::array<std::uint8_t, kWidths.size()> index;    // of the widths that occur
  std::array<std::uint32_t, kWidths.size()> within;  // differences at or below each of them
  std::size_t count = 0;
  std::uint32_t total = 0;
  for (std::uint32_t rest = histogram.present; rest != 0; rest &= rest - 1) {
    index[count] = static_cast<std::uint8_t>(std::countr_zero(rest));
    total += histogram.counts[index[count]];
    within[count++] = total;
  }
  // The fewest bits, and of pairs that need as many the narrowest, as one number: which of two is less is nothing to
  // guess.
  std::uint64_t best = std::numeric_limits<std::uint64_t>::max();
  std::uint32_t far = 0;  // bits of those above the wide width, as escapes
  for (std::size_t wide = count; wide-- > 0;) {
    const std::uint32_t wide_bits = kWidths[index[wide]];
    for (std::size_t narrow = 0; narrow <= wide; ++narrow) {
      const std::uint32_t bits =
          within[narrow] * kWidths[index[narrow]] + (within[wide] - within[narrow]) * wide_bits + far;
      best = std::min(best, std::uint64_t{bits} << 16 | wide << 8 | narrow);
    }
    far += histogram.counts[index[wide]] * (kFarBits + wide_bits);
  }
  if (count == 0) return {};
  return {index[best & 0xff], index[best >> 8 & 0xff], static_cast<std::uint32_t>(best >> 16)};
}

std::int64_t distance(std::int64_t value, std::int64_t from) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(from));
}

// Of up to 15 of the differences, spread over all of them.
std::int64_t median(std::span<const Difference> differences) {
  std::array<std::int64_t, 15> values;
  const std::size_t step = (differences.size() + values.size() - 1) / values.size();
  std::size_t count = 0;
  for (std::size_t i = 0; i < differences.size(); i += step) {
    std::size_t at = count++;
    for (; at > 0 && values[at - 1] > differences[i].m; --at) values[at] = values[at - 1];
    values[at] = differences[i].m;
  }
  return values[count / 2];
}

std::uint8_t ulp_index(std::span<const Difference> differences) {
  std::uint32_t widest = 0;
  for (const Difference& each : differences) widest = std::max(widest, signed_width(each.ulps));
  std::uint8_t index = 0;
  while (index + 1U < kUlpWidths.size() && kUlpWidths[index] < widest) ++index;
  return index;
}

}  // namespace

std::uint8_t width_index(std::uint32_t width) { return kIndexOfWidth[std::min<std::uint32_t>(width, 64)]; }

std::uint32_t center_code(std::int64_t center) {
  const std::uint64_t magnitude =
      center < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(center) : static_cast<std::uint64_t>(center);
  const auto bits = static_cast<std::uint32_t>(std::bit_width(magnitude));
  const std::uint32_t shift = bits > 10 ? bits - 10 : 0;
  if (shift > 31) return 0;
  return (center < 0 ? 0x8000U : 0U) | shift << 10 | static_cast<std::uint32_t>(magnitude >> shift);
}

ChunkParams learn_params(Domain domain, std::span<const Difference> differences) {
  ChunkParams params;
  params.domain = domain;
  if (differences.empty()) {
    params.narrow = width_index(4);
    params.wide = width_index(12);
    params.ulps = 3;
    return params;
  }
  const auto code = static_cast<std::uint16_t>(center_code(median(differences)));
  const std::int64_t center = center_of(code);
  Histogram plain;
  Histogram centered;
  for (const Difference& each : differences) {
    plain.add(each.m);
    centered.add(distance(each.m, center));
  }
  Pair chosen = best_pair(plain);
  if (center != 0) {
    const Pair other = best_pair(centered);
    if (other.bits + kCenterBits < chosen.bits) {
      chosen = other;
      params.has_center = true;
      params.center = code;
    }
  }
  params.narrow = chosen.narrow;
  params.wide = chosen.wide;
  if (domain.kind == DomainKind::kNear) params.ulps = ulp_index(differences);
  return params;
}

namespace {

constexpr std::size_t kValuesMax = (kSlotBits - kStreamBegin) / 2 + 2;

// The values of a chunk, each run once.
struct Values {
  std::array<std::uint64_t, kValuesMax> bits;
  std::size_t count = 0;

  void add(std::uint64_t value) {
    if (count < bits.size() && (count == 0 || bits[count - 1] != value)) bits[count++] = value;
  }
  static constexpr bool kMantissas = false;
  static constexpr bool kOnlyFirst = false;
  std::uint32_t first() const { return 0; }
  bool one(std::uint32_t, double value) {
    add(std::bit_cast<std::uint64_t>(value));
    return true;
  }
  bool many(std::uint32_t, const double* values, std::uint32_t more) {
    for (std::uint32_t i = 0; i < more; ++i) add(std::bit_cast<std::uint64_t>(values[i]));
    return true;
  }
  bool timed(std::int64_t, double value) { return one(0, value); }
  bool run(std::uint32_t, std::uint32_t, double) { return true; }
  bool absent(std::uint32_t) { return true; }
};

bool is_number(std::uint64_t bits) { return (bits >> 52 & 0x7ff) != 0x7ff; }

// The domain of a chunk's numbers; the others go as escapes whatever it is.
Domain domain_for(const Values& values) {
  std::optional<Domain> domain;
  for (std::size_t i = 0; i < values.count; ++i) {
    if (!is_number(values.bits[i])) continue;
    const double value = std::bit_cast<double>(values.bits[i]);
    domain = domain ? widen_domain(*domain, value) : find_domain(value);
  }
  return domain.value_or(Domain{});
}

ChunkParams learn_from(Domain domain, const Values& values) {
  std::array<Difference, kValuesMax> differences;
  std::size_t count = 0;
  std::optional<Mantissa> before;
  for (std::size_t i = 0; i < values.count; ++i) {
    const Mantissa mantissa = mantissa_of(domain, std::bit_cast<double>(values.bits[i]));
    if (!mantissa.exact || (domain.kind == DomainKind::kBits && !is_number(values.bits[i]))) continue;
    if (before) {
      differences[count++] = {distance(mantissa.m, before->m), mantissa.ulps - before->ulps};
    }
    before = mantissa;
  }
  return learn_params(domain, std::span(differences).first(count));
}

// A series has settled when it has learned from a whole chunk: looking again each time finds next to nothing more.
constexpr std::uint8_t kMature = 1;
// It is looked at all the same once in so many chunks.
constexpr std::uint32_t kLookedAtEach = 16;

}  // namespace

bool keeps_params(const ChunkHead& head, const ChunkParams& params, std::uint32_t index, std::uint64_t next_bits) {
  return params.age == kMature && !head.escaped && (head.generation + index) % kLookedAtEach != 0 &&
         mantissa_of(params.domain, std::bit_cast<double>(next_bits)).exact;
}

ChunkParams next_params(const SlotImage& last, std::uint64_t next_bits) {
  const ChunkStart start = decode_start(last);
  if (keeps_params(start.head, start.params, start.index, next_bits)) return start.params;
  const bool fits = mantissa_of(start.params.domain, std::bit_cast<double>(next_bits)).exact;
  Values values;
  if (start.head.timed) {
    walk_timed<false>(last, start, values);
  } else {
    walk_chunk<false>(last, start, values);
  }
  values.add(next_bits);
  const bool settled = start.params.age == kMature && !start.head.escaped && fits;
  Domain domain = settled ? start.params.domain : domain_for(values);
  // The chunk begins with this value, number or not.
  if (!mantissa_of(domain, std::bit_cast<double>(next_bits)).exact) domain = {};
  ChunkParams params = learn_from(domain, values);
  params.age = static_cast<std::uint8_t>(std::min<int>(start.params.age + 1, kMature));
  return params;
}

ChunkParams first_params(std::uint64_t first_bits, std::uint64_t next_bits) {
  Values values;
  values.add(first_bits);
  values.add(next_bits);
  Domain domain = domain_for(values);
  if (!mantissa_of(domain, std::bit_cast<double>(first_bits)).exact) domain = {};
  ChunkParams params = learn_from(domain, values);
  // One difference says little: the other width is for larger ones.
  if (!params.has_center) params.wide = width_index(kWidths[params.narrow] + 3U);
  return params;
}

}  // namespace core::ring
