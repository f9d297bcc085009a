// SPDX-License-Identifier: Apache-2.0
#include "core/ring/timelines.h"

#include <algorithm>
#include <limits>

namespace core::ring {
namespace {

// Offsets in a page have 31 bits: 24 days. A scrape later than that begins another page.
constexpr std::int64_t kOffsetMax = (std::int64_t{1} << 31) - 1;

std::uint32_t page_number(std::uint32_t index) { return index / kTimesPerPage; }

std::uint32_t slot_in_page(std::uint32_t index) { return index % kTimesPerPage; }

std::int64_t offset_of(std::uint32_t word) { return word & ~kBurnt; }

}  // namespace

Timelines::Timelines(std::byte* file, const RingGeometry& geometry, Superblock& superblock)
    : geometry_(geometry),
      superblock_(superblock),
      entries_(reinterpret_cast<TimelineEntry*>(file + geometry.timelines_at)),
      page_entries_(reinterpret_cast<PageEntry*>(file + geometry.page_entries_at)),
      pages_(reinterpret_cast<TimePage*>(file + geometry.pages_at)),
      current_(geometry.pages, false),
      page_of_(geometry.max_timelines, 0),
      torn_(geometry.max_timelines, false),
      closed_at_(geometry.max_timelines, 0) {}

void Timelines::set_state(TimelineNumber number, std::uint32_t first, TimelineState state) {
  // release: a reader that sees the new beginning sees what was stored before.
  entries_[number].span.store(first | static_cast<std::uint64_t>(state) << 56, std::memory_order_release);
}

std::optional<TimelineNumber> Timelines::find_closed(std::uint64_t identity) const {
  if (identity == 0) return std::nullopt;
  const auto found = by_identity_.find(identity);
  if (found == by_identity_.end() || state_of(entries_[found->second]) != TimelineState::kClosed) return std::nullopt;
  return found->second;
}

std::optional<TimelineNumber> Timelines::choose_free() const {
  if (unused_from_ < geometry_.max_timelines) return unused_from_;
  std::optional<TimelineNumber> oldest;
  for (std::uint32_t i = 0; i < geometry_.max_timelines; ++i) {
    const auto number = static_cast<TimelineNumber>(i);
    if (state_of(entries_[number]) == TimelineState::kOpen) continue;
    if (!oldest || closed_at_[number] < closed_at_[*oldest]) oldest = number;
  }
  return oldest;
}

Result<Timelines::Opened> Timelines::open(std::uint64_t identity) {
  const std::lock_guard lock(mutex_);
  if (const auto closed = find_closed(identity)) {
    set_state(*closed, first(*closed), TimelineState::kOpen);
    if (torn_[*closed]) {
      // What was written of the scrape that was under way when the process ended would pass for the next one.
      const std::uint32_t torn = count(*closed);
      // Or the one before was published and that was all. The number is burnt on a page, as without one all the scrapes
      // of that page would be lost, and whatever lies before them.
      if (slot_in_page(torn) == 0 && !page_of(*closed, torn)) take_page_locked(*closed, torn, newest_of(*closed));
      burn(*closed, torn);
      torn_[*closed] = false;
    }
    keep_page(*closed);
    return Opened{*closed, count(*closed), true};
  }
  const auto free = choose_free();
  if (!free) {
    return fail(Errc::kLimitExceeded, "the ring is full: {} timelines (one for each target and rule group; ring.size)",
                geometry_.max_timelines);
  }
  TimelineEntry& entry = entries_[*free];
  if (*free == unused_from_) {
    ++unused_from_;
    // relaxed: it bounds what readers look through; what is in an entry has its own order.
    superblock_.timelines_used.store(unused_from_, std::memory_order_relaxed);
  }
  const std::uint64_t before = entry.identity.load(std::memory_order_relaxed);
  if (const auto known = by_identity_.find(before); known != by_identity_.end() && known->second == *free) {
    by_identity_.erase(known);
  }
  // Numbers go on, so that no scrape of the timeline that was here can be taken for one of this.
  const std::uint32_t count = this->count(*free);
  const std::uint32_t next = (page_number(count) + 1) * kTimesPerPage;
  entry.identity.store(identity, std::memory_order_relaxed);
  torn_[*free] = false;
  set_state(*free, next, TimelineState::kOpen);
  store_count(*free, next);
  if (identity != 0) by_identity_.insert_or_assign(identity, *free);
  return Opened{*free, next, false};
}

void Timelines::close(TimelineNumber number) {
  const std::lock_guard lock(mutex_);
  set_state(number, first(number), TimelineState::kClosed);
  closed_at_[number] = ++closings_;
  give_up_page(number);
}

// A timeline that is continued goes on in the page it has, which is its current one again: otherwise its newest times
// would be the next to be given away.
void Timelines::keep_page(TimelineNumber number) {
  const std::uint32_t next = count(number);
  if (slot_in_page(next) == 0 || !page_of(number, next)) return;
  // relaxed: page_of() has found it.
  const std::uint32_t page =
      entries_[number].pages[page_number(next) % kPagesPerTimeline].load(std::memory_order_relaxed);
  current_[page - 1] = true;
  page_of_[number] = page;
}

void Timelines::give_up_page(TimelineNumber number) {
  if (page_of_[number] != 0) current_[page_of_[number] - 1] = false;
  page_of_[number] = 0;
}

std::uint32_t Timelines::take_page(TimelineNumber number, std::uint32_t index, std::int64_t base_ms) {
  const std::lock_guard lock(mutex_);
  return take_page_locked(number, index, base_ms);
}

std::uint32_t Timelines::take_page_locked(TimelineNumber number, std::uint32_t index, std::int64_t base_ms) {
  const std::uint32_t in_timeline = page_number(index);
  give_up_page(number);
  // relaxed, twice: guarded by the lock.
  std::uint64_t taken = superblock_.pages_taken.load(std::memory_order_relaxed);
  // There are more pages than timelines, so one of them is nobody's current one.
  while (current_[taken % geometry_.pages]) ++taken;
  superblock_.pages_taken.store(taken + 1, std::memory_order_relaxed);
  const auto page = static_cast<std::uint32_t>(taken % geometry_.pages);
  current_[page] = true;
  page_of_[number] = page + 1;
  // The owner first: a reader that sees a time of this timeline in it sees, when it looks again, that it is not the
  // other one's any more. release, pairing with the acquire loads in page_of() and of the times.
  page_entries_[page].owner.store(pack_page_owner(number, in_timeline), std::memory_order_release);
  page_entries_[page].base.store(static_cast<std::uint64_t>(base_ms), std::memory_order_release);
  page_entries_[page].check.store(check_step(number, in_timeline, static_cast<std::uint64_t>(base_ms)),
                                  std::memory_order_relaxed);
  entries_[number].pages[in_timeline % kPagesPerTimeline].store(page + 1, std::memory_order_release);
  return page;
}

std::optional<Timelines::PageView> Timelines::page_of(TimelineNumber number, std::uint32_t index) const {
  // acquire: pairs with the stores in take_page().
  const std::uint32_t page =
      entries_[number].pages[page_number(index) % kPagesPerTimeline].load(std::memory_order_acquire);
  if (page == 0 || page > geometry_.pages) return std::nullopt;
  PageView view{&pages_[page - 1], &page_entries_[page - 1], pack_page_owner(number, page_number(index)), 0};
  view.base_ms = static_cast<std::int64_t>(view.entry->base.load(std::memory_order_acquire));
  if (view.entry->owner.load(std::memory_order_acquire) != view.owner) return std::nullopt;
  return view;
}

std::uint32_t Timelines::begin(TimelineNumber number, std::uint32_t next, std::int64_t time_ms) {
  std::optional<PageView> view;
  if (slot_in_page(next) != 0) view = page_of(number, next);
  const bool fits = view && time_ms >= view->base_ms && time_ms - view->base_ms <= kOffsetMax;
  if (slot_in_page(next) != 0 && !fits) {
    // The rest of the page stays empty. Its times count as burnt; without the page nothing there has a time anyway.
    const std::uint32_t skipped = (page_number(next) + 1) * kTimesPerPage;
    for (std::uint32_t index = next; view && index < skipped; ++index) mark_burnt(*view, index);
    next = skipped;
    view.reset();
  }
  if (!view) {
    const std::uint32_t page = take_page(number, next, time_ms);
    view = PageView{&pages_[page], &page_entries_[page], 0, time_ms};
  }
  // release: see take_page().
  const_cast<TimePage&>(*view->times)[slot_in_page(next)].store(static_cast<std::uint32_t>(time_ms - view->base_ms),
                                                                std::memory_order_release);
  return next;
}

void Timelines::publish(TimelineNumber number, std::uint32_t index) {
  TimelineEntry& entry = entries_[number];
  const std::uint32_t page = entry.pages[page_number(index) % kPagesPerTimeline].load(std::memory_order_relaxed);
  if (page != 0 && page <= geometry_.pages) {
    const std::uint32_t time = pages_[page - 1][slot_in_page(index)].load(std::memory_order_relaxed);
    // relaxed: the check is looked at by the next process only.
    Word& check = page_entries_[page - 1].check;
    check.store(check_step(static_cast<std::uint32_t>(check.load(std::memory_order_relaxed)), index, time),
                std::memory_order_relaxed);
  }
  store_count(number, index + 1);
  // release: after the count.
  entry.writing.store(0, std::memory_order_release);
}

void Timelines::burn(TimelineNumber number, std::uint32_t index) {
  // Without a page it has no time, and so no samples either.
  if (const auto view = page_of(number, index)) mark_burnt(*view, index);
  store_count(number, index + 1);
  entries_[number].writing.store(0, std::memory_order_release);
}

void Timelines::mark_burnt(const PageView& view, std::uint32_t index) {
  auto& times = const_cast<TimePage&>(*view.times);
  const std::uint32_t slot = slot_in_page(index);
  // The time of the scrape before, so that times never fall.
  const std::uint32_t before = slot == 0 ? 0 : times[slot - 1].load(std::memory_order_relaxed) & ~kBurnt;
  times[slot].store(before | kBurnt, std::memory_order_release);
}

std::uint32_t Timelines::count_check(TimelineNumber number, std::uint32_t count) const {
  return check_step(check_step(number, first(number), entries_[number].identity.load(std::memory_order_relaxed)), count,
                    0);
}

void Timelines::store_count(TimelineNumber number, std::uint32_t count) {
  entries_[number].count.store(count | static_cast<std::uint64_t>(count_check(number, count)) << 32,
                               std::memory_order_release);
}

std::optional<std::int64_t> Timelines::time_of(TimelineNumber number, std::uint32_t index) const {
  const auto view = page_of(number, index);
  if (!view) return std::nullopt;
  const std::uint32_t word = (*view->times)[slot_in_page(index)].load(std::memory_order_acquire);
  if ((word & kBurnt) != 0 || !view->still()) return std::nullopt;
  return view->base_ms + offset_of(word);
}

std::optional<Timelines::Scrape> Timelines::newest_before(TimelineNumber number, std::uint32_t end) const {
  const std::uint32_t least = first(number);
  // What lies further back than the pages reach has no time.
  for (std::uint32_t index = end, tried = 0; index > least && tried < 2 * kTimesPerPage; ++tried) {
    if (const auto time = time_of(number, --index)) return Scrape{index, *time};
    if (!page_of(number, index)) return std::nullopt;
  }
  return std::nullopt;
}

ScrapeRange Timelines::find(TimelineNumber number, std::uint32_t end, std::int64_t from_ms, std::int64_t to_ms) const {
  const std::uint32_t least = first(number);
  if (end <= least || to_ms < from_ms) return {};
  // In a page the smallest index whose time is at or after `time_ms`.
  const auto search = [&](const PageView& view, std::uint32_t low, std::uint32_t high, std::int64_t time_ms) {
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      const std::uint32_t word = (*view.times)[slot_in_page(middle)].load(std::memory_order_acquire);
      if (view.base_ms + offset_of(word) >= time_ms) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  };
  ScrapeRange range{end, -1};
  std::uint32_t upper = end;  // exclusive end of the page looked at
  const std::uint32_t oldest_page =
      page_number(end - 1) < kPagesPerTimeline ? 0 : page_number(end - 1) - kPagesPerTimeline + 1;
  while (upper > least) {
    const std::uint32_t page = page_number(upper - 1);
    if (page < oldest_page) break;
    const std::uint32_t lower = std::max(page * kTimesPerPage, least);
    const auto view = page_of(number, upper - 1);
    if (!view) break;
    if (view->base_ms <= to_ms) {
      if (range.last < 0) {
        const std::int64_t past = to_ms == std::numeric_limits<std::int64_t>::max()
                                      ? upper
                                      : static_cast<std::int64_t>(search(*view, lower, upper, to_ms + 1));
        range.last = past - 1;
      }
      const std::uint32_t begin = search(*view, lower, upper, from_ms);
      if (!view->still()) break;
      range.first = begin;
      if (begin > lower) break;
    }
    upper = lower;
  }
  if (range.last < 0) return {};
  range.first = std::min<std::int64_t>(range.first, end);
  return range;
}

std::int64_t Timelines::oldest_ms() const {
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  for (std::uint32_t i = 0; i < geometry_.pages; ++i) {
    const std::uint64_t owner = page_entries_[i].owner.load(std::memory_order_acquire);
    if (owner == 0) continue;
    const auto number = static_cast<TimelineNumber>(owner);
    const auto page = static_cast<std::uint32_t>(owner >> 16);
    if (!known(number) || page * kTimesPerPage < first(number) / kTimesPerPage * kTimesPerPage) continue;
    oldest = std::min(oldest, static_cast<std::int64_t>(page_entries_[i].base.load(std::memory_order_acquire)));
  }
  return oldest == std::numeric_limits<std::int64_t>::max() ? 0 : oldest;
}

std::int64_t Timelines::newest_ms() const {
  std::int64_t newest = 0;
  for (std::uint32_t i = 0; i < used(); ++i) {
    const auto number = static_cast<TimelineNumber>(i);
    if (state_of(entries_[number]) == TimelineState::kFree) continue;
    if (const auto scrape = newest_before(number, count(number))) newest = std::max(newest, scrape->time_ms);
  }
  return newest;
}

std::uint32_t Timelines::used() const {
  // relaxed: see open(). A page that was lost says 0, and a damaged one anything.
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(superblock_.timelines_used.load(std::memory_order_relaxed), geometry_.max_timelines));
}

std::uint64_t Timelines::pages_used() const {
  return std::min<std::uint64_t>(superblock_.pages_taken.load(std::memory_order_relaxed), geometry_.pages);
}

}  // namespace core::ring
