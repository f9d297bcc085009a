// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/scrape_pools.h"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/collector/scrape/scrape_world.h"

namespace collector::scrape {
namespace {

using std::chrono::seconds;

class ScrapePoolsTest : public ScrapeWorld {
 protected:
  ScrapePoolsTest() {
    http.script = [](const core::net::Request&) {
      Answer answer;
      answer.body = "a 1\nb{instance=\"theirs\"} 2\n";
      return answer;
    };
  }
};

constexpr std::string_view kOne = "{job_name: one, scrape_interval: 10s, static_configs: [{targets: [h]}]}";
constexpr std::string_view kTwo = "{job_name: two, scrape_interval: 10s, static_configs: [{targets: [k]}]}";

std::string list(std::initializer_list<std::string_view> jobs) {
  std::string text = "[";
  for (const auto job : jobs) text += (text.size() > 1 ? ", " : "") + std::string(job);
  return text + "]";
}

TEST_F(ScrapePoolsTest, AnUnchangedJobDoesNotNoticeAReload) {
  apply(list({kOne}));
  until_first_scrape();
  clock.advance(seconds(13));
  apply(list({kOne, kTwo}));
  clock.advance(seconds(20));
  EXPECT_EQ(samples({{"__name__", "a"}, {"job", "one"}}), "0=1 10000=1 20000=1 30000=1");
  EXPECT_EQ(samples({{"__name__", "scrape_series_added"}, {"job", "one"}}), "0=2 10000=0 20000=0 30000=0");
  EXPECT_EQ(pools->status().size(), 2U);
}

TEST_F(ScrapePoolsTest, AChangeInTimingKeepsTheSeriesAndTheStatus) {
  apply(list({kOne}));
  until_first_scrape();
  apply("[{job_name: one, scrape_interval: 5s, static_configs: [{targets: [h]}]}]");
  EXPECT_EQ(only_target().health, Health::kUp);
  EXPECT_EQ(only_target().target.interval, seconds(5));
  const std::size_t before = http.requests.size();
  clock.advance(seconds(10));
  EXPECT_EQ(http.requests.size() - before, 2U);
  EXPECT_EQ(samples({{"__name__", "scrape_series_added"}}).find("=2", 5), std::string::npos);
  EXPECT_EQ(samples({{"__name__", "a"}}).find("stale"), std::string::npos);
}

TEST_F(ScrapePoolsTest, ATargetThatIsGoneEndsAfterATickAndATenth) {
  apply("[{job_name: one, scrape_interval: 10s, static_configs: [{targets: [h]}]}]");
  until_first_scrape();
  apply("[{job_name: one, scrape_interval: 10s, static_configs: [{targets: [other]}]}]");
  clock.advance(seconds(18));
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h"}}), "0=1");
  clock.advance(seconds(2));
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h"}}), "0=1 10000=stale");
  EXPECT_EQ(samples({{"__name__", "up"}, {"instance", "h"}}), "0=1 10000=stale");
}

TEST_F(ScrapePoolsTest, AJobThatIsGoneEndsWithoutMarkers) {
  apply(list({kOne, kTwo}));
  clock.advance(seconds(10));
  apply(list({kTwo}));
  clock.advance(seconds(60));
  EXPECT_EQ(samples({{"__name__", "a"}, {"job", "one"}}).find("stale"), std::string::npos);
  EXPECT_EQ(pools->status().size(), 1U);
}

TEST_F(ScrapePoolsTest, ANewCacheMarksOnlyWhatTheNewJobDrops) {
  apply(list({kOne}));
  until_first_scrape();
  apply(
      "[{job_name: one, scrape_interval: 10s, static_configs: [{targets: [h]}], metric_relabel_configs: "
      "[{action: drop, source_labels: [__name__], regex: b}]}]");
  clock.advance(seconds(30));
  EXPECT_EQ(samples({{"__name__", "a"}}), "0=1 10000=1 20000=1 30000=1");
  EXPECT_EQ(samples({{"__name__", "b"}}), "0=2 10000=stale");
}

TEST_F(ScrapePoolsTest, StoppingDropsWhatIsUnderWay) {
  http.script = [](const core::net::Request&) {
    Answer answer;
    answer.delay = seconds(3);
    return answer;
  };
  apply(list({kOne}));
  for (int i = 0; i < 1100 && http.requests.empty(); ++i) clock.advance(std::chrono::milliseconds(10));
  ASSERT_EQ(http.requests.size(), 1U);
  pools->stop();
  clock.advance(seconds(60));
  EXPECT_EQ(http.cancelled, 1);
  EXPECT_EQ(http.requests.size(), 1U);
  EXPECT_EQ(samples({{"__name__", "up"}}), "none");
}

TEST_F(ScrapePoolsTest, LabelsOfTheTargetWinUnlessToldOtherwise) {
  apply(
      "[{job_name: one, scrape_interval: 10s, static_configs: [{targets: [h]}]}, {job_name: two, scrape_interval: "
      "10s, honor_labels: true, static_configs: [{targets: [k]}]}]");
  clock.advance(seconds(11));
  EXPECT_NE(samples({{"__name__", "b"}, {"job", "one"}, {"instance", "h"}, {"exported_instance", "theirs"}}), "none");
  EXPECT_NE(samples({{"__name__", "b"}, {"job", "two"}, {"instance", "theirs"}}), "none");
}

TEST_F(ScrapePoolsTest, DroppedTargetsAndFaultyOnesAreTold) {
  apply(
      "[{job_name: one, scrape_interval: 10s, keep_dropped_targets: 1, static_configs: [{targets: [a, b, c, d]}], "
      "relabel_configs: [{source_labels: [__address__], regex: 'a|b', action: drop}, "
      "{source_labels: [__address__], regex: c, target_label: __address__, replacement: 'http://c'}]}]");
  const auto status = pools->status();
  ASSERT_EQ(status.size(), 1U);
  EXPECT_EQ(status[0].active.size(), 1U);
  EXPECT_EQ(status[0].dropped.size(), 1U);
  EXPECT_EQ(status[0].dropped_count, 2U);
  ASSERT_EQ(status[0].errors.size(), 1U);
  EXPECT_EQ(status[0].errors[0], "instance 2 in group 0: \"http://c\" is not a valid hostname");
  EXPECT_EQ(pools->stats().target_errors.load(), 1U);
}

discovery::TargetGroups found(std::initializer_list<std::string_view> addresses, const std::string& meta = "m") {
  discovery::TargetGroup group{.source = "s", .targets = {}, .labels = {{"__meta_x", meta}, {"zone", "z"}}};
  for (const auto address : addresses) group.targets.push_back({{"__address__", std::string(address)}});
  return {std::make_shared<const discovery::TargetGroup>(std::move(group))};
}

constexpr std::string_view kEmpty = "[{job_name: one, scrape_interval: 10s, http_sd_configs: [{url: 'http://sd'}]}]";

TEST_F(ScrapePoolsTest, TargetsThatAreFoundComeAndGo) {
  apply(kEmpty);
  clock.advance(seconds(30));
  EXPECT_TRUE(http.requests.empty());
  EXPECT_TRUE(pools->set_groups("one", found({"h"})).empty());
  until_first_scrape();
  clock.advance(seconds(9));
  EXPECT_EQ(only_target().target.labels.get("zone"), "z");
  pools->set_groups("one", found({"h", "k"}));
  clock.advance(seconds(20));
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h"}}), "0=1 10000=1 20000=1 30000=1");
  EXPECT_EQ(samples({{"__name__", "scrape_series_added"}, {"instance", "h"}}), "0=2 10000=0 20000=0 30000=0");
  pools->set_groups("one", found({"k"}));
  clock.advance(seconds(25));
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h"}}), "0=1 10000=1 20000=1 30000=1 40000=stale");
  EXPECT_EQ(samples({{"__name__", "up"}, {"instance", "h"}}), "0=1 10000=1 20000=1 30000=1 40000=stale");
  EXPECT_EQ(pools->status().at(0).active.size(), 1U);
  EXPECT_TRUE(pools->set_groups("nobody", found({"k"})).empty());
}

TEST_F(ScrapePoolsTest, WhatIsOnlyKnownOfATargetChangesWithoutANewLoop) {
  apply(kEmpty);
  pools->set_groups("one", found({"h"}, "old"));
  until_first_scrape();
  pools->set_groups("one", found({"h"}, "new"));
  clock.advance(seconds(10));
  EXPECT_EQ(only_target().target.discovered.get("__meta_x"), "new");
  EXPECT_EQ(samples({{"__name__", "scrape_series_added"}}), "0=2 10000=0");
}

TEST_F(ScrapePoolsTest, TooManyTargetsFailAllOfThemUntilThereAreFewer) {
  apply("[{job_name: one, scrape_interval: 10s, target_limit: 1, http_sd_configs: [{url: 'http://sd'}]}]");
  pools->set_groups("one", found({"h"}));
  until_first_scrape();
  pools->set_groups("one", found({"h", "k"}));
  const std::size_t asked = http.requests.size();
  clock.advance(seconds(20));
  EXPECT_EQ(http.requests.size(), asked);
  const PoolStatus over = pools->status().at(0);
  ASSERT_EQ(over.active.size(), 2U);
  for (const auto& target : over.active) {
    EXPECT_EQ(target.last_error, "target_limit exceeded (number of targets: 2, limit: 1)");
  }
  pools->set_groups("one", found({"h"}));
  clock.advance(seconds(10));
  EXPECT_EQ(only_target().last_error, "");
}

TEST_F(ScrapePoolsTest, ATargetThatCannotBeMadeIsNewsOnce) {
  apply(kEmpty);
  EXPECT_EQ(pools->set_groups("one", found({"h", "a/b"})),
            (std::vector<std::string>{"instance 1 in group s: \"a/b\" is not a valid hostname"}));
  EXPECT_TRUE(pools->set_groups("one", found({"k", "a/b"})).empty());
  EXPECT_EQ(pools->status().at(0).errors.size(), 1U);
}

TEST_F(ScrapePoolsTest, AReloadTakesOverWhatWasFound) {
  const auto jobs = read(kEmpty);
  pools->apply(*jobs, {}, {{"one", found({"h"})}});
  until_first_scrape();
  auto changed = *jobs;
  changed[0].scrape_timeout = seconds(5);
  pools->apply(changed, {}, {{"one", found({"h"})}});
  clock.advance(seconds(10));
  // The timeout is part of what picks the instant of the scrape.
  EXPECT_THAT(samples({{"__name__", "scrape_series_added"}}), testing::MatchesRegex("0=2 [0-9]+=0"));
  EXPECT_THAT(samples({{"__name__", "a"}}), testing::MatchesRegex("0=1 [0-9]+=1"));
}

}  // namespace
}  // namespace collector::scrape
