// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace core::process {

// What a program wrote, in bounded memory: the first and the last half of `limit` bytes, the rest only counted. Errors
// stand at the end of an output, what a program was about to do at its start.
//
// Thread safety: confined to one thread.
// Invariants: holds at most head + twice the tail's half; cutting the tail only then keeps append amortised constant.
class BoundedCapture {
 public:
  explicit BoundedCapture(std::size_t limit) : head_limit_(limit / 2), tail_limit_(limit - limit / 2) {}

  void append(std::string_view bytes);
  std::uint64_t total() const { return total_; }
  // All of it if it fits the limit; else head, "\n[... N bytes left out ...]\n", tail.
  std::string text() const;

 private:
  std::size_t head_limit_;
  std::size_t tail_limit_;
  std::string head_;
  std::string tail_;
  std::uint64_t total_ = 0;
};

}  // namespace core::process
