// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/result.h"
#include "core/ring/ring_layout.h"

namespace core::ring {

using TimelineNumber = std::uint16_t;

// A stretch of scrapes, both ends included; empty if last < first. 64 bits so that ends can lie outside all scrapes.
struct ScrapeRange {
  std::int64_t first = 0;
  std::int64_t last = -1;
  bool empty() const { return last < first; }
};

// The times of scrapes: a ring of pages that all timelines share, and for each timeline which pages are its own. A page
// is taken from whoever wrote the oldest one; a scrape whose page is gone has no time any more, and no samples.
//
// Thread safety: open(), close() and take_page() take a lock; begin(), publish() and burn() belong to the timeline's
// owner; the rest is for any thread and takes none.
class Timelines {
 public:
  Timelines(std::byte* file, const RingGeometry& geometry, Superblock& superblock);

  struct Opened {
    TimelineNumber number = 0;
    std::uint32_t next = 0;  // the scrape that is published next
    bool continued = false;  // of the same identity as before
  };
  // Continues the closed timeline of that identity, or begins one in the place of the one that was closed longest ago.
  Result<Opened> open(std::uint64_t identity);
  void close(TimelineNumber number);

  // The scrape at `time_ms` will be the next published. Its number: usually `next`, later if times must skip a page.
  std::uint32_t begin(TimelineNumber number, std::uint32_t next, std::int64_t time_ms);
  // The samples of the next scrape are about to be written; until publish() a process that ends leaves some of them.
  void begin_writing(TimelineNumber number) {
    // release: whoever finds a sample of the scrape in the file finds this.
    entry(number).writing.store(1, std::memory_order_release);
  }
  bool was_writing(TimelineNumber number) const { return entry(number).writing.load(std::memory_order_relaxed) != 0; }
  // Makes the scrape visible, after all its samples are in place.
  void publish(TimelineNumber number, std::uint32_t index);
  // The scrape will never be published, and nothing is at its time.
  void burn(TimelineNumber number, std::uint32_t index);

  // Scrapes published so far. acquire: whoever sees the count sees the samples of the scrapes it counts.
  std::uint32_t count(TimelineNumber number) const {
    return static_cast<std::uint32_t>(entry(number).count.load(std::memory_order_acquire));
  }
  // Scrapes below belonged to another timeline.
  std::uint32_t first(TimelineNumber number) const {
    return static_cast<std::uint32_t>(entry(number).span.load(std::memory_order_acquire));
  }
  bool known(TimelineNumber number) const { return number < geometry_.max_timelines; }

  // The time of a published scrape; none if it was burnt or its page is gone.
  std::optional<std::int64_t> time_of(TimelineNumber number, std::uint32_t index) const;
  // The newest scrape below `end` that has a time.
  struct Scrape {
    std::uint32_t index = 0;
    std::int64_t time_ms = 0;
  };
  std::optional<Scrape> newest_before(TimelineNumber number, std::uint32_t end) const;
  // The scrapes below `end` whose times lie in [from_ms, to_ms]; the pages of all of them were there.
  ScrapeRange find(TimelineNumber number, std::uint32_t end, std::int64_t from_ms, std::int64_t to_ms) const;

  // A page of times, as seen at one moment. `still()` says whether what was read from it since then was right.
  struct PageView {
    const TimePage* times = nullptr;
    const PageEntry* entry = nullptr;
    std::uint64_t owner = 0;
    std::int64_t base_ms = 0;
    bool still() const { return entry->owner.load(std::memory_order_relaxed) == owner; }
  };
  std::optional<PageView> page_of(TimelineNumber number, std::uint32_t index) const;

  // The oldest and the newest time there are, over all timelines; 0 if there are none. Looks at every page's head.
  std::int64_t oldest_ms() const;
  std::int64_t newest_ms() const;
  std::uint64_t pages_used() const;
  std::uint32_t max() const { return geometry_.max_timelines; }
  // All that were ever used are below.
  std::uint32_t used() const;

  // After the machine was started anew: drops pages whose times are not what was published, and ends every timeline, as
  // their pages and those of the series need not have reached the disk together. Returns the pages dropped.
  std::uint64_t verify();
  // After a start: puts together what is known in ordinary memory only. kUsed goes by what the superblock says was ever
  // used, so that the rest of the table need not come from the disk.
  enum class Extent { kUsed, kAll };
  void adopt(Extent extent);
  // Fills this ring's timelines, which were never used, from another ring's: the newest timelines and pages, as many as
  // there is room for. Returns the number here of each number there, kNoTimeline for those left behind.
  std::vector<TimelineNumber> take_over(const Timelines& other);

 private:
  TimelineEntry& entry(TimelineNumber number) const { return entries_[number]; }
  static TimelineState state_of(const TimelineEntry& entry) {
    return static_cast<TimelineState>(entry.span.load(std::memory_order_relaxed) >> 56);
  }
  std::uint32_t take_page(TimelineNumber number, std::uint32_t index, std::int64_t base_ms);
  // REQUIRES: mutex_ is held.
  std::uint32_t take_page_locked(TimelineNumber number, std::uint32_t index, std::int64_t base_ms);
  std::optional<TimelineNumber> find_closed(std::uint64_t identity) const;
  std::optional<TimelineNumber> choose_free() const;
  void set_state(TimelineNumber number, std::uint32_t first, TimelineState state);
  void keep_page(TimelineNumber number);
  void give_up_page(TimelineNumber number);
  static void mark_burnt(const PageView& view, std::uint32_t index);
  std::uint32_t count_check(TimelineNumber number, std::uint32_t count) const;
  void store_count(TimelineNumber number, std::uint32_t count);
  std::optional<std::uint32_t> sound_until(std::uint32_t page) const;
  bool only_burnt(std::uint32_t page, std::uint32_t from, std::uint32_t end) const;
  std::int64_t newest_of(TimelineNumber number) const;

  RingGeometry geometry_;
  Superblock& superblock_;
  TimelineEntry* const entries_;
  PageEntry* const page_entries_;
  TimePage* const pages_;

  std::mutex mutex_;
  // Below: guarded by mutex_.
  std::vector<bool> current_;           // pages that a timeline writes to
  std::vector<std::uint32_t> page_of_;  // by timeline: that page + 1; 0 if it has none
  std::vector<bool> torn_;              // by timeline: its next scrape may have been begun by another process
  std::unordered_map<std::uint64_t, TimelineNumber> by_identity_;
  std::vector<std::uint64_t> closed_at_;  // by timeline: when it was closed, in closings; 0 while open
  std::uint64_t closings_ = 0;
  TimelineNumber unused_from_ = 0;  // from here on none was ever used
};

}  // namespace core::ring
