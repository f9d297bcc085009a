// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/scrape_loop.h"

#include <chrono>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/collector/scrape/scrape_world.h"

namespace collector::scrape {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr std::string_view kJob =
    "[{job_name: j, scrape_interval: 10s, scrape_timeout: 5s, static_configs: [{targets: ['h:9']}]}]";

class ScrapeLoopTest : public ScrapeWorld {
 protected:
  // The body of each scrape in turn; the last one stays.
  void bodies(std::vector<std::string> texts) {
    http.script = [texts, n = std::size_t{0}](const core::net::Request&) mutable {
      Answer answer;
      answer.body = texts[std::min(n++, texts.size() - 1)];
      return answer;
    };
  }
  void answers(std::vector<Answer> list) {
    http.script = [list, n = std::size_t{0}](const core::net::Request&) mutable {
      return list[std::min(n++, list.size() - 1)];
    };
  }
  static Answer body(std::string text) {
    Answer answer;
    answer.body = std::move(text);
    return answer;
  }
};

TEST_F(ScrapeLoopTest, ScrapesOnceAnInterval) {
  bodies({"a 1\n", "a 2\n", "a 3\n"});
  apply(kJob);
  until_first_scrape();
  clock.advance(seconds(20));
  EXPECT_EQ(samples({{"__name__", "a"}, {"job", "j"}, {"instance", "h:9"}}), "0=1 10000=2 20000=3");
  EXPECT_EQ(samples({{"__name__", "up"}, {"job", "j"}, {"instance", "h:9"}}), "0=1 10000=1 20000=1");
  EXPECT_EQ(samples({{"__name__", "scrape_duration_seconds"}}), "0=0.02 10000=0.02 20000=0.02");
  EXPECT_EQ(samples({{"__name__", "scrape_samples_scraped"}}), "0=1 10000=1 20000=1");
  EXPECT_EQ(samples({{"__name__", "scrape_samples_post_metric_relabeling"}}), "0=1 10000=1 20000=1");
  EXPECT_EQ(samples({{"__name__", "scrape_series_added"}}), "0=1 10000=0 20000=0");
  EXPECT_EQ(samples({{"__name__", "scrape_timeout_seconds"}}), "none");
  const TargetStatus status = only_target();
  EXPECT_EQ(status.health, Health::kUp);
  EXPECT_EQ(status.last_error, "");
  EXPECT_EQ(status.scrape_pool, "j");
  EXPECT_EQ(status.target.url, "http://h:9/metrics");
  EXPECT_EQ(status.last_duration, milliseconds(20));
  ASSERT_EQ(arrivals.size(), 3U);
  EXPECT_EQ(arrivals[1].job, "j");
  EXPECT_EQ(arrivals[1].instance, "h:9");
  EXPECT_EQ(arrivals[1].time_ms, first_ms + 10'000);
}

TEST_F(ScrapeLoopTest, TheRequestIsPrometheusRequest) {
  apply(kJob);
  until_first_scrape();
  const core::net::Request& request = http.requests.at(0);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.timeout, seconds(5));
  EXPECT_TRUE(request.accept_gzip);
  EXPECT_TRUE(request.follow_redirects);
  EXPECT_EQ(core::net::find_header(request.headers, "accept"),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
  EXPECT_EQ(core::net::find_header(request.headers, "X-Prometheus-Scrape-Timeout-Seconds"), "5");
}

TEST_F(ScrapeLoopTest, EveryTargetHasItsPlaceInTheInterval) {
  apply("[{job_name: j, scrape_interval: 10s, static_configs: [{targets: [a:1, b:1, c:1, d:1, e:1, f:1, g:1, h:1]}]}]");
  std::vector<std::size_t> per_second;
  for (int i = 0; i < 10; ++i) {
    const std::size_t before = http.requests.size();
    clock.advance(seconds(1));
    per_second.push_back(http.requests.size() - before);
  }
  EXPECT_EQ(http.requests.size(), 8U);
  EXPECT_LT(*std::max_element(per_second.begin(), per_second.end()), 8U);
  // The same after a restart: the phase is counted on the Unix clock.
  const auto status = pools->status();
  pools->stop();
  make_pools();
  apply("[{job_name: j, scrape_interval: 10s, static_configs: [{targets: [a:1, b:1, c:1, d:1, e:1, f:1, g:1, h:1]}]}]");
  clock.advance(seconds(11));
  const auto again = pools->status();
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(core::to_unix_ms(*status[0].active[i].last_scrape) % 10'000,
              core::to_unix_ms(*again[0].active[i].last_scrape) % 10'000);
  }
}

TEST_F(ScrapeLoopTest, ASlowTargetIsWaitedForAndAHungOneIsNot) {
  Answer slow = body("a 1\n");
  slow.delay = seconds(4);
  Answer hung = body("a 1\n");
  hung.delay = std::chrono::hours(1);
  answers({slow, hung, slow});
  apply(kJob);
  until_first_scrape();
  clock.advance(seconds(25));
  EXPECT_EQ(samples({{"__name__", "up"}}), "0=1 10000=0 20000=1");
  EXPECT_EQ(samples({{"__name__", "scrape_duration_seconds"}}), "0=4 10000=5 20000=4");
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 10000=stale 20000=1");
  EXPECT_EQ(http.most_in_flight, 1);
}

// With a timeout as long as the interval the answer to a hung scrape is its error at the very next tick.
TEST_F(ScrapeLoopTest, AHungTargetIsAskedAtEveryTick) {
  Answer hung;
  hung.delay = std::chrono::hours(1);
  answers({hung});
  apply("[{job_name: j, scrape_interval: 5s, scrape_timeout: 5s, static_configs: [{targets: ['h:9']}]}]");
  until_first_scrape();
  clock.advance(seconds(33));
  EXPECT_EQ(http.requests.size(), 8U);
  EXPECT_EQ(http.most_in_flight, 1);
  EXPECT_EQ(only_target().last_error, "Get \"http://h:9/metrics\": context deadline exceeded");
  EXPECT_EQ(only_target().health, Health::kDown);
}

TEST_F(ScrapeLoopTest, FailuresSayWhatPrometheusSays) {
  Answer status;
  status.status = 500;
  status.reason = "Internal Server Error";
  Answer html = body("<html>");
  html.content_type = "text/html";
  Answer untyped = body("a 1\n");
  untyped.content_type = "";
  Answer odd = body("a 1\n");
  odd.content_type = "text/plain;;";
  Answer refused;
  refused.error = "dial tcp 10.0.0.1:9: connect: connection refused";
  Answer open_metrics = body("a 1\n");
  open_metrics.content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  const std::pair<Answer, std::string> cases[] = {
      {status, "server returned HTTP status 500 Internal Server Error"},
      {html, "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target"},
      {untyped,
       "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"},
      {odd,
       "cannot parse Content-Type \"text/plain;;\" and no fallback_scrape_protocol for target\n"
       "mime: invalid media parameter"},
      {refused, "Get \"http://h:9/metrics\": dial tcp 10.0.0.1:9: connect: connection refused"},
      {open_metrics, "data does not end with # EOF (line 2)"},
      {body("a 1\nb x\n"), "strconv.ParseFloat: parsing \"x\": invalid syntax while parsing: \"b x\" (line 2)"},
      {body(std::string("\x1f\x8b\x08\x00\x00", 5)),
       "expected a valid start token, got \"\\x1f\" (\"INVALID\") while parsing: \"\\x1f\" (line 1)"},
      {body("a 1\nb{x=\"1\""),
       "expected label name, got \"\\n\" (\"INVALID\") while parsing: \"b{x=\\\"1\\\"\\n\" (line 2)"},
  };
  std::vector<Answer> list{body("a 1\n")};
  for (const auto& [answer, message] : cases) list.push_back(answer);
  list.push_back(body("a 2\n"));
  answers(list);
  apply(kJob);
  until_first_scrape();
  std::string up = "0=1";
  int tick = 0;
  for (const auto& [answer, message] : cases) {
    clock.advance(seconds(10));
    EXPECT_EQ(only_target().last_error, message);
    EXPECT_EQ(only_target().health, Health::kDown);
    up += fmt::format(" {}=0", ++tick * 10'000);
  }
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "up"}}), fmt::format("{} {}=1", up, ++tick * 10'000));
  EXPECT_EQ(only_target().last_error, "");
}

TEST_F(ScrapeLoopTest, AWrongTypeIsReadAsTheFallbackSays) {
  Answer html = body("a 1\n");
  html.content_type = "text/html";
  answers({html});
  apply(
      "[{job_name: j, scrape_interval: 10s, fallback_scrape_protocol: PrometheusText0.0.4, "
      "static_configs: [{targets: ['h:9']}]}]");
  until_first_scrape();
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1");
}

TEST_F(ScrapeLoopTest, SeriesThatAreMissingGoStale) {
  bodies({"a 1\nb 1\n", "a 2\n", "a 3\nb 3\n", ""});
  apply(kJob);
  until_first_scrape();
  clock.advance(seconds(40));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 10000=2 20000=3 30000=stale");
  EXPECT_EQ(samples({{"__name__", "b"}}), "0=1 10000=stale 20000=3 30000=stale");
  // An empty body is a good scrape of nothing.
  EXPECT_EQ(samples({{"__name__", "up"}}), "0=1 10000=1 20000=1 30000=1 40000=1");
}

TEST_F(ScrapeLoopTest, AFailedScrapeStoresNothingAndMarksWhatItDidNotReach) {
  bodies({"a 1\nb 1\nc 1\n", "a 2\nd 2\nb x\n", "c 3\n"});
  apply(kJob);
  until_first_scrape();
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1");  // reached: misses a sample
  EXPECT_EQ(samples({{"__name__", "b"}}), "0=1 10000=stale");
  EXPECT_EQ(samples({{"__name__", "c"}}), "0=1 10000=stale");
  EXPECT_EQ(samples({{"__name__", "d"}}), "none");
  EXPECT_EQ(samples({{"__name__", "scrape_samples_scraped"}}), "0=3 10000=2");
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 20000=stale");  // absent from the next good one
  EXPECT_EQ(samples({{"__name__", "b"}}), "0=1 10000=stale");
  EXPECT_EQ(samples({{"__name__", "c"}}), "0=1 10000=stale 20000=3");
  EXPECT_EQ(samples({{"__name__", "d"}}), "none");
}

TEST_F(ScrapeLoopTest, TwoTextsOfOneSeriesAreOneSeries) {
  bodies({"a{x=\"1\",y=\"2\"} 1\n", "a{y=\"2\",x=\"1\"} 2\n", "a{x=\"1\",y=\"2\"} 3\na{y=\"2\",x=\"1\"} 4\n"});
  apply(kJob);
  until_first_scrape();
  clock.advance(seconds(20));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 10000=2 20000=3");
}

TEST_F(ScrapeLoopTest, DuplicatesAndOldSamplesAreDroppedAndCounted) {
  bodies({"a 1\na 2\nb 1 1000\nb 2 2000\nb 3 1500\nb 2 2000\n"});
  apply(kJob);
  until_first_scrape();
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1");
  EXPECT_EQ(only_target().last_report.duplicates, 1U);
  EXPECT_EQ(only_target().last_report.out_of_order, 1U);
  EXPECT_EQ(only_target().last_report.scraped, 6U);
  EXPECT_EQ(only_target().health, Health::kUp);
  EXPECT_EQ(samples({{"__name__", "b"}}), fmt::format("{}=1 {}=2", 1000 - first_ms, 2000 - first_ms));
}

TEST_F(ScrapeLoopTest, SamplesWithTheirOwnTimeAreNotTracked) {
  bodies({"a 1 1000\n", ""});
  apply(kJob);
  until_first_scrape();
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "a"}}), fmt::format("{}=1", 1000 - first_ms));
}

