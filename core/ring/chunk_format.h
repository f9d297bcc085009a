// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "core/ring/value_domain.h"

// How a chunk lies in its slot of 128 bytes. docs/formats/ring.md has the same as a table, with a worked example.
namespace core::ring {

inline constexpr std::size_t kSlotWords = 16;
inline constexpr std::size_t kSlotBytes = kSlotWords * 8;
inline constexpr std::uint32_t kSlotBits = kSlotWords * 64;

// A word of the mapped file that one thread writes and any thread reads.
using Word = std::atomic<std::uint64_t>;
static_assert(sizeof(Word) == 8 && Word::is_always_lock_free);

struct Slot {
  std::array<Word, kSlotWords> words;
};
static_assert(sizeof(Slot) == kSlotBytes);

// A copy of a slot, with a word of zeros behind it so that reading a field never looks at its end.
using SlotImage = std::array<std::uint64_t, kSlotWords + 1>;

// Names one use of one slot.
struct ChunkLink {
  static constexpr std::uint32_t kNoSlot = (1U << 27) - 1;
  std::uint32_t slot = kNoSlot;
  std::uint16_t generation = 0;
  bool none() const { return slot == kNoSlot; }
  bool operator==(const ChunkLink&) const = default;
};

// Word 0: what the writer publishes, in one store.
struct ChunkHead {
  std::uint16_t generation = 0;
  std::uint16_t controls = 0;  // 12 bits
  bool timed = false;          // its samples have times of their own
  bool starts = false;         // the first one on its timeline: the stream begins with where the series was before
  bool escaped = false;        // a value did not fit into its widths
  bool uneven = false;         // somewhere behind its first sample a value is not the one before or more, or is missing
  std::uint32_t check = 0;

  std::uint64_t pack() const {
    return generation | static_cast<std::uint64_t>(controls & 0xfff) << 16 | static_cast<std::uint64_t>(timed) << 28 |
           static_cast<std::uint64_t>(starts) << 29 | static_cast<std::uint64_t>(escaped) << 30 |
           static_cast<std::uint64_t>(uneven) << 31 | static_cast<std::uint64_t>(check) << 32;
  }
  static ChunkHead unpack(std::uint64_t word) {
    return {static_cast<std::uint16_t>(word),
            static_cast<std::uint16_t>(word >> 16 & 0xfff),
            (word >> 28 & 1) != 0,
            (word >> 29 & 1) != 0,
            (word >> 30 & 1) != 0,
            (word >> 31 & 1) != 0,
            static_cast<std::uint32_t>(word >> 32)};
  }
};

// Widths of differences, by the five bits in the header.
inline constexpr std::array<std::uint8_t, 32> kWidths = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                         11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22,
                                                         24, 26, 28, 30, 32, 36, 40, 46, 52, 64};
// Widths of differences of ulps, by three bits.
inline constexpr std::array<std::uint8_t, 8> kUlpWidths = {0, 1, 2, 3, 4, 5, 6, 8};

// The number in the middle of the differences, in sixteen bits of the stream: sign, exponent 5, mantissa 10.
inline std::int64_t center_of(std::uint32_t code) {
  const auto magnitude = static_cast<std::int64_t>(static_cast<std::uint64_t>(code & 0x3ff) << (code >> 10 & 0x1f));
  return (code & 0x8000) != 0 ? -magnitude : magnitude;
}
std::uint32_t center_code(std::int64_t center);

// How the differences of a chunk are coded. Learned from the chunk before; nothing adapts while decoding.
struct ChunkParams {
  Domain domain;
  std::uint8_t narrow = 0;  // index into kWidths: control 1
  std::uint8_t wide = 0;    // index into kWidths: control 2
  std::uint8_t ulps = 0;    // index into kUlpWidths, kNear only
  std::uint8_t age = 0;     // chunks this series has learned from, 1 at most
  bool has_center = false;
  std::uint16_t center = 0;  // as center_code()
  bool operator==(const ChunkParams&) const = default;
};

// A chunk's way back to the one before it. Seven bits of the generation are enough: a chunk is overwritten at most one
// round of the ring after the one before it. How many controls that one had when it was left tells whether the disk has
// its last version, after the machine was started anew.
struct PreviousChunk {
  ChunkLink link;  // seven bits of the generation count
  std::uint16_t controls = 0;
  bool fell = false;  // the first value of this chunk is less than the last one of that, or one of them is no number
  bool operator==(const PreviousChunk&) const = default;
};
inline constexpr std::uint16_t kLinkGenerations = 0x7f;

