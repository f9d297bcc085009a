// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace core::ring {

// Lets readers look at shared memory without a lock, and a writer know when nobody looks any more: what is taken out of
// sight in epoch n may be used again from epoch n + 2 on, when every reader that could have seen it has gone.
//
// Thread safety: any thread.
class ReadEpoch {
 public:
  class Guard {
   public:
    explicit Guard(ReadEpoch& epoch) : readers_(epoch.enter()) {}
    // release: what the reader read stays before this, for the writer that acquires the 0 in try_advance().
    ~Guard() { readers_.fetch_sub(1, std::memory_order_release); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    std::atomic<std::uint64_t>& readers_;
  };

  std::uint64_t current() const { return epoch_.load(std::memory_order_seq_cst); }

  // Begins the next epoch if every reader of the one before this has gone. REQUIRES: one caller at a time.
  void try_advance() {
    const std::uint64_t now = current();
    // acquire: pairs with the guard's release.
    if (readers_[(now + 1) % 2].count.load(std::memory_order_acquire) != 0) return;
    epoch_.store(now + 1, std::memory_order_seq_cst);
  }

 private:
  struct alignas(64) Count {
    std::atomic<std::uint64_t> count{0};
  };

  std::atomic<std::uint64_t>& enter() {
    for (;;) {
      const std::uint64_t now = current();
      auto& readers = readers_[now % 2].count;
      // seq_cst, with the store in try_advance(): either the epoch is seen to have moved, or the count is seen there.
      readers.fetch_add(1, std::memory_order_seq_cst);
      if (current() == now) return readers;
      readers.fetch_sub(1, std::memory_order_release);
    }
  }

  std::atomic<std::uint64_t> epoch_{2};
  std::array<Count, 2> readers_;
};

}  // namespace core::ring