TEST_F(ScrapeLoopTest, SamplesWithTheirOwnTimeAreTrackedOnRequest) {
  bodies({"a 1 1000\n", ""});
  apply("[{job_name: j, scrape_interval: 10s, track_timestamps_staleness: true, static_configs: [{targets: [h]}]}]");
  until_first_scrape();
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "a"}}), fmt::format("{}=1 10000=stale", 1000 - first_ms));
}

TEST_F(ScrapeLoopTest, TimesAreIgnoredOnRequest) {
  bodies({"a 1 1000\n", ""});
  apply("[{job_name: j, scrape_interval: 10s, honor_timestamps: false, static_configs: [{targets: [h]}]}]");
  until_first_scrape();
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 10000=stale");
}

TEST_F(ScrapeLoopTest, SamplesFromTheFutureAreDropped) {
  bodies({"a 1 9999999999999\nb 1\n"});
  apply(kJob);
  until_first_scrape();
  EXPECT_EQ(only_target().last_report.out_of_bounds, 1U);
  EXPECT_EQ(samples({{"__name__", "b"}}), "0=1");
}

TEST_F(ScrapeLoopTest, LimitsFailTheWholeScrape) {
  struct Case {
    std::string_view limit;
    std::string_view error;
    std::string_view scraped;
    std::string_view body_bytes;
  };
  const Case cases[] = {
      {"sample_limit: 2", "sample limit exceeded", "0=3", "0=48"},
      {"body_size_limit: 48B", "body size limit exceeded", "0=0", "0=-1"},
      {"label_limit: 3", "label_limit exceeded (metric: bb, number of labels: 4, limit: 3) (line 2)", "0=2", "0=48"},
      {"label_name_length_limit: 8",
       "label_name_length_limit exceeded (metric: ccc, label name: long_name, length: 9, limit: 8) (line 3)", "0=3",
       "0=48"},
      {"label_value_length_limit: 3",
       "label_value_length_limit exceeded (metric: ccc, label name: long_name, value: \"valu\", length: 4, limit: 3) "
       "(line 3)",
       "0=3", "0=48"},
  };
  for (const Case& each : cases) {
    ring = core::ring::make_memory_ring();
    pools.reset();
    make_pools();
    bodies({"a 1\nbb{label=\"xyz\"} 1\nccc{long_name=\"valu\"} 1\n\n\n"});
    apply(
        fmt::format("[{{job_name: j, extra_scrape_metrics: true, scrape_interval: 10s, {}, "
                    "static_configs: [{{targets: [h]}}]}}]",
                    each.limit));
    until_first_scrape();
    EXPECT_EQ(only_target().last_error, each.error);
    EXPECT_EQ(samples({{"__name__", "a"}}), "none") << each.limit;
    EXPECT_EQ(samples({{"__name__", "up"}}), "0=0") << each.limit;
    EXPECT_EQ(samples({{"__name__", "scrape_samples_scraped"}}), each.scraped) << each.limit;
    EXPECT_EQ(samples({{"__name__", "scrape_body_size_bytes"}}), each.body_bytes) << each.limit;
    EXPECT_EQ(samples({{"__name__", "scrape_timeout_seconds"}}), "0=10") << each.limit;
  }
}

