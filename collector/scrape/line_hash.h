// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace collector::scrape {

// What a line is known by instead of its text.
struct LineKey {
  std::uint64_t low = 0;
  std::uint32_t high = 0;
  std::uint32_t length = 0;  // of the text
  bool operator==(const LineKey&) const = default;
};

// A keyed hash of a line's name and labels, wide enough to stand for the text: among two million lines of one length the
// chance that any two have one key is 2e12 / 2^96, about 3e-17, so equal keys are equal texts. The hash's own keys are
// drawn at random and never leave the process: no target can look for texts that collide.
//
// Thread safety: immutable after construction.
class LineHash {
 public:
  using Keys = std::array<std::uint64_t, 6>;

  // Under keys of its own.
  LineHash();
  explicit LineHash(const Keys& keys) : keys_(keys) {}

  // REQUIRES: fewer than 2^32 bytes.
  LineKey operator()(std::string_view text) const;

 private:
  Keys keys_;
};

}  // namespace collector::scrape
