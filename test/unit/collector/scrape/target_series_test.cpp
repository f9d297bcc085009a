// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/target_series.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/ring/matcher.h"
#include "core/time/simulated_clock.h"
#include "test/support/noting_ring.h"

namespace collector::scrape {
namespace {

class TargetSeriesTest : public testing::Test {
 protected:
  TargetSeriesTest() { begin({}); }

  void begin(ScrapeConfig config) {
    config.job_name = "j";
    target.labels = {{"job", "j"}, {"instance", "h:9"}};
    target.url = "http://h:9/metrics";
    series.emplace(Job::make(std::move(config)), target);
  }

  // Ten seconds after the last.
  ScrapeReport ingest(std::string body) {
    Fetch fetch;
    fetch.time_ms = time_ms += 10'000;
    fetch.content_type = "text/plain";
    fetch.body = std::move(body);
    return series->ingest(*appender, clock, fetch, scratch);
  }

  // "10=1 20=stale": the samples of the one series with this name, by their seconds.
  std::string samples(std::string_view name, core::ring::Labels labels = {}) const {
    std::vector<core::ring::Matcher> matchers;
    matchers.push_back(core::ring::Matcher::equal("__name__", std::string(name)));
    for (const auto& label : labels) matchers.push_back(core::ring::Matcher::equal(label.name, label.value));
    const auto selected = ring.reader().select(matchers);
    if (selected.size() != 1) return fmt::format("{} series", selected.size());
    std::vector<core::ring::Sample> read;
    ring.reader().read(selected[0].ref, INT64_MIN, INT64_MAX, read);
    std::string text;
    for (const auto& [at_ms, value] : read) {
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", at_ms / 1000,
                          core::ring::is_stale(value) ? "stale" : fmt::format("{}", value));
    }
    return text;
  }

