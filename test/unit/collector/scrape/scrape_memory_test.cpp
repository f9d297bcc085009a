// SPDX-License-Identifier: Apache-2.0
// What a target may take of the agent: memory, time of its shard, and room in what is told of it.
#include <gtest/gtest.h>

#include <zlib.h>

#include <string>

#include "core/time/cpu_time.h"
#include "scrape_world.h"
#include "test/support/hostile_server.h"

namespace collector::scrape {
namespace {

using std::chrono::seconds;

std::string lines(const std::string& name, int count) {
  std::string body;
  for (int i = 0; i < count; ++i) body += name + "{i=\"" + std::to_string(i) + "\"} 1\n";
  return body;
}

class TargetMemoryTest : public testing::Test {
 protected:
  void begin(ScrapeMemory wanted) {
    memory = std::move(wanted);
    target.labels = {{"job", "j"}, {"instance", "h:9"}};
    target.url = "http://h:9/metrics";
    series = std::make_unique<TargetSeries>(Job::make({}), target, memory);
  }
  ScrapeReport ingest(TargetSeries& into, std::string body) {
    Fetch fetch;
    fetch.time_ms = time_ms += 10'000;
    fetch.content_type = "text/plain";
    fetch.body = std::move(body);
    return into.ingest(*appender, clock, fetch, scratch);
  }
  ScrapeReport ingest(std::string body) { return ingest(*series, std::move(body)); }

