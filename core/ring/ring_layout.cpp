// SPDX-License-Identifier: Apache-2.0
#include "core/ring/ring_layout.h"

#include <algorithm>

namespace core::ring {
namespace {

constexpr std::uint64_t kBytesPerTimeline = 128ULL << 10;
constexpr std::uint64_t kTimelinesLeast = 128;
constexpr std::uint64_t kTimelinesMost = 8192;
// Of what tables and labels leave, so much is for times.
constexpr std::uint64_t kTimesShare = 16;
// Pages beyond one for each timeline.
constexpr std::uint64_t kSparePages = 16;
constexpr std::uint64_t kSegmentsLeast = 128;

std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + kRegionAlignment - 1) / kRegionAlignment * kRegionAlignment;
}

}  // namespace

std::uint32_t superblock_check(const Superblock& superblock) {
  std::uint32_t check = superblock.version;
  for (const char c : superblock.magic) check = check_step(check, 0, static_cast<unsigned char>(c));
  return check_step(check_step(check, 1, superblock.file_bytes), 2, superblock.max_series);
}

Result<RingGeometry> RingGeometry::make(std::uint64_t file_bytes, std::uint64_t max_series) {
  RingGeometry g;
  g.file_bytes = file_bytes / kRegionAlignment * kRegionAlignment;
  g.max_series = max_series;
  const auto refuse = [&] {
    return fail(Errc::kInvalid, "a ring of {} bytes has no room for {} series (ring.size, ring.max_series)", file_bytes,
                max_series);
  };
  // References are 32 bits, those of labels in granules of kLabelGranule bytes; a slot's number has 27.
  constexpr std::uint64_t kSeriesMost = (1ULL << 32) / (kLabelBytesPerSeries / kLabelGranule) - 1;
  if (max_series == 0 || max_series > file_bytes / sizeof(SeriesEntry) || max_series > kSeriesMost) return refuse();
  g.max_timelines =
      static_cast<std::uint32_t>(std::clamp(g.file_bytes / kBytesPerTimeline, kTimelinesLeast, kTimelinesMost));
  g.label_bytes = std::max<std::uint64_t>(aligned(max_series * kLabelBytesPerSeries), 16 * kRegionAlignment);
  g.series_at = kRegionAlignment;
  g.labels_at = g.series_at + aligned(max_series * sizeof(SeriesEntry));
  g.timelines_at = g.labels_at + g.label_bytes;
  g.page_entries_at = g.timelines_at + aligned(g.max_timelines * sizeof(TimelineEntry));
  if (g.page_entries_at >= g.file_bytes) return refuse();
  const std::uint64_t rest = g.file_bytes - g.page_entries_at;
  g.pages = static_cast<std::uint32_t>(std::max(rest / kTimesShare / sizeof(TimePage), g.max_timelines + kSparePages));
  g.pages_at = g.page_entries_at + aligned(g.pages * sizeof(PageEntry));
  g.segment_times_at = g.pages_at + g.pages * sizeof(TimePage);
  if (g.segment_times_at + kRegionAlignment >= g.file_bytes) return refuse();
  const std::uint64_t bytes = g.file_bytes - g.segment_times_at - kRegionAlignment;
  const std::uint64_t segments = bytes / (kSlotsPerSegment * kSlotBytes + sizeof(Word));
  if (segments < kSegmentsLeast) return refuse();
  g.segments =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(segments, (ChunkLink::kNoSlot - 1) / kSlotsPerSegment));
  g.slots_at = g.segment_times_at + aligned(g.segments * sizeof(Word));
  return g;
}

}  // namespace core::ring
