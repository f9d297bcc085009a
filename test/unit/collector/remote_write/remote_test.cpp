// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/remote.h"

#include "collector/remote_write/metadata_feed.h"
#include "test/unit/collector/remote_write/remote_world.h"

namespace collector::remote_write::test {
namespace {

using core::Errc;
using core::net::find_header;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RemoteTest : public RemoteWorld {};

TEST_F(RemoteTest, SendsWhatIsNewWithExternalLabels) {
  scrape_now(1, {{"before", 1}});
  start("", {{"job", "not this"}, {"site", "home"}, {"a", "first"}});
  clock_.advance(seconds(1));
  const std::int64_t first = clock_.unix_ms();
  scrape_now(1, {{"up", 1}});
  clock_.advance(seconds(5));
  ASSERT_THAT(receiver_.requests, SizeIs(1));
  const std::uint64_t one = std::bit_cast<std::uint64_t>(1.0);
  const std::map<std::string, Receiver::Kept> only = {{"up{a=\"first\",job=\"j1\",site=\"home\"}", {{first, one}}}};
  EXPECT_EQ(receiver_.kept, only);
  // A lone sample waits no longer than the deadline, and a marker keeps its bits.
  scrape_now(1, {{"up", core::ring::stale_marker()}});
  clock_.advance(seconds(5) + core::Millis(20));
  EXPECT_EQ(receiver_.kept.begin()->second.back().second, core::ring::kStaleBits);
  EXPECT_EQ(remote_->status().samples_taken, 2U);
}

TEST_F(RemoteTest, AnIdleRemoteReadsAndSendsNothing) {
  start();
  scrape_now(1, {{"up", 1}});
  clock_.advance(minutes(1));
  ASSERT_THAT(receiver_.requests, SizeIs(1));
  const auto saved = store_->load();
  clock_.advance(hours(1));
  EXPECT_THAT(receiver_.requests, SizeIs(1));
  EXPECT_EQ(*store_->load(), *saved);
  EXPECT_GE(remote_->status().covered_ms, clock_.unix_ms() - 5000);
}

TEST_F(RemoteTest, CatchesUpInOrderAfterAnOutage) {
  const std::int64_t begin = clock_.unix_ms();
  start();
  receiver_.respond = [](const core::net::Request&) { return Receiver::refused(); };
  for (int i = 0; i < 480; ++i) {
    clock_.advance(seconds(15));
    scrape_now(1, {{"counter", i}, {"constant", 7}});
    if (i % 2 == 0) scrape_now(2, {{"slow", i * 0.5}});
  }
  EXPECT_EQ(receiver_.samples(), 0U);
  EXPECT_GT(clock_.unix_ms() - remote_->status().covered_ms, 7'000'000);
  receiver_.respond = [](const core::net::Request&) { return Receiver::status(204); };
  clock_.advance(seconds(20));
  EXPECT_EQ(receiver_.kept, expected(begin));
  EXPECT_EQ(remote_->status().overwritten_samples, 0U);
  EXPECT_THAT(logged_, Contains(HasSubstr("Failed to send batch, retrying")));
  EXPECT_THAT(logged_, SizeIs(2)) << "one line when it begins and one when it is over";
}

TEST_F(RemoteTest, WhatWasRefusedForGoodIsNotSentAgain) {
  start("queue_config: {max_samples_per_send: 3}\n");
  receiver_.respond = [](const core::net::Request& request) {
    const auto read = test_support::read_write_request(request.body);
    const bool bad = read->samples.front().value() == 3;
    return bad ? Receiver::status(400, {}, "out of bounds\nand more") : Receiver::status(200);
  };
  scrape_now(1, {{"a", 3}, {"b", 3}, {"c", 3}, {"d", 4}});
  clock_.advance(minutes(1));
  EXPECT_THAT(receiver_.requests, SizeIs(2));
  EXPECT_EQ(receiver_.samples(), 1U);
  EXPECT_EQ(remote_->status().samples_failed, 3U);
  EXPECT_EQ(remote_->status().samples_retried, 0U);
  EXPECT_THAT(logged_, Contains(HasSubstr("non-recoverable error: 3 samples are dropped: server returned HTTP status "
                                          "400 Bad Request: out of bounds and more")));
  // The next scrape goes as if nothing had been.
  scrape_now(1, {{"a", 5}});
  clock_.advance(seconds(6));
  EXPECT_EQ(receiver_.samples(), 2U);
}

TEST_F(RemoteTest, BacksOffBetweenItsBounds) {
  start("queue_config: {min_backoff: 1s, max_backoff: 4s}\n");
  receiver_.respond = [](const core::net::Request&) { return Receiver::status(500); };
  scrape_now(1, {{"up", 1}});
  clock_.advance(seconds(20));
  ASSERT_GE(receiver_.requests.size(), 5U);
  std::vector<std::int64_t> waits;
  for (std::size_t i = 1; i < 5; ++i) {
    waits.push_back((receiver_.requests[i].at - receiver_.requests[i - 1].at).count() / 1'000'000 - 10);
    EXPECT_EQ(find_header(receiver_.requests[i].request.headers, "Retry-Attempt"), std::to_string(i));
    EXPECT_EQ(receiver_.requests[i].request.body, receiver_.requests[0].request.body);
  }
  EXPECT_THAT(waits, ElementsAre(1000, 2000, 4000, 4000));
  EXPECT_EQ(find_header(receiver_.requests[0].request.headers, "Retry-Attempt"), "");
}

TEST_F(RemoteTest, RetryAfterReplacesOneWait) {
  start("queue_config: {min_backoff: 1s, max_backoff: 4s, retry_on_http_429: true}\n");
  int answers = 0;
  receiver_.respond = [&](const core::net::Request&) {
    ++answers;
    if (answers == 1) return Receiver::status(429, {{"Retry-After", "30"}});
    if (answers == 2) return Receiver::status(503, {{"Retry-After", "0"}});
    return Receiver::status(200);
  };
  scrape_now(1, {{"up", 1}});
  clock_.advance(seconds(60));
  ASSERT_THAT(receiver_.requests, SizeIs(3));
  EXPECT_EQ(receiver_.requests[1].at - receiver_.requests[0].at, seconds(30) + core::Millis(10));
  EXPECT_EQ(receiver_.requests[2].at - receiver_.requests[1].at, seconds(4) + core::Millis(10));
  EXPECT_EQ(receiver_.samples(), 1U);
}

TEST_F(RemoteTest, A429IsFinalUnlessWanted) {
  start();
  receiver_.respond = [](const core::net::Request&) { return Receiver::status(429, {{"Retry-After", "1"}}); };
  scrape_now(1, {{"up", 1}});
  clock_.advance(minutes(1));
  EXPECT_THAT(receiver_.requests, SizeIs(1));
  EXPECT_EQ(remote_->status().samples_failed, 1U);
}

TEST_F(RemoteTest, ATimeoutIsTriedAgain) {
  start();
  int answers = 0;
  receiver_.respond = [&](const core::net::Request& request) -> Receiver::Answer {
    EXPECT_EQ(request.timeout, seconds(30));
    if (++answers < 3) return core::fail(Errc::kTimeout, "context deadline exceeded");
    return Receiver::status(200);
  };
  scrape_now(1, {{"up", 1}});
  clock_.advance(minutes(1));
  EXPECT_EQ(receiver_.samples(), 1U);
  EXPECT_EQ(remote_->status().samples_retried, 2U);
}

TEST_F(RemoteTest, WhatTheReceiverSaysItTookIsBelieved) {
  start();
  receiver_.respond = [](const core::net::Request&) {
    return Receiver::status(200, {{"X-Prometheus-Remote-Write-Samples-Written", "1"}});
  };
  scrape_now(1, {{"a", 1}, {"b", 1}, {"c", 1}});
  clock_.advance(minutes(1));
  EXPECT_EQ(remote_->status().samples_failed, 2U);
  EXPECT_EQ(remote_->status().samples_taken, 1U);
}

TEST_F(RemoteTest, SamplesThatAreTooOldAreDroppedBeforeAndBetweenAttempts) {
  start("queue_config: {sample_age_limit: 1m}\n");
  clock_.advance(minutes(5));
  receiver_.respond = [](const core::net::Request&) { return Receiver::refused(); };
  scrape_now(1, {{"a", 1}});
  clock_.advance(seconds(50));
  scrape(2, clock_.unix_ms() - 120'000, {{"late", 1}});
  clock_.advance(seconds(20));
  receiver_.respond = [](const core::net::Request&) { return Receiver::status(200); };
  scrape_now(1, {{"a", 2}});
  clock_.advance(seconds(20));
  EXPECT_EQ(receiver_.samples(), 1U);
  EXPECT_EQ(remote_->status().samples_too_old, 2U);
  EXPECT_EQ(remote_->status().samples_pending, 0U);
}

TEST_F(RemoteTest, RelabellingChangesAndDropsSeries) {
  start(R"(write_relabel_configs:
- {source_labels: [__name__], regex: secret.*, action: drop}
- {source_labels: [site, job], target_label: where}
- {regex: site, action: labeldrop}
)",
        {{"site", "home"}});
  scrape_now(1, {{"secret_thing", 1}, {"up", 1}});
  clock_.advance(seconds(10));
  EXPECT_THAT(receiver_.kept, ElementsAre(testing::Key("up{job=\"j1\",where=\"home;j1\"}")));
  EXPECT_EQ(remote_->status().series_dropped, 1U);
  // Another configuration wants it: from now on, not from the beginning.
  clock_.advance(minutes(1));
  scrape_now(1, {{"secret_thing", 2}, {"up", 2}});
  clock_.advance(seconds(10));
  remote_->stop();
  start("", {{"site", "home"}});
  clock_.advance(seconds(10));
  EXPECT_FALSE(receiver_.kept.contains("secret_thing{job=\"j1\",site=\"home\"}"));
  scrape_now(1, {{"secret_thing", 3}});
  clock_.advance(seconds(10));
  EXPECT_THAT(receiver_.kept["secret_thing{job=\"j1\",site=\"home\"}"], SizeIs(1));
}

TEST_F(RemoteTest, ShardsKeepTheOrderOfEverySeriesThroughFailures) {
  const std::int64_t begin = clock_.unix_ms();
  start("queue_config: {max_samples_per_send: 50, capacity: 100, max_shards: 8, min_shards: 4}\n");
  receiver_.latency = core::Millis(400);
  int answers = 0;
  receiver_.respond = [&](const core::net::Request&) {
    return ++answers % 3 == 0 ? Receiver::status(503) : Receiver::status(200);
  };
  for (int i = 0; i < 120; ++i) {
    Values values;
    for (int n = 0; n < 40; ++n) values.emplace_back("m" + std::to_string(n), i * n);
    scrape_now(1, values);
    clock_.advance(seconds(1));
  }
  clock_.advance(minutes(5));
  EXPECT_EQ(receiver_.kept, expected(begin));
  EXPECT_GE(receiver_.in_flight_max, 4U);
  EXPECT_LE(receiver_.in_flight_max, 8U);
}

TEST_F(RemoteTest, WhatTheRingOverwritesIsSaid) {
  remote_.reset();
  std::filesystem::remove(folder_ / "ring");
  open_ring(4ULL << 20, 200);
  start("queue_config: {min_backoff: 1m, max_backoff: 1m}\n");
  Values values;
  for (int n = 0; n < 150; ++n) values.emplace_back("m" + std::to_string(n), 0);
  std::uint32_t noise = 1;
  const auto scrape_noise = [&] {
    for (auto& [name, value] : values) value = (noise = noise * 1664525 + 1013904223) * 0.37;
    scrape_now(1, values);
    clock_.advance(seconds(10));
  };
  for (int i = 0; i < 10; ++i) scrape_noise();
  const std::uint64_t before = receiver_.samples();
  ASSERT_GT(before, 1000U);
  receiver_.respond = [](const core::net::Request&) { return Receiver::refused(); };
  const int missed = 4000;
  for (int i = 0; i < missed; ++i) scrape_noise();
  receiver_.respond = [](const core::net::Request&) { return Receiver::status(200); };
  clock_.advance(minutes(2));
  const RemoteStatus status = remote_->status();
  const std::uint64_t sent = receiver_.samples();
  const std::uint64_t all = 150U * (10 + missed);
  EXPECT_LT(sent, all);
  EXPECT_EQ(status.overwritten_series, 150U);
  // Scrapes come every ten seconds, so that the estimate is exact here.
  EXPECT_EQ(status.overwritten_samples + sent, all);
  EXPECT_THAT(logged_, Contains(HasSubstr("the ring overwrote samples of ")));
  EXPECT_GE(status.covered_ms, clock_.unix_ms() - 10'000);
}

TEST_F(RemoteTest, AClockThatWasAheadHidesNothing) {
  clock_.step_wall(hours(24 * 365));
  start();
  scrape_now(1, {{"up", 1}});
  clock_.advance(seconds(10));
  EXPECT_EQ(receiver_.samples(), 1U);
  clock_.step_wall(-hours(24 * 365));
  scrape_now(2, {{"other", 1}});
  clock_.advance(seconds(10));
  EXPECT_EQ(receiver_.samples(), 2U);
  kill();
  receiver_.repeats = true;
  clock_.advance(seconds(10));
  scrape_now(2, {{"other", 2}});
  start();
  clock_.advance(seconds(10));
  EXPECT_EQ(receiver_.samples(), 3U);
}

TEST_F(RemoteTest, CursorsOfAnotherRingSendTheLastMinuteAgain) {
  start();
  scrape_now(1, {{"a", 1}, {"b", 2}});
  clock_.advance(seconds(10));
  remote_->stop();
  remote_.reset();
  std::filesystem::remove(folder_ / "ring");
  open_ring();
  scrape(1, clock_.unix_ms() - 300'000, {{"ancient", 1}});
  scrape(1, clock_.unix_ms() - 5'000, {{"zzz", 1}});
  start();
  clock_.advance(seconds(10));
  EXPECT_TRUE(receiver_.kept.contains("zzz{job=\"j1\"}"));
  EXPECT_FALSE(receiver_.kept.contains("ancient{job=\"j1\"}"));
  EXPECT_THAT(logged_, Contains(HasSubstr("the ring is another one")));
}

TEST_F(RemoteTest, TellsWhatMetricsMeanOnceEach) {
  families_ = {{"up", exposition::MetricType::kGauge, "Whether it is.", ""},
               {"bytes", exposition::MetricType::kCounter, "", "bytes"},
               {"up", exposition::MetricType::kGauge, "Whether it is.", ""}};
  const auto feed =
      std::make_shared<MetadataFeed>(context(), "r",
                                     parse_remote("url: http://receiver.test/\nmetadata_config: {send_interval: 10s, "
                                                  "max_samples_per_send: 1}\n"));
  feed->start();
  int answers = 0;
  receiver_.respond = [&](const core::net::Request&) {
    return ++answers == 1 ? Receiver::status(503) : Receiver::status(200);
  };
  clock_.advance(seconds(11));
  ASSERT_THAT(receiver_.requests, SizeIs(3));
  EXPECT_EQ(receiver_.requests[0].request.body, receiver_.requests[1].request.body);
  const auto& bytes = receiver_.requests[1].read.families;
  ASSERT_THAT(bytes, SizeIs(1));
  EXPECT_EQ(bytes[0].name, "bytes");
  EXPECT_EQ(bytes[0].unit, "bytes");
  EXPECT_EQ(bytes[0].type, 1U);
  const auto& up = receiver_.requests[2].read.families;
  ASSERT_THAT(up, SizeIs(1));
  EXPECT_EQ(up[0].help, "Whether it is.");
  EXPECT_EQ(up[0].type, 2U);
  EXPECT_EQ(feed->status().retried, 1U);
  feed->stop();
}

}  // namespace
}  // namespace collector::remote_write::test
