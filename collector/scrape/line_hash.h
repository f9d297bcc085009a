// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace collector::scrape {

// What a line is known by instead of its text.
struct LineKey {
  std::uint64_t low = 0;
  std::uint32_t high = 0;
  std::uint32_t length = 0;  // of the text
  bool operator==(const LineKey&) const = default;
};

// A keyed hash of a line's name and labels, wide enough to stand for the text: among two million lines of one length
// the chance that any two have one key is 2e12 / 2^96, about 3e-17, so equal keys are equal texts. The hash's own keys
// are drawn at random and never leave the process: no target can look for texts that collide.
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
  struct Words {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
  };

  static std::uint64_t fold(std::uint64_t a, std::uint64_t b);
  template <class Word>
  static std::uint64_t load(const char* at);
  static Words last_words(std::string_view text);

  Keys keys_;
};

// Every bit of the product hangs on bits of both factors; folding its halves keeps what either alone would lose.
inline std::uint64_t LineHash::fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

template <class Word>
std::uint64_t LineHash::load(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// The last 16 bytes, or all there are: reads may overlap, for the size that is mixed in at the end says how far.
inline LineHash::Words LineHash::last_words(std::string_view text) {
  const char* end = text.data() + text.size();
  if (text.size() >= 16) return {load<std::uint64_t>(end - 16), load<std::uint64_t>(end - 8)};
  if (text.size() >= 8) return {load<std::uint64_t>(text.data()), load<std::uint64_t>(end - 8)};
  if (text.size() >= 4) return {load<std::uint32_t>(text.data()), load<std::uint32_t>(end - 4)};
  Words words;
  for (const char c : text) words.first = words.first << 8 | static_cast<unsigned char>(c);
  return words;
}

// Two chains of multiplications, each over all the bytes but under other keys, with the bytes' places swapped. They do
// not wait for each other: what a step of 16 bytes costs is the latency of one multiplication. In the header because it
// is called for every line of every body.
inline LineKey LineHash::operator()(std::string_view text) const {
  std::uint64_t low = keys_[0];
  std::uint64_t high = keys_[1];
  const auto absorb = [&](const Words& words) {
    low = fold(words.first ^ low, words.second ^ keys_[2]);
    high = fold(words.second ^ high, words.first ^ keys_[3]);
  };
  const char* at = text.data();
  for (std::size_t left = text.size(); left > 16; left -= 16, at += 16) {
    absorb({load<std::uint64_t>(at), load<std::uint64_t>(at + 8)});
  }
  absorb(last_words(text));
  return {fold(low ^ text.size(), keys_[4]), static_cast<std::uint32_t>(fold(high ^ text.size(), keys_[5])),
          static_cast<std::uint32_t>(text.size())};
}

}  // namespace collector::scrape