// Word 1: the chunk before it, and all of ChunkParams but the center.
inline std::uint64_t pack_previous(const PreviousChunk& previous, const ChunkParams& params) {
  return previous.link.slot | static_cast<std::uint64_t>(previous.link.generation & kLinkGenerations) << 27 |
         static_cast<std::uint64_t>(previous.controls & 0x1ff) << 34 |
         static_cast<std::uint64_t>(domain_code(params.domain)) << 43 |
         static_cast<std::uint64_t>(params.narrow) << 48 | static_cast<std::uint64_t>(params.wide) << 53 |
         static_cast<std::uint64_t>(params.ulps) << 58 | static_cast<std::uint64_t>(params.age) << 61 |
         static_cast<std::uint64_t>(previous.fell) << 62 | static_cast<std::uint64_t>(params.has_center) << 63;
}
inline PreviousChunk unpack_previous(std::uint64_t word) {
  return {{static_cast<std::uint32_t>(word & ChunkLink::kNoSlot),
           static_cast<std::uint16_t>(word >> 27 & kLinkGenerations)},
          static_cast<std::uint16_t>(word >> 34 & 0x1ff),
          (word >> 62 & 1) != 0};
}
// `second` is word 2, whose upper half begins the stream.
inline ChunkParams unpack_params(std::uint64_t word, std::uint64_t second) {
  ChunkParams params;
  params.domain = domain_of(word >> 43 & 0x1f);
  params.narrow = static_cast<std::uint8_t>(word >> 48 & 0x1f);
  params.wide = static_cast<std::uint8_t>(word >> 53 & 0x1f);
  params.ulps = static_cast<std::uint8_t>(word >> 58 & 0x7);
  params.age = static_cast<std::uint8_t>(word >> 61 & 0x1);
  params.has_center = (word >> 63) != 0;
  if (params.has_center) params.center = static_cast<std::uint16_t>(second >> 32);
  return params;
}

// The stream: data from here upwards, controls of two bits from the slot's end downwards.
inline constexpr std::uint32_t kStreamBegin = 160;
inline constexpr std::uint32_t kCenterBits = 16;
// What a chunk that starts a timeline says first: the timeline before, and the scrape on it where the series left.
inline constexpr std::uint32_t kStartsTimelineBits = 16;
inline constexpr std::uint32_t kStartsIndexBits = 32;
inline constexpr std::uint16_t kNoTimeline = 0xffff;

enum Control : std::uint32_t { kSame = 0, kNarrow = 1, kWide = 2, kEscape = 3 };
// What follows an escape, in three bits of data.
enum Escape : std::uint32_t {
  kShortRun = 0,  // the value stood still: 6 bits, less kShortRunLeast
  kRun = 1,       // 12 bits, less kRunLeast
  kLongRun = 2,   // 32 bits
  kRaw = 3,       // a value outside the domain: 64 bits
  kFar = 4,       // a difference beyond both widths: 6 bits of width less one, the difference
  kAbsent = 5,    // no sample here nor after, until kReturn
  kReturn = 6,    // 32 bits: how many scrapes were without; the next control is the sample after them
};
inline constexpr std::uint32_t kEscapeBits = 3;
// A run shorter than this is cheaper as controls.
inline constexpr std::uint32_t kShortRunLeast = 6;
inline constexpr std::uint32_t kShortRunBits = 6;
inline constexpr std::uint32_t kRunLeast = kShortRunLeast + (1U << kShortRunBits);
inline constexpr std::uint32_t kRunBits = 12;
inline constexpr std::uint32_t kLongRunLeast = kRunLeast + (1U << kRunBits);
inline constexpr std::uint32_t kFarWidthBits = 6;
// Before a timed sample's value stands its time: 0 for the same step as before; 01 for a change of the step of so many
// bits; 11 for the step itself, in 64 bits.
inline constexpr std::uint32_t kTimedChangeBits = 20;

// What ChunkHead::uneven and PreviousChunk::fell say of a value and the one before it. True also where one is NaN.
inline bool is_uneven(std::uint64_t previous, std::uint64_t bits) {
  return !(std::bit_cast<double>(bits) >= std::bit_cast<double>(previous));
}

// Running check of what a chunk says, kept in word 0: seeded with whose it is and where, then one step an event.
inline std::uint32_t check_step(std::uint32_t check, std::uint32_t index, std::uint64_t bits) {
  std::uint64_t x = (bits ^ (static_cast<std::uint64_t>(check) << 32 | check)) * 0x9e3779b97f4a7c15ULL;
  x = (x ^ x >> 29 ^ index) * 0xbf58476d1ce4e5b9ULL;
  return static_cast<std::uint32_t>(x >> 32);
}
inline constexpr std::uint64_t kAbsentCheckBits = 0x7ff0000000000ab5ULL;

}  // namespace core::ring
