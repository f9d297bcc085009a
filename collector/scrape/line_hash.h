// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace collector::scrape {

// What a line is known by instead of its text.
struct LineKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const LineKey&) const = default;
};

// A keyed hash of a line's name and labels, wide enough to stand for the text: among two million lines the chance that
// any two have one key is 2e12 / 2^128, about 6e-27, so equal keys are equal texts. The hash's own keys are drawn at
// random and never leave the process: no target can look for texts that collide.
//
// Thread safety: immutable after construction.
class LineHash {
 public:
  using Keys = std::array<std::uint64_t, 6>;

  // Under keys of its own.
  LineHash();
  explicit LineHash(const Keys& keys) : keys_(keys) {}

  LineKey operator()(std::string_view text) const;

 private:
  Keys keys_;
};

}  // namespace collector::scrape