  core::SimulatedClock clock;
  test_support::NotingRing ring;
  std::unique_ptr<core::ring::Appender> appender = ring.make_appender();
  IngestScratch scratch;
  Target target;
  std::optional<TargetSeries> series;
  std::int64_t time_ms = 0;
};

TEST_F(TargetSeriesTest, LinesAreKnownInAnyOrder) {
  ingest("a 1\nb 2\nc 3\n");
  EXPECT_EQ(ingest("c 3\na 1\nb 2\n").series_added, 0U);
  EXPECT_EQ(ingest("b 4\nd 5\na 4\n").series_added, 1U);
  EXPECT_EQ(ingest("c 6\nd 6\nb 6\na 6\n").series_added, 0U);
  EXPECT_EQ(samples("a"), "10=1 20=1 30=4 40=6");
  EXPECT_EQ(samples("b"), "10=2 20=2 30=4 40=6");
  EXPECT_EQ(samples("c"), "10=3 20=3 30=stale 40=6");
  EXPECT_EQ(samples("d"), "30=5 40=6");
  EXPECT_EQ(series->lines(), 4U);
}

TEST_F(TargetSeriesTest, AMarkerIsWrittenOnceAtMost) {
  ingest("a 1\nb 1\n");
  ingest("a 2\n");
  ingest("a 3\n");
  EXPECT_EQ(samples("b"), "10=1 20=stale");
  series->end(*appender, time_ms += 10'000);
  series->end(*appender, time_ms += 10'000);
  EXPECT_EQ(samples("a"), "10=1 20=2 30=3 40=stale");
  EXPECT_EQ(samples("b"), "10=1 20=stale");
}

TEST_F(TargetSeriesTest, ALineThatComesAndGoesKeepsItsSeries) {
  for (int i = 0; i < 4; ++i) ingest(i % 2 == 0 ? "a 1\nb 1\n" : "b 1\n");
  EXPECT_EQ(samples("a"), "10=1 20=stale 30=1 40=stale");
  EXPECT_EQ(samples("scrape_series_added"), "10=2 20=0 30=0 40=0");
}

// The type is that of the body at hand, which the label's text is read by.
TEST_F(TargetSeriesTest, ASeriesIsMadeUnderTheLabelsOfItsLine) {
  ingest("# TYPE h histogram\nh_bucket{le=\"1\"} 1\n# TYPE g gauge\ng{le=\"1\"} 2\n");
  EXPECT_EQ(samples("h_bucket", {{"le", "1.0"}, {"job", "j"}, {"instance", "h:9"}}), "10=1");
  EXPECT_EQ(samples("g", {{"le", "1"}}), "10=2");
}

// Another writer of the series has taken them: what they are called is read from the body again.
TEST_F(TargetSeriesTest, SeriesThatAreGoneAreMadeAgain) {
  ingest("a{x=\"1\"} 1\nb 1\n");
  const auto other = ring.make_appender();
  const auto timeline = *other->open_timeline(7);
  ASSERT_TRUE(other->upsert(timeline, {{"__name__", "a"}, {"x", "1"}, {"job", "j"}, {"instance", "h:9"}}).has_value());
  EXPECT_EQ(ingest("b 2\na{x=\"1\"} 2\n").series_added, 0U);
  EXPECT_EQ(samples("a", {{"x", "1"}}), "10=1 20=2");
  EXPECT_EQ(samples("b"), "10=1 20=2");
}

TEST_F(TargetSeriesTest, DroppedLinesAreRememberedAndNotAsked) {
  ScrapeConfig config;
  relabel::RelabelConfig drop;
  drop.action = relabel::Action::kDrop;
  drop.source_labels = {"__name__"};
  drop.regex = "a";
  config.metric_relabel_configs = {drop};
  begin(std::move(config));
  EXPECT_EQ(ingest("a 1\nb 1\n").series_added, 1U);
  const ScrapeReport report = ingest("a 2\nb 2\n");
  EXPECT_EQ(report.scraped, 2U);
  EXPECT_EQ(report.post_relabeling, 1U);
  EXPECT_EQ(samples("a"), "0 series");
  EXPECT_EQ(series->lines(), 2U);
}

TEST_F(TargetSeriesTest, WhatASampleLimitRefusesGoesStaleAndComesBack) {
  ScrapeConfig config;
  config.sample_limit = 2;
  begin(std::move(config));
  ingest("a 1\nb 1\n");
  EXPECT_EQ(ingest("x 1\ny 1\na 2\nb 2\n").error, "sample limit exceeded");
  ingest("a 3\nb 3\n");
  EXPECT_EQ(samples("a"), "10=1 20=stale 30=3");
  EXPECT_EQ(samples("x"), "0 series");
}

TEST_F(TargetSeriesTest, LinesThatAreGoneAreForgotten) {
  std::size_t most = 0;
  for (int scrape = 0; scrape < 50; ++scrape) {
    std::string body;
    for (int i = 0; i < 1000; ++i) body += fmt::format("churn{{i=\"{}\"}} 1\n", scrape * 1000 + i);
    ingest(body + "stays 1\n" + (scrape % 5 == 4 ? "broken\n" : ""));
    most = std::max(most, series->lines());
  }
  // Those of the last three scrapes.
  EXPECT_LE(most, 3U * 1001U);
  EXPECT_EQ(samples("scrape_series_added").find("20=1001"), std::string::npos);
  ingest("stays 1\n");
  ingest("stays 1\n");
  ingest("stays 1\n");
  EXPECT_EQ(series->lines(), 1U);
}

TEST_F(TargetSeriesTest, AnOutsizedBodyLeavesNoScratchBehind) {
  const auto body_of = [](std::size_t lines) {
    std::string body;
    for (std::size_t i = 0; i < lines; ++i) body += fmt::format("a{{i=\"{}\"}} 1\n", i);
    return body;
  };
  constexpr std::size_t kBytesKept =
      IngestScratch::kSamplesKept * sizeof(PendingSample) + LineIndex::kSlotsKept * sizeof(LineNumber);
  ASSERT_EQ(ingest(body_of(1000)).error, "");
  const std::size_t bytes = scratch.bytes();
  EXPECT_GT(bytes, 0U);
  EXPECT_LE(bytes, kBytesKept);
  ASSERT_EQ(ingest(body_of(2000)).error, "");
  ASSERT_EQ(ingest(body_of(60'000)).error, "");
  EXPECT_LE(scratch.bytes(), bytes);
}

TEST_F(TargetSeriesTest, ABodyOfTooManySamplesFails) {
  std::string body;
  for (std::size_t i = 0; i <= kBodySamplesMax; ++i) body += "a 1\n";
  EXPECT_EQ(ingest(std::move(body)).error,
            "more than 4194304 samples in one body: ring.max_series is too small for it (line 4194305)");
  EXPECT_EQ(samples("a"), "0 series");
  EXPECT_EQ(samples("up"), "10=0");
}

// "a counter A." for each family.
std::string families_of(const TargetSeries& series) {
  std::string text;
  for (const FamilyMetadata& each : series.metadata()) {
    text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", each.family, to_string(each.type), each.help);
  }
  return text;
}

TEST_F(TargetSeriesTest, FamiliesAreKeptWhileTheirLinesAreKnownAndForgottenAfter) {
  const std::string a = "# HELP a A.\n# TYPE a counter\na 1\n";
  const std::string b = "# HELP b B.\n# TYPE b gauge\nb 1\n";
  for (int i = 0; i < 45; ++i) {
    ASSERT_EQ(ingest(a + b).error, "");
    ASSERT_EQ(families_of(*series), "a counter A., b gauge B.") << i;
  }
  ingest("# HELP a Other.\n# TYPE a gauge\na 1\n" + b);
  EXPECT_EQ(families_of(*series), "a gauge Other., b gauge B.");
  for (int i = 0; i < 25; ++i) ingest(b);
  EXPECT_EQ(families_of(*series), "b gauge B.");
}

// The later lines, which are known, hold against the new ones before them.
TEST_F(TargetSeriesTest, TheLastLinesOfAFamilyHold) {
  const std::string last = "a 1\n# HELP a Last.\n# TYPE a counter\nb 1\n";
  ingest("# HELP a First.\n" + last);
  ingest("# HELP a First.\n" + last);
  ingest("# HELP a New.\n" + last);
  ingest("# HELP a New.\n" + last);
  EXPECT_EQ(families_of(*series), "a counter Last.");
}

TEST_F(TargetSeriesTest, SloppyTextIsTakenAndCountedOrRefused) {
  const std::string body = "# TYPE a info\na 1\r\nb 2 # {x=\"y\"} 1\n";
  EXPECT_EQ(ingest(body).tolerated, 3U);
  const ScrapeReport again = ingest(body);
  EXPECT_EQ(again.error, "");
  EXPECT_EQ(again.scraped, 2U);
  EXPECT_EQ(samples("b"), "10=2 20=2");
  ScrapeConfig config;
  config.strict_exposition = true;
  begin(std::move(config));
  EXPECT_EQ(ingest(body).error, "invalid metric type \"info\" (line 1)");
}

// What a failed body had before its bad line is known all the same, and goes stale only when a scrape is without it.
TEST_F(TargetSeriesTest, AFailedBodyIsNotWrittenHoweverMuchOfItIsKnown) {
  ingest("a 1\nb 1\nc 1\n");
  EXPECT_NE(ingest("a 2\nb 2\n!\n").error, "");
  ingest("a 3\nb 3\nc 3\n");
  EXPECT_EQ(samples("a"), "10=1 30=3");
  EXPECT_EQ(samples("c"), "10=1 20=stale 30=3");
}

TEST_F(TargetSeriesTest, TheTimelineIsTheTargets) {
  ingest("a 1\n");
  begin({});
  ingest("a 1\n");
  target.interval = core::Millis(5000);
  begin({});
  ingest("a 1\n");
  ASSERT_EQ(ring.identities.size(), 3U);
  EXPECT_NE(ring.identities[0], 0U);
  EXPECT_EQ(ring.identities[0], target.timeline_identity());
  EXPECT_EQ(ring.identities[1], ring.identities[0]);
  EXPECT_EQ(ring.identities[2], ring.identities[0]);
  Target other = target;
  other.url = "http://h:9/other";
  EXPECT_NE(other.timeline_identity(), target.timeline_identity());
  other = target;
  other.labels = {{"job", "k"}, {"instance", "h:9"}};
  EXPECT_NE(other.timeline_identity(), target.timeline_identity());
}

}  // namespace
}  // namespace collector::scrape
