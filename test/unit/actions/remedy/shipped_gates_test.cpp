// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/shipped_gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actions/remedy/condition.h"
#include "test/support/background_process.h"

namespace actions::remedy {
namespace {

using ::testing::HasSubstr;

TEST(ShippedGatesTest, EachAsksForWhatTheRulePackRecords) {
  const std::string pack = test_support::read_file(WATCHKEEPER_SOURCE_DIR "/rules/packs/gates.yml");
  for (const GateConfig& gate : shipped_gates()) {
    EXPECT_TRUE(check_condition(gate.expr)) << gate.expr;
    EXPECT_THAT(pack, HasSubstr("- record: " + gate.expr.substr(0, gate.expr.find(' ')) + "\n"));
  }
}

TEST(ShippedGatesTest, OneOfTheUsersTakesItsPlace) {
  Policy policy;
  ASSERT_NE(policy.gate("finality"), nullptr);
  EXPECT_EQ(policy.gate("finality")->expr, "gate:finality:ok == 1");
  EXPECT_EQ(policy.gate("calm"), nullptr);
  policy.gates.push_back({"finality", "mine == 1"});
  EXPECT_EQ(policy.gate("finality")->expr, "mine == 1");
}

}  // namespace
}  // namespace actions::remedy
