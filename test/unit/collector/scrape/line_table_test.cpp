// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/line_table.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace collector::scrape {
namespace {

// Eight keys each want the same place in the index.
LineKey key_of(std::size_t i) { return {i / 8 * 8, static_cast<std::uint32_t>(i), 0}; }

class LineTableTest : public testing::Test {
 protected:
  // The numbers of a body's lines; new ones are added.
  std::vector<LineNumber> body(const std::vector<std::size_t>& lines) {
    std::vector<LineNumber> numbers;
    table.begin_body(index);
    for (const std::size_t line : lines) {
      LineNumber number = table.find(key_of(line), index);
      if (number == kNoLine) number = table.add(key_of(line), index);
      EXPECT_EQ(table[number].key, key_of(line));
      numbers.push_back(number);
    }
    index_was_built = index.built();
    table.end_body();
    return numbers;
  }

  LineTable table;
  LineIndex index;
  bool index_was_built = false;
};

std::vector<std::size_t> range(std::size_t from, std::size_t to) {
  std::vector<std::size_t> lines(to - from);
  std::iota(lines.begin(), lines.end(), from);
  return lines;
}

TEST_F(LineTableTest, FindsNothingInNothing) {
  table.begin_body(index);
  EXPECT_EQ(table.find(key_of(1), index), kNoLine);
  EXPECT_EQ(table.size(), 0U);
}

TEST_F(LineTableTest, TheSameOrderNeedsNoIndex) {
  const auto first = body(range(0, 1000));
  EXPECT_TRUE(index_was_built);
  EXPECT_EQ(body(range(0, 1000)), first);
  EXPECT_FALSE(index_was_built);
  EXPECT_EQ(table.size(), 1000U);
}

TEST_F(LineTableTest, AnOrderThatChangesIsLearnt) {
  const auto lines = range(0, 1000);
  const auto numbers = body(lines);
  std::vector<std::size_t> shuffled = lines;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(7));
  for (const auto& order : {shuffled, lines, shuffled}) {
    const auto found = body(order);
    EXPECT_TRUE(index_was_built);
    for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(found[i], numbers[order[i]]);
    EXPECT_EQ(body(order), found);
    EXPECT_FALSE(index_was_built);
  }
  EXPECT_EQ(table.size(), 1000U);
}

TEST_F(LineTableTest, LinesMayComeInBetweenAndGo) {
  body({1, 2, 3, 4});
  EXPECT_EQ(body({1, 9, 2, 3, 4}), (std::vector<LineNumber>{0, 4, 1, 2, 3}));
  EXPECT_EQ(body({1, 9, 2, 3, 4}), (std::vector<LineNumber>{0, 4, 1, 2, 3}));
  EXPECT_FALSE(index_was_built);
  EXPECT_EQ(body({2, 4}), (std::vector<LineNumber>{1, 3}));
  EXPECT_EQ(body({4}), (std::vector<LineNumber>{3}));
  EXPECT_EQ(body({}), (std::vector<LineNumber>{}));
  EXPECT_EQ(body({3, 1}), (std::vector<LineNumber>{2, 0}));
}

TEST_F(LineTableTest, ALineMayComeAgainInOneBody) {
  body({1, 2, 2, 2, 3});
  EXPECT_EQ(body({1, 2, 2, 2, 3}), (std::vector<LineNumber>{0, 1, 1, 1, 2}));
  EXPECT_EQ(body({3, 1, 2, 1, 2}), (std::vector<LineNumber>{2, 0, 1, 0, 1}));
  EXPECT_EQ(table.size(), 3U);
}

TEST_F(LineTableTest, ForgottenLinesAreGoneAndTheOthersAreFound) {
  body(range(0, 3000));
  table.forget_if([](const Line& line) { return line.key.high % 3 != 0; });
  EXPECT_EQ(table.size(), 1000U);
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < 3000; i += 3) left.push_back(i);
  const auto numbers = body(left);
  EXPECT_FALSE(index_was_built);
  EXPECT_EQ(numbers.back(), 999U);
  EXPECT_EQ(body(range(0, 6)), (std::vector<LineNumber>{0, 1000, 1001, 1, 1002, 1003}));
}

TEST_F(LineTableTest, ALineCostsItsThirtyTwoBytes) {
  for (const std::size_t lines : {1'000U, 2'000U, 33'333U}) {
    body(range(0, lines));
    EXPECT_LE(table.bytes(), (lines + lines / 8 + 16) * sizeof(Line));
    body(range(0, lines));
    EXPECT_LE(table.bytes(), (lines + lines / 32 + 4) * sizeof(Line));
  }
  table.forget_if([](const Line& line) { return line.key.high >= 10; });
  EXPECT_EQ(table.bytes(), 10 * sizeof(Line));
}

TEST_F(LineTableTest, ALargeIndexIsGivenBack) {
  body(range(0, 20'000));
  table.begin_body(index);
  EXPECT_LE(index.bytes(), LineIndex::kSlotsKept * sizeof(LineNumber));
  EXPECT_GT(index.bytes(), 0U);
  for (std::size_t i = 20'000; i < 100'000; ++i) {
    ASSERT_EQ(table.find(key_of(i), index), kNoLine);
    table.add(key_of(i), index);
  }
  EXPECT_GT(index.bytes(), LineIndex::kSlotsKept * sizeof(LineNumber));
  table.begin_body(index);
  EXPECT_EQ(index.bytes(), 0U);
}

}  // namespace
}  // namespace collector::scrape
