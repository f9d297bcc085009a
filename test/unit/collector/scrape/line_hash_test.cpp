// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/line_hash.h"

#include <bit>
#include <string>
#include <unordered_set>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace collector::scrape {
namespace {

constexpr LineHash::Keys kKeys = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
                                  0x082efa98ec4e6c89, 0x452821e638d01377, 0xbe5466cf34e90c6c};
const LineHash kHash(kKeys);

std::string text_of(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>('a' + i * 7 % 26);
  return text;
}

// Counts texts, and the parts of their keys. A lower part that comes twice among so few is a fault of the hash; of the
// upper parts, which are half as wide, a few may be the same among many.
class KeyNotes {
 public:
  void add(std::string_view text) {
    const LineKey key = kHash(text);
    ++texts_;
    low_.insert(key.low);
    high_.insert(key.high);
  }
  void expect_all_differ() const {
    EXPECT_EQ(low_.size(), texts_);
    const auto texts = static_cast<double>(texts_);
    const double same = texts * texts / 2 / 4294967296.0;
    EXPECT_GE(static_cast<double>(high_.size()), texts - 5 * same - 1);
  }

 private:
  std::size_t texts_ = 0;
  std::unordered_set<std::uint64_t> low_;
  std::unordered_set<std::uint32_t> high_;
};

TEST(LineHash, TextsThatDifferInOneBitDiffer) {
  for (std::size_t size = 0; size <= 100; ++size) {
    KeyNotes notes;
    std::string text = text_of(size);
    notes.add(text);
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      const auto flip = static_cast<char>(1U << (bit % 8));
      text[bit / 8] ^= flip;
      notes.add(text);
      text[bit / 8] ^= flip;
    }
    notes.expect_all_differ();
  }
}

TEST(LineHash, TextsThatDifferInLengthOrOrderDiffer) {
  KeyNotes notes;
  for (std::size_t size = 0; size <= 100; ++size) {
    notes.add(text_of(size));
    notes.add(std::string(size + 1, '\0'));
    notes.add(std::string(size + 1, 'x'));
  }
  // The same words in other places.
  const std::string words[] = {"12345678", "abcdefgh", "ABCDEFGH", "hgfedcba"};
  for (const std::string& a : words) {
    for (const std::string& b : words) {
      for (const std::string& c : words) {
        for (const std::string& d : words) notes.add(a + b + c + d);
      }
    }
  }
  notes.expect_all_differ();
}

TEST(LineHash, LinesOfOneFamilyDiffer) {
  KeyNotes notes;
  for (int i = 0; i < 200'000; ++i) notes.add(fmt::format("http_requests_total{{code=\"200\",path=\"/{}\"}}", i));
  notes.expect_all_differ();
}

TEST(LineHash, OneBitOfTheTextReachesHalfOfTheKey) {
  for (const std::size_t size : {1U, 3U, 5U, 8U, 13U, 16U, 17U, 40U, 100U}) {
    std::string text = text_of(size);
    const LineKey before = kHash(text);
    int flipped = 0;
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      const auto flip = static_cast<char>(1U << (bit % 8));
      text[bit / 8] ^= flip;
      const LineKey after = kHash(text);
      text[bit / 8] ^= flip;
      flipped += std::popcount(before.low ^ after.low) + std::popcount(before.high ^ after.high);
    }
    const double share = flipped / (96.0 * 8.0 * static_cast<double>(size));
    EXPECT_NEAR(share, 0.5, 0.06) << size;
  }
}

TEST(LineHash, IsTheSameWhereverTheTextLies) {
  for (std::size_t size = 0; size <= 100; ++size) {
    const std::string text = text_of(size);
    for (std::size_t before = 0; before < 8; ++before) {
      const std::string moved = std::string(before, '#') + text + "#";
      EXPECT_EQ(kHash(std::string_view(moved).substr(before, size)), kHash(text));
    }
  }
}

TEST(LineHash, HangsOnItsKeys) {
  const LineHash one;
  const LineHash other;
  EXPECT_EQ(one("up"), one("up"));
  EXPECT_NE(one("up"), other("up"));
  EXPECT_NE(one(""), other(""));
}

}  // namespace
}  // namespace collector::scrape
