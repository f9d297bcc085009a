// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace oracle {

// Random choices that are the same on every machine for one seed: the distributions of the standard library are not.
//
// Thread safety: confined to one thread.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}

  // From low to high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(std::int64_t n) { return between(1, n) == 1; }
  std::string_view one_of(const std::vector<std::string_view>& list) {
    return list[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(list.size()) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace oracle
