// SPDX-License-Identifier: Apache-2.0
#include "core/ring/ref_table.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "test/unit/core/ring/ring_model.h"

namespace core::ring {
namespace {

TEST(RefTable, AnEmptyTableHasNothing) {
  RefTable table;
  EXPECT_EQ(table.find(7, [](std::uint32_t) { return true; }), 0U);
  table.erase(7, 7);
  EXPECT_EQ(table.size(), 0U);
}

TEST(RefTable, EqualHashesAreToldApartByTheirUser) {
  RefTable table;
  for (std::uint32_t ref = 1; ref <= 300; ++ref) table.insert(42, ref);
  for (std::uint32_t ref = 1; ref <= 300; ++ref) {
    EXPECT_EQ(table.find(42, [ref](std::uint32_t each) { return each == ref; }), ref);
  }
  table.erase(42, 150);
  EXPECT_EQ(table.find(42, [](std::uint32_t each) { return each == 150; }), 0U);
  EXPECT_EQ(table.find(42, [](std::uint32_t each) { return each == 300; }), 300U);
  EXPECT_EQ(table.find(43, [](std::uint32_t) { return true; }), 0U);
}

TEST(RefTable, AgreesWithAPlainMap) {
  ring_test::Random random(ring_test::test_seed());
  RefTable table;
  std::map<std::uint32_t, std::uint32_t> model;  // ref -> hash
  for (int step = 0; step < 30'000; ++step) {
    const auto ref = static_cast<std::uint32_t>(1 + random.below(700));
    const auto known = model.find(ref);
    if (known == model.end()) {
      // Few hashes, so that cells are fought for; some wrap round the end.
      const auto hash = random.one_in(3) ? ~static_cast<std::uint32_t>(random.below(4))
                                         : static_cast<std::uint32_t>(random.below(90));
      table.insert(hash, ref);
      model.emplace(ref, hash);
    } else {
      ASSERT_EQ(table.find(known->second, [ref](std::uint32_t each) { return each == ref; }), ref);
      table.erase(known->second, ref);
      ASSERT_EQ(table.find(known->second, [ref](std::uint32_t each) { return each == ref; }), 0U);
      model.erase(known);
    }
    if (random.one_in(2000)) table.reserve(random.below(3000));
    ASSERT_EQ(table.size(), model.size());
  }
  for (const auto& [ref, hash] : model) {
    EXPECT_EQ(table.find(hash, [wanted = ref](std::uint32_t each) { return each == wanted; }), ref);
  }
}

}  // namespace
}  // namespace core::ring
