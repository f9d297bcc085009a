// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>

namespace core::ring {

// The pages of a mapped file that are written again and again. The kernel writes changed pages back after half a
// minute, all of a file at about the same time, and protects them meanwhile: the next write to each is a page fault,
// which costs a writer more than some hundred samples. The first writer that meets one gives notice, and the others are
// made writable before their writers come, many with one call (MADV_POPULATE_WRITE, Linux 5.14; without it nothing is
// done). In a file that is not written back, as on tmpfs, nobody ever gives notice.
//
// Thread safety: mark(), notice() and renewed_bytes() by any thread, wait-free but for the one notice that wakes keep()
// up; renew() and keep() by one thread.
class HotPages {
 public:
  static constexpr std::uint64_t kGranuleBytes = 8192;  // that share a mark, which is a byte; as a segment of slots

  HotPages(std::byte* file, std::uint64_t bytes);

  // Page faults of the calling thread so far.
  static long page_faults();

  // What is at this address in the file has been written, and will be again.
  void mark(const void* address) {
    // relaxed, here and wherever marks are looked at: one that is missed costs a page fault and nothing else. Looked at
    // first, so that the marks of every scrape do not move the line from core to core.
    std::atomic<std::uint8_t>& granule =
        marks_[static_cast<std::size_t>(static_cast<const std::byte*>(address) - file_) / kGranuleBytes];
    if (granule.load(std::memory_order_relaxed) != kHot) granule.store(kHot, std::memory_order_relaxed);
  }
  // A writer had many page faults.
  void notice() {
    if (!noticed_.exchange(true, std::memory_order_relaxed)) given_.notify_one();
  }

  // Makes writable what is marked, and lets the marks grow older: what is not marked again before the second time is
  // forgotten.
  void renew(bool age);
  // Does it whenever there is notice, and once more when the kernel has had the time to write all of the file back.
  void keep(std::stop_token stop);

  std::uint64_t renewed_bytes() const { return renewed_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint8_t kHot = 2;  // times that a mark lasts

  void populate(std::uint64_t offset, std::uint64_t bytes);

  std::byte* const file_;
  const std::uint64_t bytes_;
  const std::size_t granules_;
  const std::unique_ptr<std::atomic<std::uint8_t>[]> marks_;
  std::atomic<bool> noticed_{false};
  std::condition_variable_any given_;
  std::atomic<std::uint64_t> renewed_bytes_{0};
};

}  // namespace core::ring
