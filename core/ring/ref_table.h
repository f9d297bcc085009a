// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace core::ring {

// A hash table of references that are not 0: what they refer to, and so whether two are equal, its user knows. Open
// addressing, eight bytes a cell.
//
// Thread safety: confined to one thread at a time.
class RefTable {
 public:
  // 0 if there is none.
  template <class Equal>
  std::uint32_t find(std::uint32_t hash, Equal&& equal) const {
    if (cells_.empty()) return 0;
    const std::size_t mask = cells_.size() - 1;
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
      const Cell& cell = cells_[at];
      if (cell.ref == 0) return 0;
      if (cell.ref != kErased && cell.hash == hash && equal(cell.ref)) return cell.ref;
    }
  }

  // REQUIRES: ref is neither 0 nor the largest number.
  void insert(std::uint32_t hash, std::uint32_t ref) {
    if ((filled_ + 1) * 8 > cells_.size() * 7) grow();
    const std::size_t mask = cells_.size() - 1;
    std::size_t at = hash & mask;
    while (cells_[at].ref != 0) at = (at + 1) & mask;
    cells_[at] = {hash, ref};
    ++filled_;
    ++live_;
  }

  // Does nothing if it is not there.
  void erase(std::uint32_t hash, std::uint32_t ref) {
    if (cells_.empty()) return;
    const std::size_t mask = cells_.size() - 1;
    std::size_t at = hash & mask;
    while (cells_[at].ref != ref) {
      if (cells_[at].ref == 0) return;
      at = (at + 1) & mask;
    }
    cells_[at].ref = kErased;
    --live_;
  }

  void reserve(std::size_t count) {
    while (count * 8 > cells_.size() * 7) grow_to(cells_.empty() ? 64 : cells_.size() * 2);
  }
  std::size_t size() const { return live_; }

 private:
  struct Cell {
    std::uint32_t hash = 0;
    std::uint32_t ref = 0;
  };
  static constexpr std::uint32_t kErased = ~std::uint32_t{0};

  // Erased cells are cleared on the way, so that coming and going does not grow it.
  void grow() {
    std::size_t size = 64;
    while (live_ * 2 >= size) size *= 2;
    grow_to(size);
  }

  void grow_to(std::size_t size) {
    std::vector<Cell> old(size);
    old.swap(cells_);
    filled_ = live_ = 0;
    for (const Cell& cell : old) {
      if (cell.ref != 0 && cell.ref != kErased) insert(cell.hash, cell.ref);
    }
  }

  std::vector<Cell> cells_;
  std::size_t filled_ = 0;  // with erased ones
  std::size_t live_ = 0;
};

}  // namespace core::ring
