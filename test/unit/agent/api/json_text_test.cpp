// SPDX-License-Identifier: Apache-2.0
#include "agent/api/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/ring/sample.h"

namespace agent {
namespace {

std::string timestamp(std::int64_t time_ms) {
  std::string out;
  append_timestamp(out, time_ms);
  return out;
}

std::string result(const rules::promql::Value& value) {
  std::string out;
  append_query_result(out, value);
  return out;
}

TEST(JsonTextTest, TimestampsHaveThreeDecimalsUnlessWhole) {
  EXPECT_EQ(timestamp(12'000), "12");
  EXPECT_EQ(timestamp(1'050), "1.050");
  EXPECT_EQ(timestamp(1'435'781'451'781), "1435781451.781");
  EXPECT_EQ(timestamp(7), "0.007");
  EXPECT_EQ(timestamp(0), "0");
  EXPECT_EQ(timestamp(-1'500), "-1.500");
  EXPECT_EQ(timestamp(std::numeric_limits<std::int64_t>::min()), "-9223372036854775.808");
}

TEST(JsonTextTest, SampleValuesUseAnExponentOnlyAtTheEnds) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(sample_value_text(0), "0");
  EXPECT_EQ(sample_value_text(-0.0), "-0");
  EXPECT_EQ(sample_value_text(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(sample_value_text(1e-6), "0.000001");
  EXPECT_EQ(sample_value_text(1e-7), "1e-07");
  EXPECT_EQ(sample_value_text(1e20), "100000000000000000000");
  EXPECT_EQ(sample_value_text(1e21), "1e+21");
  EXPECT_EQ(sample_value_text(-2.5e-9), "-2.5e-09");
  EXPECT_EQ(sample_value_text(infinity), "+Inf");
  EXPECT_EQ(sample_value_text(-infinity), "-Inf");
  EXPECT_EQ(sample_value_text(core::ring::stale_marker()), "NaN");
}

TEST(JsonTextTest, AlertValuesAlwaysHaveAnExponent) {
  EXPECT_EQ(exponent_text(1), "1e+00");
  EXPECT_EQ(exponent_text(42), "4.2e+01");
  EXPECT_EQ(exponent_text(0), "0e+00");
  EXPECT_EQ(exponent_text(std::nan("")), "NaN");
}

TEST(JsonTextTest, EscapesStrings) {
  EXPECT_EQ(json("a\"b\\c\n\r\t\x01"), R"("a\"b\\c\n\r\t\u0001")");
  EXPECT_EQ(json("<b>&"), R"("\u003cb\u003e\u0026")");
  EXPECT_EQ(json("<b>&", HtmlCharacters::kAsTheyAre), R"("<b>&")");
  EXPECT_EQ(json("z\xc3\xbcri\xff"), "\"z\xc3\xbcri\\ufffd\"");
}

TEST(JsonTextTest, Results) {
  using rules::promql::Labels;
  EXPECT_EQ(result(rules::promql::Scalar{1'050, 0.00001}), R"("resultType":"scalar","result":[1.05,"0.00001"])");
  EXPECT_EQ(result(rules::promql::StringValue{2'000, "<"}), R"("resultType":"string","result":[2,"\u003c"])");
  EXPECT_EQ(result(rules::promql::Vector{}), R"("resultType":"vector","result":[])");
  EXPECT_EQ(result(rules::promql::Vector{{Labels{{"__name__", "up"}, {"Z", "<1>"}}, {1'500, 1}}, {Labels{}, {0, 2}}}),
            R"("resultType":"vector","result":[{"metric":{"Z":"<1>","__name__":"up"},"value":[1.500,"1"]},)"
            R"({"metric":{},"value":[0,"2"]}])");
  EXPECT_EQ(result(rules::promql::Matrix{{Labels{{"a", "b"}}, {{0, 1}, {15'000, 2}}}}),
            R"("resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[0,"1"],[15,"2"]]}])");
}

}  // namespace
}  // namespace agent
