// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/expected_series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/unit/collector/scrape/scrape_world.h"

namespace collector::scrape {
namespace {

using core::ring::Labels;
using core::ring::Matcher;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class ExpectedSeriesTest : public ScrapeWorld {
 protected:
  ExpectedSeriesTest() {
    expected = std::make_shared<ExpectedSeries>(
        clock, clock, shard, ring->reader(), [this] { return pools->status(); },
        [this](const Arrival& arrival) { told.push_back(arrival.job + "/" + arrival.instance); });
  }

  static Expectation expect_head(std::vector<std::string> targets = {}) {
    return {"geth", "head", {Matcher::equal("__name__", "head")}, std::move(targets)};
  }
  // instance=value of what is written now; ended series left out.
  std::vector<std::string> written() const {
    std::vector<std::string> found;
    const std::vector matchers = {Matcher::equal("__name__", std::string(kExpectedAbsentName))};
    for (const auto& series : ring->reader().select(matchers)) {
      const auto last = ring->reader().last(series.ref);
      if (!last || core::ring::is_stale(last->value)) continue;
      EXPECT_EQ(series.labels->get("job"), "geth");
      EXPECT_EQ(series.labels->get("metric"), "head");
      found.push_back(std::string(series.labels->get("instance")) + std::string(series.labels->get("az")) + "=" +
                      std::to_string(static_cast<int>(last->value)));
    }
    std::ranges::sort(found);
    return found;
  }

  InlineShard shard{*ring};
  std::shared_ptr<ExpectedSeries> expected;
  std::vector<std::string> told;
};

constexpr std::string_view kGeth = R"([{job_name: geth, scrape_interval: 5s, static_configs: [
  {targets: ['a:1', 'b:1'], labels: {az: 1}}, {targets: ['dropped:1']}],
  relabel_configs: [{source_labels: [__address__], regex: 'dropped.*', action: drop}]}])";

TEST_F(ExpectedSeriesTest, EachTargetThatLacksItIsTold) {
  std::string body_of_a = "head 7\n";
  bool b_is_up = true;
  http.script = [&](const core::net::Request& request) {
    Answer answer;
    const bool is_a = request.url.find("a:1") != std::string::npos;
    answer.body = is_a ? body_of_a : "head 7\nother 1\n";
    if (!is_a && !b_is_up) answer.error = "connection refused";
    return answer;
  };
  apply(kGeth);
  expected->apply({expect_head()});
  expected->start();
  clock.advance(seconds(20));
  EXPECT_THAT(written(), ElementsAre("a:11=0", "b:11=0", "dropped:1=1"));
  EXPECT_EQ(expected->watched(), 3U);
  EXPECT_EQ(expected->absent(), 1U);
  EXPECT_THAT(told, testing::Contains("geth/a:1")) << "rules on it are evaluated at once";
  body_of_a = "other 1\n";
  clock.advance(seconds(20));
  EXPECT_THAT(written(), ElementsAre("a:11=1", "b:11=0", "dropped:1=1")) << "it went stale with its scrape";
  b_is_up = false;
  clock.advance(seconds(20));
  EXPECT_THAT(written(), ElementsAre("a:11=1", "b:11=1", "dropped:1=1")) << "a target that is down has nothing";
  body_of_a = "head 8\n";
  b_is_up = true;
  clock.advance(seconds(20));
  EXPECT_THAT(written(), ElementsAre("a:11=0", "b:11=0", "dropped:1=1"));
  expected->apply({});
  clock.advance(seconds(20));
  EXPECT_THAT(written(), IsEmpty()) << "what is expected no more ends";
}

TEST_F(ExpectedSeriesTest, ListedInstancesAreExpectedWhetherConfiguredOrNot) {
  http.script = [](const core::net::Request&) {
    Answer answer;
    answer.body = "head 7\n";
    return answer;
  };
  apply(kGeth);
  expected->apply({expect_head({"a:1", "ghost:1"})});
  expected->start();
  clock.advance(seconds(20));
  EXPECT_THAT(written(), ElementsAre("a:11=0", "ghost:1=1"));
}

TEST_F(ExpectedSeriesTest, ATargetIsNotJudgedBeforeItsFirstScrape) {
  http.script = [](const core::net::Request&) {
    Answer answer;
    answer.body = "x 1\n";
    return answer;
  };
  apply("[{job_name: geth, scrape_interval: 1h, static_configs: [{targets: ['a:1']}]}]");
  expected->apply({expect_head()});
  expected->start();
  const auto scraped = [this] { return !http.requests.empty(); };
  for (int i = 0; i < 230 && !scraped(); ++i) {
    EXPECT_THAT(written(), IsEmpty());
    clock.advance(seconds(15));
  }
  clock.advance(seconds(30));
  ASSERT_TRUE(scraped());
  EXPECT_THAT(written(), ElementsAre("a:1=1"));
}

}  // namespace
}  // namespace collector::scrape
