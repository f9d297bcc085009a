// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "rules/promql/date_functions.h"
#include "rules/promql/histogram.h"
#include "rules/promql/label_functions.h"
#include "rules/promql/number_text.h"
#include "rules/promql/range_functions.h"
#include "rules/promql/statistics.h"
#include "rules/promql/xxhash.h"

namespace rules::promql {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNan = normal_nan();

// Vectors of the published reference implementation.
TEST(XxHash, AgreesWithTheReference) {
  EXPECT_EQ(xxhash64(""), 0xEF46DB3751D8E999U);
  EXPECT_EQ(xxhash64("a"), 0xD24EC4F1A98C6E5BU);
  EXPECT_EQ(xxhash64("abc"), 0x44BC2CF5AD770999U);
  EXPECT_EQ(xxhash64("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1U);
}

TEST(CompensatedSum, KeepsWhatRoundingLoses) {
  CompensatedSum sum;
  for (const double x : {1.0, 1e100, 1.0, -1e100}) sum.add(x);
  EXPECT_EQ(sum.total(), 2);
  sum.add(kInfinity);
  EXPECT_EQ(sum.total(), kInfinity);
  sum.add(-kInfinity);
  EXPECT_TRUE(std::isnan(sum.total()));
}

TEST(Mean, OverflowsOnlyForInfinities) {
  Mean large;
  for (int i = 0; i < 4; ++i) large.add(i % 2 == 0 ? 1.7e308 : 1.5e308);
  EXPECT_DOUBLE_EQ(large.value(), 1.6e308);
  Mean infinite;
  infinite.add(1);
  infinite.add(kInfinity);
  infinite.add(2);
  EXPECT_EQ(infinite.value(), kInfinity);
  infinite.add(-kInfinity);
  EXPECT_TRUE(std::isnan(infinite.value()));
}

double quantile_of(double phi, std::vector<double> values) { return quantile(phi, values); }

TEST(Quantile, InterpolatesAndRanksNanLowest) {
  EXPECT_EQ(quantile_of(0.5, {3, 1, 2}), 2);
  EXPECT_DOUBLE_EQ(quantile_of(0.8, {0, 1, 4}), 2.8);
  EXPECT_EQ(quantile_of(1, {kNan, 5, 1}), 5);
  EXPECT_TRUE(std::isnan(quantile_of(0, {kNan, 5, 1})));
  EXPECT_TRUE(std::isnan(quantile_of(0.5, {})));
  EXPECT_TRUE(std::isnan(quantile_of(kNan, {1})));
  EXPECT_EQ(quantile_of(-0.1, {1}), -kInfinity);
  EXPECT_EQ(quantile_of(1.1, {1}), kInfinity);
  EXPECT_TRUE(std::isnan(quantile_of(0.5, {1, 2, kInfinity}))) << "0 * Inf of the neighbour that has no weight";
}

TEST(StrictExtremes, FollowGo) {
  EXPECT_EQ(strict_max(kInfinity, kNan), kInfinity);
  EXPECT_EQ(strict_min(kNan, -kInfinity), -kInfinity);
  EXPECT_TRUE(std::isnan(strict_max(-kInfinity, kNan)));
  EXPECT_TRUE(std::isnan(strict_min(1, kNan)));
  EXPECT_FALSE(std::signbit(strict_max(-0.0, 0.0)));
  EXPECT_TRUE(std::signbit(strict_min(0.0, -0.0)));
  EXPECT_EQ(strict_max(2, 3), 3);
  EXPECT_EQ(strict_min(2, 3), 2);
}

TEST(Regression, OfAConstantIsFlat) {
  const std::vector<Sample> flat = {{0, 5}, {1000, 5}, {2000, 5}};
  EXPECT_EQ(regression(flat, 0).slope, 0);
  EXPECT_EQ(regression(flat, 0).intercept, 5);
  const std::vector<Sample> infinite = {{0, kInfinity}, {1000, kInfinity}};
  EXPECT_TRUE(std::isnan(regression(infinite, 0).slope));
}

TEST(BucketQuantile, TakesTinyDropsForRounding) {
  const double count = 1e15;
  const auto tiny = bucket_quantile(0.9, {{1, count}, {2, count - 1}, {kInfinity, count * 2}});
  EXPECT_FALSE(tiny.repair);
  const auto real = bucket_quantile(0.9, {{1, 10}, {2, 9}, {kInfinity, 20}});
  ASSERT_TRUE(real.repair);
  EXPECT_EQ(real.repair->largest_drop, 1);
  EXPECT_EQ(real.repair->lowest_bound, 2);
}

TEST(BucketQuantile, BadQuantilesComeBeforeBadBuckets) {
  EXPECT_EQ(bucket_quantile(2, {{1, 1}}).value, kInfinity);
  EXPECT_TRUE(std::isnan(bucket_quantile(0.5, {{1, 1}}).value));
  EXPECT_TRUE(std::isnan(bucket_quantile(kNan, {{1, 1}, {kInfinity, 2}}).value));
}

TEST(LabelRewrite, ExpandsAsGoDoes) {
  struct Row {
    const char* regex;
    const char* replacement;
    const char* value;
    const char* expected;  // null: no match
  };
  const Row rows[] = {
      {"(a)(b)?", "$1-$2-$3", "a", "a--"},
      {"(?P<first>.)(.*)", "${first}${2}", "xyz", "xyz"},
      {"(.*)", "$1x", "v", ""},
      {"(.*)", "${1}x", "v", "vx"},
      {"(.*)", "$$1 $ $", "v", "$1 $ $"},
      {"(.*)", "${1", "v", "${1"},
      {"(.*)", "$0$01", "v", "v"},
      {"a|b", "x", "ab", nullptr},
      {".*", "x", "a\nb", "x"},
      {"", "x", "", "x"},
  };
  for (const Row& row : rows) {
    const auto rewrite = LabelRewrite::make(row.regex, row.replacement);
    ASSERT_TRUE(rewrite) << row.regex;
    const auto result = rewrite->apply(row.value);
    ASSERT_EQ(result.has_value(), row.expected != nullptr) << row.regex << " on " << row.value;
    if (result) {
      EXPECT_EQ(*result, row.expected) << row.regex << " -> " << row.replacement;
    }
  }
  EXPECT_FALSE(LabelRewrite::make("(", ""));
}

TEST(NaturalOrder, ComparesNumbersInsideText) {
  EXPECT_LT(compare_naturally("fra-9", "fra-10"), 0);
  EXPECT_GT(compare_naturally("v1.10.0", "v1.9.9"), 0);
  EXPECT_EQ(compare_naturally("a01b", "a1b"), 0);
  EXPECT_LT(compare_naturally("a", "a1"), 0);
  EXPECT_LT(compare_naturally("", "a"), 0);
  EXPECT_LT(compare_naturally("B", "a"), 0);
  EXPECT_EQ(compare_naturally("", ""), 0);
  // Too long for 64 bits: compared as text.
  EXPECT_LT(compare_naturally("10000000000000000000000", "9"), 0);
}

TEST(NumberText, ReadsFloatsAsGoDoes) {
  EXPECT_EQ(parse_float("+Inf"), kInfinity);
  EXPECT_EQ(parse_float("-infinity"), -kInfinity);
  EXPECT_EQ(parse_float("1e3"), 1000);
  EXPECT_EQ(parse_float(".5"), 0.5);
  EXPECT_EQ(parse_float("0x1p4"), 16);
  EXPECT_TRUE(std::isnan(*parse_float("nAn")));
  for (const char* bad : {"", "+", "abc", "1 ", " 1", "1e", "--1", "+-1", "nan(1)", "0x10", "1e999"}) {
    EXPECT_FALSE(parse_float(bad)) << bad;
  }
}

TEST(Dates, FarAwayAndImpossible) {
  EXPECT_EQ(year(253402300800), 10000);
  EXPECT_EQ(year(-62135596801), 0);
  EXPECT_EQ(month(-62135596801), 12);
  EXPECT_EQ(days_in_month(951782400), 29);   // 2000-02
  EXPECT_EQ(days_in_month(4106332800), 28);  // 2100-02
  EXPECT_EQ(day_of_year(1735603200), 366);   // 2024-12-31
  EXPECT_EQ(hour(-0.5), 0) << "truncated toward zero";
  for (const double bad : {kNan, kInfinity, -kInfinity, 1e30}) {
    EXPECT_TRUE(std::isnan(year(bad)));
    EXPECT_TRUE(std::isnan(day_of_week(bad)));
  }
}

Window window_of(const std::vector<Sample>& samples, std::int64_t start_ms, std::int64_t end_ms) {
  return {samples, {}, start_ms, end_ms, end_ms};
}

TEST(ExtrapolatedRate, NeverStartsBelowZero) {
  // Linear backwards it would have been 0 a second before the first sample, not ten.
  const std::vector<Sample> samples = {{10'000, 1}, {20'000, 11}, {30'000, 21}};
  EXPECT_DOUBLE_EQ(*extrapolated_rate(window_of(samples, 0, 30'000), RateKind::kIncrease), 21);
  EXPECT_DOUBLE_EQ(*extrapolated_rate(window_of(samples, 0, 30'000), RateKind::kDelta), 30);
  EXPECT_DOUBLE_EQ(*extrapolated_rate(window_of(samples, 0, 30'000), RateKind::kRate), 0.7);
}

TEST(SmoothedRate, InterpolatesAcrossAReset) {
  // The second value is lower: the counter started again from 0 between the two.
  const std::vector<Sample> samples = {{0, 100}, {10'000, 50}};
  EXPECT_DOUBLE_EQ(interpolate(samples[0], samples[1], 5'000, true), 25);
  EXPECT_DOUBLE_EQ(interpolate(samples[0], samples[1], 5'000, false), 75);
  EXPECT_DOUBLE_EQ(*smoothed_rate(window_of(samples, 5'000, 10'000), RateKind::kIncrease), 25);
}

}  // namespace
}  // namespace rules::promql