TEST_F(ScrapeLoopTest, TooManyTargetsAreNotAsked) {
  apply("[{job_name: j, scrape_interval: 10s, target_limit: 2, static_configs: [{targets: [a, b, c]}]}]");
  clock.advance(seconds(11));
  EXPECT_TRUE(http.requests.empty());
  const auto status = pools->status();
  ASSERT_EQ(status.at(0).active.size(), 3U);
  for (const TargetStatus& target : status[0].active) {
    EXPECT_EQ(target.last_error, "target_limit exceeded (number of targets: 3, limit: 2)");
    EXPECT_EQ(target.health, Health::kDown);
  }
}

TEST_F(ScrapeLoopTest, ATargetCannotSpeakForItsOwnHealth) {
  bodies({"up 0\na 1\n"});
  apply("[{job_name: j, scrape_interval: 10s, static_configs: [{targets: [h]}]}]");
  until_first_scrape();
  EXPECT_EQ(samples({{"__name__", "up"}}), "0=1");
  EXPECT_EQ(only_target().last_report.duplicates, 1U);
}

TEST_F(ScrapeLoopTest, LateTimersAreDatedToTheGrid) {
  bodies({"a 1\n"});
  apply(kJob);
  until_first_scrape();
  clock.step_wall(milliseconds(1));  // as if the timer had fired a millisecond late
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 10000=1");
  clock.step_wall(milliseconds(50));  // a real step shows
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 10000=1 20051=1");
}

