// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "collector/exposition/parser.h"

namespace collector::exposition {
namespace {

struct Taken {
  std::string samples;  // "a=1 b{x="1"}=2", or what was wrong
  std::uint64_t tolerated = 0;
  MetricType type = MetricType::kUnknown;
};

Taken take(std::string_view body, Tolerance tolerance, Format format = Format::kPrometheusText) {
  Parser parser(body, format, tolerance);
  Taken taken;
  for (Entry entry = parser.next(); entry != Entry::kEnd; entry = parser.next()) {
    if (entry == Entry::kInvalid) {
      taken.samples = "error";
      break;
    }
    if (entry != Entry::kSample) continue;
    taken.samples += fmt::format("{}{}={}", taken.samples.empty() ? "" : " ", parser.series(), parser.value());
    if (parser.timestamp_ms()) taken.samples += fmt::format("@{}", *parser.timestamp_ms());
  }
  taken.tolerated = parser.tolerated();
  taken.type = parser.type();
  return taken;
}

struct Tolerated {
  std::string_view body;
  std::string_view samples;
  std::uint64_t tolerated;
};

// Each of these fails a scrape of Prometheus.
TEST(Tolerance, TakesWhatPrometheusRefuses) {
  const std::vector<Tolerated> cases = {
      {"foo 1\r\nbar 2 5\r\n", "foo=1 bar=2@5", 2},
      {"# TYPE a gauge\r\na{x=\"1\"} 1\r\n\r\n", "a{x=\"1\"}=1", 3},
      {"# TYPE a info\na 1\n", "a=1", 1},
      {"# TYPE a Gauge\n# TYPE a gauge x\na 1\n", "a=1", 2},
      {"# TYPE a histogram\na_bucket{le=\"1\"} 2 # {trace=\"x\"} 0.5\na_count 2\n", "a_bucket{le=\"1\"}=2 a_count=2",
       1},
      {"a 1 5 # {} 1 5\nb 2 # {", "a=1@5 b=2", 2},
  };
  for (const Tolerated& each : cases) {
    const Taken sloppy = take(each.body, Tolerance::kSloppy);
    EXPECT_EQ(sloppy.samples, each.samples) << each.body;
    EXPECT_EQ(sloppy.tolerated, each.tolerated) << each.body;
    EXPECT_EQ(take(each.body, Tolerance::kAsPrometheus).samples, "error") << each.body;
  }
}

TEST(Tolerance, HasAnEnd) {
  for (const std::string_view body :
       {"foo\r 1\n", "foo{a=\"b\"\r\n} 1\n", "foo 1 # x\n", "foo 1 #\n", "# TYPE a gauge\nfoo bar\n", "foo\r\n"}) {
    EXPECT_EQ(take(body, Tolerance::kSloppy).samples, "error") << body;
  }
  EXPECT_EQ(take("foo 1\r\n# EOF\n", Tolerance::kSloppy, Format::kOpenMetrics).samples, "error");
}

TEST(Tolerance, KnowsTheTypesOfBothFormats) {
  EXPECT_EQ(take("# TYPE a stateset\na 1\n", Tolerance::kSloppy).type, MetricType::kStateset);
  EXPECT_EQ(take("# TYPE a  summary \na 1\n", Tolerance::kSloppy).type, MetricType::kSummary);
  EXPECT_EQ(take("# TYPE a histogram\n# TYPE a other\na 1\n", Tolerance::kSloppy).type, MetricType::kUnknown);
}

TEST(Tolerance, IsNotNeededForWhatPrometheusTakes) {
  const Taken taken =
      take("# UNIT a s\n# EOF\n# TYPE a counter\na_total 1\na {x=\"1\", y=\"2\"} 2\n\n", Tolerance::kSloppy);
  EXPECT_EQ(taken.samples, "a_total=1 a {x=\"1\", y=\"2\"}=2");
  EXPECT_EQ(taken.tolerated, 0U);
}

}  // namespace
}  // namespace collector::exposition
