// SPDX-License-Identifier: Apache-2.0
#include "core/ring/hot_pages.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

namespace core::ring {
namespace {

using std::chrono::seconds;

// MADV_POPULATE_WRITE, which not every C library has a name for.
constexpr int kPopulateWrite = 23;
// At once, so that nobody who wants the same part of the address space waits for long.
constexpr std::uint64_t kPopulateBytesMax = 1 << 20;
// In which the kernel has written all of it back.
constexpr seconds kWriteBackMax{1};
// Page faults have other reasons too; they are not looked into more often than this.
constexpr seconds kPause{3};
// A notice that came while nobody waited for it is seen then.
constexpr seconds kNoticeMissed{5};

}  // namespace

HotPages::HotPages(std::byte* file, std::uint64_t bytes)
    : file_(file),
      bytes_(bytes),
      granules_((bytes + kGranuleBytes - 1) / kGranuleBytes),
      marks_(new std::atomic<std::uint8_t>[granules_]()) {}

long HotPages::page_faults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

void HotPages::renew(bool age) {
  for (std::size_t begin = 0; begin < granules_; ++begin) {
    std::size_t end = begin;
    for (; end < granules_; ++end) {
      const std::uint8_t mark = marks_[end].load(std::memory_order_relaxed);
      if (mark == 0) break;
      if (age) marks_[end].store(static_cast<std::uint8_t>(mark - 1), std::memory_order_relaxed);
    }
    if (end == begin) continue;
    populate(begin * kGranuleBytes, std::min(end * kGranuleBytes, bytes_) - begin * kGranuleBytes);
    begin = end;
  }
}

void HotPages::populate(std::uint64_t offset, std::uint64_t bytes) {
  while (bytes > 0) {
    const std::uint64_t part = std::min(bytes, kPopulateBytesMax);
    // An error, as of a kernel that does not know it or a file that was cut, is for the writers to find.
    if (madvise(file_ + offset, part, kPopulateWrite) != 0) return;
    renewed_bytes_.fetch_add(part, std::memory_order_relaxed);
    offset += part;
    bytes -= part;
  }
}

void HotPages::keep(std::stop_token stop) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  const auto pause = [&](seconds time) { given_.wait_for(lock, stop, time, [] { return false; }); };
  while (!stop.stop_requested()) {
    given_.wait_for(lock, stop, kNoticeMissed, [&] { return noticed_.load(std::memory_order_relaxed); });
    if (!noticed_.load(std::memory_order_relaxed)) continue;
    renew(false);
    pause(kWriteBackMax);
    renew(true);
    pause(kPause);
    noticed_.store(false, std::memory_order_relaxed);
  }
}

}  // namespace core::ring
