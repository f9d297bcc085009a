// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/line_hash.h"

#include <cstring>
#include <random>

namespace collector::scrape {
namespace {

__extension__ using Wide = unsigned __int128;

// Every bit of the product hangs on bits of both factors; folding its halves keeps what either alone would lose.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load8(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

std::uint64_t load4(const char* at) {
  std::uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

struct Words {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

// The last 16 bytes, or all there are: reads may overlap, for the size that is mixed in at the end says how far.
Words last_words(std::string_view text) {
  const char* end = text.data() + text.size();
  if (text.size() >= 16) return {load8(end - 16), load8(end - 8)};
  if (text.size() >= 8) return {load8(text.data()), load8(end - 8)};
  if (text.size() >= 4) return {load4(text.data()), load4(end - 4)};
  Words words;
  for (const char c : text) words.first = words.first << 8 | static_cast<unsigned char>(c);
  return words;
}

}  // namespace

LineHash::LineHash() {
  std::random_device random;
  for (std::uint64_t& key : keys_) key = static_cast<std::uint64_t>(random()) << 32 | random();
}

// Two chains of multiplications, each over all the bytes but under other keys, with the bytes' places swapped. They do
// not wait for each other: what a step of 16 bytes costs is the latency of one multiplication.
LineKey LineHash::operator()(std::string_view text) const {
  std::uint64_t low = keys_[0];
  std::uint64_t high = keys_[1];
  const auto absorb = [&](const Words& words) {
    low = fold(words.first ^ low, words.second ^ keys_[2]);
    high = fold(words.second ^ high, words.first ^ keys_[3]);
  };
  const char* at = text.data();
  for (std::size_t left = text.size(); left > 16; left -= 16, at += 16) absorb({load8(at), load8(at + 8)});
  absorb(last_words(text));
  return {fold(low ^ text.size(), keys_[4]), static_cast<std::uint32_t>(fold(high ^ text.size(), keys_[5])),
          static_cast<std::uint32_t>(text.size())};
}

}  // namespace collector::scrape
