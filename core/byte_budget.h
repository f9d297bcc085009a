// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace core {

// How an error begins that says that there was no room.
inline constexpr std::string_view kNoMemoryLeft = "no memory left for ";

// Bytes that many hold at once. Nobody can take all of it: a holder grows only to as much as would be left over, so
// that one alone has half, two a third each, and who comes next always finds something (switches share their buffers
// so: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998).
//
// Thread safety: any thread.
class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t limit) : limit_(limit) {}

  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }  // relaxed: the number stands alone
  std::uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  // Who holds more than a lowered limit allows keeps it, and gets no more.
  void set_limit(std::uint64_t limit) { limit_.store(limit, std::memory_order_relaxed); }

 private:
  friend class ByteHold;
  bool take(std::uint64_t held, std::uint64_t more) {
    // relaxed: the count orders nothing but itself.
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
      if (used + more > limit || held + more > limit - used - more) return false;
    } while (!used_.compare_exchange_weak(used, used + more, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::atomic<std::uint64_t> limit_;
  std::atomic<std::uint64_t> used_{0};
};

// What one holder has of a budget, until it goes.
//
// Thread safety: confined to one thread at a time.
class ByteHold {
 public:
  explicit ByteHold(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}
  ~ByteHold() { shrink_to(0); }
  ByteHold(const ByteHold&) = delete;
  ByteHold& operator=(const ByteHold&) = delete;

  // Whether that many bytes are held now; else what is held stays.
  bool grow_to(std::uint64_t bytes) {
    if (bytes <= bytes_) return true;
    if (!budget_->take(bytes_, bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }
  void shrink_to(std::uint64_t bytes) {
    if (bytes >= bytes_) return;
    budget_->give_back(bytes_ - bytes);
    bytes_ = bytes;
  }

 private:
  std::shared_ptr<ByteBudget> budget_;
  std::uint64_t bytes_ = 0;
};

}  // namespace core