TEST_F(ScrapeLoopTest, AWallClockThatStepsBackStoresNothingOldAndRecovers) {
  bodies({"a 1\n"});
  apply(kJob);
  until_first_scrape();
  clock.step_wall(seconds(-15));
  clock.advance(seconds(10));  // at -5 s: older than what is stored
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1");
  EXPECT_EQ(only_target().last_report.out_of_order, 1U);
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 5000=1");
}

TEST_F(ScrapeLoopTest, MetadataIsKeptPerFamily) {
  bodies({"# HELP a What\\nit is.\n# TYPE a counter\na 1\n# TYPE b gauge\n"});
  apply(kJob);
  until_first_scrape();
  const auto metadata = pools->metadata();
  ASSERT_EQ(metadata.size(), 1U);
  EXPECT_EQ(metadata[0].job, "j");
  ASSERT_EQ(metadata[0].families.size(), 2U);
  EXPECT_EQ(metadata[0].families[0].family, "a");
  EXPECT_EQ(metadata[0].families[0].help, "What\nit is.");
  EXPECT_EQ(metadata[0].families[0].type, exposition::MetricType::kCounter);
  EXPECT_EQ(metadata[0].families[1].family, "b");
}

// Series that come and go must not pile up in the target's memory, nor confuse what is living.
TEST_F(ScrapeLoopTest, ChurnIsForgotten) {
  http.script = [n = 0](const core::net::Request&) mutable {
    ++n;
    Answer answer;
    for (int i = 0; i < 100; ++i) answer.body += fmt::format("a{{i=\"{}\"}} {}\n", n * 100 + i, n);
    answer.body += fmt::format("b {}\n", n);
    if (n % 3 == 0) answer.body += "broken\n";
    return answer;
  };
  apply(kJob);
  until_first_scrape();
  clock.advance(seconds(100));
  EXPECT_EQ(samples({{"__name__", "b"}}), "0=1 10000=2 30000=4 40000=5 60000=7 70000=8 90000=10 100000=11");
  EXPECT_EQ(samples({{"__name__", "a"}, {"i", "105"}}), "0=1 10000=stale");
}

