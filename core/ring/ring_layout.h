// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/result.h"
#include "core/ring/chunk_format.h"

// What lies where in the ring's file. docs/formats/ring.md is the description for readers from outside.
namespace core::ring {

inline constexpr std::array<char, 8> kRingMagic = {'W', 'K', 'R', 'I', 'N', 'G', '\r', '\n'};
inline constexpr std::uint32_t kRingVersion = 2;

inline constexpr std::uint64_t kRegionAlignment = 4096;
inline constexpr std::uint32_t kSlotsPerSegment = 64;
inline constexpr std::uint32_t kTimesPerPage = 1024;
inline constexpr std::uint32_t kPagesPerTimeline = 256;  // so many times kTimesPerPage scrapes are remembered at most
inline constexpr std::uint64_t kLabelBytesPerSeries = 64;
inline constexpr std::uint64_t kLabelGranule = 8;

// One series, in half a cache line. Written by its owner alone.
struct SeriesEntry {
  Word place;    // chunk slot 27, its generation 16 << 27, timeline 16 << 48
  Word last;     // bits of the newest sample
  Word changed;  // scrape 32: the run of `last` began there (SeriesState says what else); generation 32 << 32
  Word labels;   // label set 32, check 24 << 32, state 8 << 56
};
static_assert(sizeof(SeriesEntry) == 32);

enum class SeriesState : std::uint8_t {
  kFree = 0,
  kNew = 1,      // no sample yet
  kPresent = 2,  // `last` since `changed`, up to the timeline's newest scrape
  kAbsent = 3,   // no sample since `changed`
  kLeft = 4,     // no sample on this timeline since `changed`: it is about to be on another one
  kTimed = 5,    // samples with times of their own, the newest of them written in scrape `changed`; `last` is how many
                 // controls the newest chunk from before that scrape had
};

struct SeriesPlace {
  ChunkLink head;
  std::uint16_t timeline = kNoTimeline;

  std::uint64_t pack() const {
    return head.slot | static_cast<std::uint64_t>(head.generation) << 27 | static_cast<std::uint64_t>(timeline) << 48;
  }
  static SeriesPlace unpack(std::uint64_t word) {
    return {{static_cast<std::uint32_t>(word & ChunkLink::kNoSlot), static_cast<std::uint16_t>(word >> 27)},
            static_cast<std::uint16_t>(word >> 48)};
  }
};

inline std::uint64_t pack_changed(std::uint32_t index, std::uint32_t generation) {
  return index | static_cast<std::uint64_t>(generation) << 32;
}
inline std::uint64_t pack_labels(std::uint32_t set, std::uint32_t check, SeriesState state) {
  return set | static_cast<std::uint64_t>(check & 0xffffff) << 32 | static_cast<std::uint64_t>(state) << 56;
}
inline std::uint32_t set_of(std::uint64_t labels) { return static_cast<std::uint32_t>(labels); }
inline SeriesState state_of(std::uint64_t labels) { return static_cast<SeriesState>(labels >> 56); }

// Over the whole entry but itself; looked at after the machine was started anew.
inline std::uint32_t entry_check(std::uint64_t place, std::uint64_t last, std::uint64_t changed, std::uint32_t set,
                                 SeriesState state) {
  const std::uint64_t rest = set | static_cast<std::uint64_t>(state) << 56;
  const std::uint64_t x = (place * 0x9e3779b97f4a7c15ULL) ^ ((last ^ last >> 31) * 0xbf58476d1ce4e5b9ULL) ^
                          ((changed ^ changed >> 33) * 0x94d049bb133111ebULL) ^ (rest * 0xd6e8feb86659fd93ULL);
  return static_cast<std::uint32_t>((x ^ x >> 32) * 0xff51afd7ed558ccdULL >> 40);
}

// One timeline: how many scrapes were published, and which pages hold their times.
struct TimelineEntry {
  Word identity;
  Word span;     // the first scrape 32 that is this timeline's: those before belonged to another one in its place;
                 // state 8 << 56
  Word count;    // scrapes published, 32; check 32 << 32
  Word writing;  // 1 while the samples of the next scrape are being written
  std::array<Word, 4> reserved;
  std::array<std::atomic<std::uint32_t>, kPagesPerTimeline> pages;  // page + 1 of scrape >> 10, modulo
};
static_assert(sizeof(TimelineEntry) == 64 + 4 * kPagesPerTimeline);

enum class TimelineState : std::uint8_t { kFree = 0, kOpen = 1, kClosed = 2 };

// The head of a page of times.
struct PageEntry {
  Word owner;  // timeline 16, scrape >> 10 in 32 << 16, used 1 << 63
  Word base;   // milliseconds since the Unix epoch
  Word check;  // running check of the published times, 32
  Word reserved;
};
static_assert(sizeof(PageEntry) == 32);

// Milliseconds after the page's base, 31 bits; the top bit marks a scrape that was never published.
using TimePage = std::array<std::atomic<std::uint32_t>, kTimesPerPage>;
inline constexpr std::uint32_t kBurnt = 1U << 31;

inline std::uint64_t pack_page_owner(std::uint16_t timeline, std::uint32_t page) {
  return timeline | static_cast<std::uint64_t>(page) << 16 | std::uint64_t{1} << 63;
}

struct Superblock {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t check;  // of magic, version, size and max_series
  std::uint64_t file_bytes;
  std::uint64_t max_series;
  std::array<char, 64> boot_id;  // of the machine's boot in which it was opened last
  Word clean;                    // 1 while closed in order
  Word segments_taken;           // since the file was made; the next one is this modulo their number
  Word pages_taken;
  Word series_used;     // entries of series from here on were never written to
  Word timelines_used;  // likewise of timelines
};
static_assert(sizeof(Superblock) <= kRegionAlignment);

std::uint32_t superblock_check(const Superblock& superblock);

// Sizes and places, all from the file's size and the number of series.
struct RingGeometry {
  std::uint64_t file_bytes = 0;
  std::uint64_t max_series = 0;
  std::uint32_t max_timelines = 0;
  std::uint32_t pages = 0;
  std::uint32_t segments = 0;
  std::uint64_t label_bytes = 0;

  std::uint64_t series_at = 0;
  std::uint64_t labels_at = 0;
  std::uint64_t timelines_at = 0;
  std::uint64_t page_entries_at = 0;
  std::uint64_t pages_at = 0;
  std::uint64_t segment_times_at = 0;
  std::uint64_t slots_at = 0;

  std::uint32_t slots() const { return segments * kSlotsPerSegment; }

  // kInvalid if so many series do not fit into so small a file.
  static Result<RingGeometry> make(std::uint64_t file_bytes, std::uint64_t max_series);
};

}  // namespace core::ring