  core::SimulatedClock clock;
  std::unique_ptr<core::ring::Ring> ring = core::ring::make_memory_ring();
  std::unique_ptr<core::ring::Appender> appender = ring->make_appender();
  IngestScratch scratch;
  ScrapeMemory memory;
  Target target;
  std::unique_ptr<TargetSeries> series;
  std::int64_t time_ms = 0;
};

TEST_F(TargetMemoryTest, MoreSamplesThanTheRingCouldHoldFailTheScrape) {
  ScrapeMemory small;
  small.samples_max = 100;
  begin(small);
  EXPECT_EQ(ingest(lines("a", 100)).error, "");
  const ScrapeReport report = ingest(lines("a", 101));
  EXPECT_TRUE(report.over_memory);
  EXPECT_EQ(report.error, "more than 100 samples in one body: ring.max_series is too small for it (line 101)");
  EXPECT_EQ(ingest(lines("a", 100)).error, "");
}

TEST_F(TargetMemoryTest, LinesOfAllTargetsHaveABudget) {
  ScrapeMemory shared;
  shared.lines = std::make_shared<core::ByteBudget>(8192 * sizeof(Line));
  begin(shared);
  EXPECT_EQ(ingest(lines("a", 4000)).error, "");
  EXPECT_EQ(shared.lines->used(), 4096 * sizeof(Line));
  const ScrapeReport report = ingest(lines("a", 4200));
  EXPECT_TRUE(report.over_memory);
  EXPECT_NE(report.error.find("no memory left for another line: this target has 4095"), std::string::npos)
      << report.error;
  // Another finds room: never all is taken.
  TargetSeries other(Job::make({}), target, shared);
  EXPECT_EQ(ingest(other, lines("b", 1000)).error, "");
  EXPECT_EQ(ingest(lines("a", 4000)).error, "") << "what was there before is not harmed";
  series.reset();
  EXPECT_EQ(shared.lines->used(), 1024 * sizeof(Line));
}

TEST_F(TargetMemoryTest, ManyLinesOfAFailedScrapeAreForgotten) {
  begin({});
  ingest(lines("a", 10));
  for (int i = 0; i < 5; ++i) {
    EXPECT_NE(ingest("a{i=\"0\"} 1\n" + lines("b" + std::to_string(i), 10'000) + "!\n").error, "");
    EXPECT_EQ(series->lines(), 10U);
  }
  EXPECT_EQ(ingest(lines("a", 10)).series_added, 0U);
  // A few are kept: they need not be made again.
  EXPECT_NE(ingest(lines("c", 100) + "!\n").error, "");
  EXPECT_EQ(ingest(lines("c", 100)).series_added, 0U);
}

// What a target calls its families is of any length, and it may have others each time.
TEST_F(TargetMemoryTest, MetadataHasAShareOfMemory) {
  begin({});
  const auto bytes = [&] {
    std::size_t sum = 0;
    for (const FamilyMetadata& each : series->metadata())
      sum += each.family.size() + each.help.size() + each.unit.size();
    return sum;
  };
  ASSERT_EQ(ingest("# HELP kept A text.\nkept 1\n").families_refused, 0U);
  for (int scrape = 0; scrape < 3; ++scrape) {
    std::string body;
    for (int i = 0; i < 50; ++i) {
      body += "# TYPE f" + std::to_string(scrape * 50 + i) + std::string(100'000, 'f') + " gauge\n";
    }
    EXPECT_GT(ingest(body + "# HELP kept A text.\nkept 1\n!\n").families_refused, 30U);
    EXPECT_LE(bytes(), kMetadataBytesMax);
  }
  // When the target is itself again, so is what is known of it.
  for (int i = 0; i < 25; ++i) ingest("# HELP kept Another.\nkept 1\n");
  EXPECT_EQ(bytes(), std::string("keptAnother.").size());
  EXPECT_EQ(ingest("# HELP new A text.\nkept 1\n").families_refused, 0U);
}

// A thousand labels a line took a million comparisons, and a body of such lines minutes.
TEST_F(TargetMemoryTest, WideLinesCostWhatTheirBytesCost) {
  begin({});
  std::string body;
  for (int line = 0; line < 300; ++line) {
    body += "wide{line=\"" + std::to_string(line) + "\"";
    for (int i = 0; i < 1000; ++i) body += ",l" + std::to_string(i) + "=\"v\"";
    body += "} 1\n";
  }
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr auto kMuch = seconds(60);
#else
  constexpr auto kMuch = seconds(3);
#endif
  const core::Duration before = core::thread_cpu_time();
  EXPECT_EQ(ingest(body).error, "");
  EXPECT_LT(core::thread_cpu_time() - before, kMuch) << "about 0.2 s";
  EXPECT_EQ(ingest("a{x=\"1\",x=\"2\"} 1\n").error, "label name \"x\" is not unique: invalid sample (line 1)");
  body.insert(body.find("l7="), "l77=\"v\",");
  EXPECT_EQ(ingest(body).error, "label name \"l77\" is not unique: invalid sample (line 1)");
}

class LargeTargetTest : public ScrapeWorld {
 protected:
  LargeTargetTest() {
    std::vector<std::unique_ptr<Shard>> shards;
    shards.push_back(std::make_unique<InlineShard>(*ring));
    pools = std::make_unique<ScrapePools>(
        clock, clock, http, std::move(shards), [](const Arrival&) {},
        ScrapePoolsOptions{.host_name = "", .large = std::make_unique<InlineShard>(*ring), .memory = {}});
  }

  void answer_with(std::string body, core::net::Coding coding = core::net::Coding::kIdentity) {
    http.script = [body = std::move(body), coding](const core::net::Request&) {
      Answer answer;
      answer.body = body;
      answer.coding = coding;
      return answer;
    };
  }

  static constexpr const char* kJob =
      "[{job_name: j, scrape_interval: 10s, scrape_timeout: 5s, static_configs: [{targets: ['h:9']}]}]";
};

TEST_F(LargeTargetTest, ALargeBodyMovesItsTargetAndItsSeriesGoOn) {
  answer_with("a 1\nb 1\n");
  apply(kJob);
  until_first_scrape();
  EXPECT_EQ(pools->stats().moved, 0U);
  const std::string comment = "# " + std::string(kSmallBodyBytesMax, '-') + "\n";
  answer_with(comment + "a 2\n");
  clock.advance(seconds(10));
  EXPECT_EQ(pools->stats().moved, 1U);
  EXPECT_EQ(only_target().last_error, "");
  answer_with("a 3\n");
  clock.advance(seconds(10));
  EXPECT_EQ(pools->stats().moved, 1U) << "it stays there";
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h:9"}, {"job", "j"}}), "0=1 10000=2 20000=3");
}

TEST_F(LargeTargetTest, ABombIsUnpackedWhereNobodyWaits) {
  answer_with(test_support::gzip_members(std::string(1 << 20, '\n') + "a 1\n", 200), core::net::Coding::kGzip);
  apply(kJob);
  until_first_scrape();
  EXPECT_EQ(pools->stats().moved, 1U);
  EXPECT_EQ(only_target().last_error, "body size limit exceeded");
  EXPECT_EQ(pools->stats().over_size, 1U);
  answer_with(test_support::zstd_frames("a 2\n", 1), core::net::Coding::kZstd);
  clock.advance(seconds(10));
  EXPECT_EQ(only_target().last_error, "");
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h:9"}, {"job", "j"}}), "10000=2");
  answer_with("a 3\n", core::net::Coding::kGzip);
  clock.advance(seconds(10));
  EXPECT_EQ(only_target().last_error, "gzip: invalid data in the body");
}

TEST_F(LargeTargetTest, ATargetThatIsStoppedWhileItMovesIsLetGo) {
  answer_with("# " + std::string(kSmallBodyBytesMax, '-') + "\na 1\n");
  apply(kJob);
  until_first_scrape();
  EXPECT_EQ(pools->stats().moved, 1U);
  // Under another timeout the loop is another one, and its series are where they were.
  apply("[{job_name: j, scrape_interval: 10s, scrape_timeout: 4s, static_configs: [{targets: ['h:9']}]}]");
  answer_with("a 2\n");
  clock.advance(seconds(10));
  EXPECT_EQ(pools->stats().moved, 1U);
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h:9"}, {"job", "j"}}), "0=1 7397=2");
  apply("[]");
  clock.advance(seconds(30));
}

TEST_F(LargeTargetTest, WhatATargetSaysOfItselfIsCutAndMadeReadable) {
  http.script = [](const core::net::Request&) {
    Answer answer;
    answer.status = 500;
    answer.reason = "\xff\xfe" + std::string(100'000, 'x');
    return answer;
  };
  apply(kJob);
  until_first_scrape();
  const std::string error = only_target().last_error;
  EXPECT_TRUE(core::ring::is_valid_utf8(error));
  EXPECT_LT(error.size(), 2200U);
  EXPECT_TRUE(error.find("server returned HTTP status 500") != std::string::npos) << error;
}

TEST_F(LargeTargetTest, AnEmptyGzipStreamIsNoGoodScrapeOfNothing) {
  http.script = [](const core::net::Request&) {
    Answer answer;
    answer.content_encoding = "gzip";
    return answer;
  };
  apply(kJob);
  until_first_scrape();
  EXPECT_EQ(only_target().last_error, "EOF");
}

TEST_F(LargeTargetTest, ZstdIsAskedForOnlyIfItIsConfigured) {
  apply(kJob);
  until_first_scrape();
  EXPECT_FALSE(http.requests.back().accept_zstd);
  apply("[{job_name: j, scrape_interval: 10s, enable_zstd: true, static_configs: [{targets: ['h:9']}]}]");
  clock.advance(seconds(10));
  EXPECT_TRUE(http.requests.back().accept_zstd);
  EXPECT_TRUE(http.requests.back().accept_gzip);
  EXPECT_NE(read("[{job_name: j, enable_zstd: true, enable_compression: false}]")
                .error()
                .message.find("p.yml:1:29: enable_zstd: expected enable_compression with it"),
            std::string::npos)
      << read("[{job_name: j, enable_zstd: true, enable_compression: false}]").error().message;
}

TEST_F(LargeTargetTest, OneBodyThatIsAllowedHasRoom) {
  apply("[{job_name: j, body_size_limit: 1GB, static_configs: [{targets: ['h:9']}]}]");
  EXPECT_EQ(pools->memory().bodies->limit(), 2ULL << 30);
  apply(kJob);
  EXPECT_EQ(pools->memory().bodies->limit(), 2 * kBodyBytesMax);
}

}  // namespace
}  // namespace collector::scrape