TEST_F(ScrapeLoopTest, AFullRingIsCountedAndTheRestGoesOn) {
  ring = core::ring::make_memory_ring({.max_series = 3, .max_samples = 1000});
  pools.reset();
  make_pools();
  bodies({"a 1\nb 1\nc 1\n"});
  apply(kJob);
  until_first_scrape();
  EXPECT_EQ(samples({{"__name__", "up"}}), "0=1");
  EXPECT_EQ(samples({{"__name__", "b"}}), "0=1");
  EXPECT_EQ(samples({{"__name__", "c"}}), "none");
  EXPECT_EQ(only_target().last_report.series_refused, 5U);  // c and four report series
  EXPECT_EQ(pools->stats().series_refused.load(), 5U);
}

TEST_F(ScrapeLoopTest, AReclaimedSeriesIsMadeAgain) {
  // Room for two scrapes: while others show, g loses all its samples, and with them its place in the ring.
  ring = core::ring::make_memory_ring({.max_series = 1000, .max_samples = 24});
  pools.reset();
  make_pools();
  const std::string others = "a 1\nb 1\nc 1\nd 1\ne 1\nf 1\n";
  bodies({"g 1\n", others, others, others, "g 2\n"});
  apply(kJob);
  until_first_scrape();
  EXPECT_EQ(samples({{"__name__", "g"}}), "0=1");
  clock.advance(seconds(30));
  EXPECT_EQ(samples({{"__name__", "g"}}), "none");
  clock.advance(seconds(10));
  EXPECT_EQ(samples({{"__name__", "g"}}), "40000=2");
  EXPECT_EQ(only_target().health, Health::kUp);
}

TEST(ThreadShard, RunsTasksInOrderAndRefusesPastItsBound) {
  const auto ring = core::ring::make_memory_ring();
  std::vector<int> order;
  std::atomic<bool> go{false};
  {
    const auto shard = make_thread_shard(*ring, {.capacity = 2});
    std::atomic<bool> started{false};
    ASSERT_TRUE(shard->post([&](core::ring::Appender&) {
      started = true;
      started.notify_one();
      go.wait(false);
      order.push_back(0);
    }));
    started.wait(false);
    EXPECT_TRUE(shard->post([&](core::ring::Appender&) { order.push_back(1); }));
    EXPECT_TRUE(shard->post([&](core::ring::Appender&) { order.push_back(2); }));
    EXPECT_FALSE(shard->post([&](core::ring::Appender&) { order.push_back(3); }));
    go = true;
    go.notify_one();
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

}  // namespace
}  // namespace collector::scrape
