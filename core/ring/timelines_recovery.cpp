// SPDX-License-Identifier: Apache-2.0
// The parts of Timelines that run while nothing else does: after a start, and when a ring moves to another file.
#include <algorithm>
#include <numeric>

#include "core/ring/timelines.h"

namespace core::ring {
namespace {

struct OwnedPage {
  std::int64_t base_ms = 0;
  std::uint32_t page = 0;
  TimelineNumber timeline = 0;
  std::uint32_t in_timeline = 0;
};

TimelineNumber timeline_of(std::uint64_t owner) { return static_cast<TimelineNumber>(owner); }
std::uint32_t number_of(std::uint64_t owner) { return static_cast<std::uint32_t>(owner >> 16); }

}  // namespace

std::int64_t Timelines::newest_of(TimelineNumber number) const {
  const auto newest = newest_before(number, count(number));
  return newest ? newest->time_ms : 0;
}

void Timelines::adopt(Extent extent) {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::int64_t, TimelineNumber>> by_age;
  const std::uint32_t end = extent == Extent::kAll ? geometry_.max_timelines : used();
  for (std::uint32_t i = 0; i < end; ++i) {
    const auto number = static_cast<TimelineNumber>(i);
    if (state_of(entries_[number]) == TimelineState::kFree) continue;
    unused_from_ = static_cast<TimelineNumber>(number + 1);
    set_state(number, first(number), TimelineState::kClosed);
    torn_[number] = was_writing(number);
    by_age.emplace_back(newest_of(number), number);
    const std::uint64_t identity = entries_[number].identity.load(std::memory_order_relaxed);
    if (identity != 0) by_identity_.insert_or_assign(identity, number);
  }
  superblock_.timelines_used.store(unused_from_, std::memory_order_relaxed);
  std::sort(by_age.begin(), by_age.end());
  for (const auto& [newest_ms, number] : by_age) closed_at_[number] = ++closings_;
}

// The scrape up to which, excluded, the page's times are what its check says was published: the page may be older on
// the disk than the timeline's count, or newer. None if no such scrape makes the check right.
std::optional<std::uint32_t> Timelines::sound_until(std::uint32_t page) const {
  const std::uint64_t owner = page_entries_[page].owner.load(std::memory_order_relaxed);
  const TimelineNumber number = timeline_of(owner);
  if (!known(number) || owner != pack_page_owner(number, number_of(owner))) return std::nullopt;
  const std::uint64_t base = page_entries_[page].base.load(std::memory_order_relaxed);
  const auto wanted = static_cast<std::uint32_t>(page_entries_[page].check.load(std::memory_order_relaxed));
  std::uint32_t check = check_step(number, number_of(owner), base);
  const std::uint64_t begin = std::uint64_t{number_of(owner)} * kTimesPerPage;
  std::optional<std::uint32_t> until;
  if (check == wanted) until = static_cast<std::uint32_t>(begin);
  for (std::uint64_t index = begin; index < begin + kTimesPerPage && !until; ++index) {
    const std::uint32_t time = pages_[page][index % kTimesPerPage].load(std::memory_order_relaxed);
    if ((time & kBurnt) != 0) continue;
    check = check_step(check, static_cast<std::uint32_t>(index), time);
    if (check == wanted) until = static_cast<std::uint32_t>(index + 1);
  }
  return until;
}

// What follows the last published scrape of a page may be burnt scrapes, up to the next page or the count.
bool Timelines::only_burnt(std::uint32_t page, std::uint32_t from, std::uint32_t end) const {
  for (std::uint32_t index = from; index < end; ++index) {
    if ((pages_[page][index % kTimesPerPage].load(std::memory_order_relaxed) & kBurnt) == 0) return false;
  }
  return true;
}

std::uint64_t Timelines::verify() {
  std::uint64_t dropped = 0;
  // The largest number that any scrape of a timeline can have, whatever its count says.
  std::vector<std::uint64_t> beyond(geometry_.max_timelines, kTimesPerPage);
  std::vector<std::uint32_t> cut_to(geometry_.max_timelines, 0);
  std::vector<bool> has_page(geometry_.max_timelines, false);
  for (std::uint32_t page = 0; page < geometry_.pages; ++page) {
    const std::uint64_t owner = page_entries_[page].owner.load(std::memory_order_relaxed);
    if (owner == 0) continue;
    const TimelineNumber number = timeline_of(owner);
    if (known(number)) {
      beyond[number] = std::max(beyond[number], (std::uint64_t{number_of(owner)} + 1) * kTimesPerPage);
      has_page[number] = true;
    }
    const auto until = sound_until(page);
    if (until) {
      const std::uint32_t end = std::min((number_of(owner) + 1) * kTimesPerPage, count(number));
      if (*until >= end || only_burnt(page, *until, end)) continue;
      // The page is older on the disk than the count: the scrapes that it does not have did not happen. Only the
      // timeline's newest page can be.
      if (end == count(number) && end > number_of(owner) * kTimesPerPage) {
        cut_to[number] = *until;
        continue;
      }
    }
    page_entries_[page].owner.store(0, std::memory_order_relaxed);
    ++dropped;
  }
  for (std::uint32_t i = 0; i < geometry_.max_timelines; ++i) {
    const auto number = static_cast<TimelineNumber>(i);
    TimelineEntry& entry = entries_[number];
    // One that was used and says nothing was wiped: series still name its scrapes, which must not become those of the
    // next timeline in its place.
    if (state_of(entry) == TimelineState::kFree && !has_page[number] && number >= used()) continue;
    const std::uint64_t word = entry.count.load(std::memory_order_relaxed);
    const bool sound = word >> 32 == count_check(number, static_cast<std::uint32_t>(word)) &&
                       (state_of(entry) == TimelineState::kOpen || state_of(entry) == TimelineState::kClosed) &&
                       first(number) <= count(number);
    if (!sound) {
      ++dropped;
      // Nothing of it can be placed in time: its scrapes count as another timeline's.
      const std::uint64_t end = std::max<std::uint64_t>(beyond[number], static_cast<std::uint32_t>(word)) + 1;
      set_state(number, static_cast<std::uint32_t>(std::min<std::uint64_t>(end, 0xfffffff0U)), TimelineState::kClosed);
    }
    // Not continued: the series' part of a scrape may be on the disk without its count, or the other way round.
    entry.identity.store(0, std::memory_order_relaxed);
    const std::uint32_t end = cut_to[number] != 0 ? std::min(cut_to[number], count(number)) : count(number);
    store_count(number, std::max(end, first(number)));
  }
  return dropped;
}

std::vector<TimelineNumber> Timelines::take_over(const Timelines& other) {
  std::vector<std::pair<std::int64_t, TimelineNumber>> timelines;
  for (std::uint32_t i = 0; i < other.used(); ++i) {
    const auto number = static_cast<TimelineNumber>(i);
    if (state_of(other.entries_[number]) != TimelineState::kFree)
      timelines.emplace_back(other.newest_of(number), number);
  }
  std::sort(timelines.begin(), timelines.end(), std::greater<>());
  // One stays free, for the first target that is new.
  if (timelines.size() >= geometry_.max_timelines) timelines.resize(geometry_.max_timelines - 1);
  superblock_.timelines_used.store(timelines.size(), std::memory_order_relaxed);
  std::vector<TimelineNumber> here(other.geometry_.max_timelines, kNoTimeline);
  for (std::size_t i = 0; i < timelines.size(); ++i) {
    const auto number = static_cast<TimelineNumber>(i);
    const TimelineNumber there = timelines[i].second;
    here[there] = number;
    entries_[number].identity.store(other.entries_[there].identity.load(std::memory_order_relaxed),
                                    std::memory_order_relaxed);
    set_state(number, other.first(there), TimelineState::kClosed);
    store_count(number, other.count(there));
  }
  std::vector<OwnedPage> pages;
  for (std::uint32_t page = 0; page < other.geometry_.pages; ++page) {
    const std::uint64_t owner = other.page_entries_[page].owner.load(std::memory_order_relaxed);
    if (owner == 0 || !other.known(timeline_of(owner)) || here[timeline_of(owner)] == kNoTimeline) continue;
    pages.push_back({static_cast<std::int64_t>(other.page_entries_[page].base.load(std::memory_order_relaxed)), page,
                     here[timeline_of(owner)], number_of(owner)});
  }
  std::sort(pages.begin(), pages.end(), [](const OwnedPage& a, const OwnedPage& b) { return a.base_ms < b.base_ms; });
  // Each timeline will want a page of its own next.
  const std::size_t room = geometry_.pages - geometry_.max_timelines;
  if (pages.size() > room) pages.erase(pages.begin(), pages.end() - static_cast<std::ptrdiff_t>(room));
  for (const OwnedPage& each : pages) {
    const std::uint32_t page = take_page(each.timeline, each.in_timeline * kTimesPerPage, each.base_ms);
    for (std::uint32_t i = 0; i < kTimesPerPage; ++i) {
      pages_[page][i].store(other.pages_[each.page][i].load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    std::uint32_t check = check_step(each.timeline, each.in_timeline, static_cast<std::uint64_t>(each.base_ms));
    const std::uint64_t begin = std::uint64_t{each.in_timeline} * kTimesPerPage;
    const std::uint64_t end = std::min<std::uint64_t>(begin + kTimesPerPage, count(each.timeline));
    for (std::uint64_t index = begin; index < end; ++index) {
      const std::uint32_t time = pages_[page][index % kTimesPerPage].load(std::memory_order_relaxed);
      if ((time & kBurnt) == 0) check = check_step(check, static_cast<std::uint32_t>(index), time);
    }
    page_entries_[page].check.store(check, std::memory_order_relaxed);
  }
  return here;
}

}  // namespace core::ring
