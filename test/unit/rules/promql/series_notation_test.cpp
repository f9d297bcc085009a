// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/series_notation.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/ring/sample.h"
#include "rules/promql/number_text.h"

namespace rules::promql {
namespace {

std::string text_of(const std::vector<std::optional<double>>& values) {
  std::string text;
  for (const auto& value : values) {
    if (!text.empty()) text += ' ';
    text += !value ? "_" : core::ring::is_stale(*value) ? "stale" : plain_number(*value);
  }
  return text;
}

std::string read(std::string_view text) {
  const auto series = parse_series_description(text);
  return series ? series->labels.to_string() + " | " + text_of(series->values) : series.error().message;
}

TEST(SeriesNotation, Descriptions) {
  const struct {
    std::string_view text;
    std::string_view expected;
  } kCases[] = {
      {"up 1", "up | 1"},
      {"up{job=\"a b\"}  1 _ stale", "up{job=\"a b\"} | 1 _ stale"},
      {"up {job=\"x\"} 1", "up{job=\"x\"} | 1"},
      {"{\"a.b\", x=\"}\"} 2", "{__name__=\"a.b\", x=\"}\"} | 2"},
      {"{} 3", "{} | 3"},
      {"sum 1+1x3", "sum | 1 2 3 4"},
      {"x 5-2x2 _x2 7x2 _", "x | 5 3 1 _ _ 7 7 7 _"},
      {"x -2.5 +1 1e3 .5 Inf -Inf +inf NaN", "x | -2.5 1 1000 0.5 +Inf -Inf +Inf NaN"},
      {"x -1-1x1", "x | -1 -2"},
      {"x 1+0x0 _x0 0.1+0.1x2", "x | 1 0.1 0.2 0.30000000000000004"},
      {"x 1x", "1:5: parse error: invalid repetition in series values: \"\""},
      {"x 1+1", "1:6: parse error: expected \"x\" and a number of repetitions after the step of a series"},
      {"x stalex3",
       "1:3: parse error: unexpected identifier \"stalex3\" in series values, expected number or \"stale\""},
      {"x NaNx3", "1:3: parse error: unexpected identifier \"NaNx3\" in series values, expected number or \"stale\""},
      {"x 5m", "1:4: parse error: unexpected character in series sequence: 'm'"},
      {"x 0x1F", "1:6: parse error: unexpected character in series sequence: 'F'"},
      {"x ?", "1:3: parse error: unexpected \"?\" in series values, expected number or \"stale\""},
      {"x", "1:2: parse error: expected at least one value"},
      {"x{a=} 1", "1:5: parse error: unexpected \"}\" in label set, expected string"},
      {"x {{schema:0}}", "1:3: native histograms are not supported: {{...}}"},
      {"x 1x1000001", "a series has more than 1000000 values"},
  };
  for (const auto& test : kCases) EXPECT_EQ(read(test.text), test.expected) << test.text;
  EXPECT_EQ(parse_series_description("x {{}}").error().code, core::Errc::kNotSupported);
  EXPECT_EQ(parse_series_description("x 1x1000000000000").error().code, core::Errc::kLimitExceeded);
}

TEST(SeriesNotation, ValuesAlone) {
  const auto values = parse_series_values("  1+1x2 _  stale ");
  ASSERT_TRUE(values) << values.error().message;
  EXPECT_EQ(text_of(*values), "1 2 3 _ stale");
  EXPECT_FALSE(parse_series_values(""));
}

}  // namespace
}  // namespace rules::promql
