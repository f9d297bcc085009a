// SPDX-License-Identifier: Apache-2.0
#include "collector/scrape/reading_time.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "test/unit/collector/scrape/scrape_world.h"

namespace collector::scrape {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ReadingTime, IsAQuarterOfAllHoweverMuchIsWanted) {
  core::SteadyTime now{};
  ReadingTime time;
  core::Duration spent{};
  for (int i = 0; i < 100'000; ++i) {
    now += milliseconds(1);
    if (!time.has_left(now)) continue;
    time.spend(milliseconds(1));
    spent += milliseconds(1);
  }
  EXPECT_NEAR(static_cast<double>(spent / milliseconds(1)), 25'000, 25);
}

TEST(ReadingTime, WhatWasNotUsedIsKeptForABunch) {
  core::SteadyTime now = core::SteadyTime{} + seconds(1000);
  ReadingTime time;
  int bunch = 0;
  for (; time.has_left(now); ++bunch) time.spend(milliseconds(1));
  EXPECT_EQ(bunch, ReadingTime::kKeptMax / milliseconds(1));
  // One that took long is paid back before there is a next one.
  time.spend(milliseconds(100));
  EXPECT_FALSE(time.has_left(now += milliseconds(400)));
  EXPECT_TRUE(time.has_left(now += milliseconds(1)));
}

// Runs everything at once, and tells who was asked to.
class CountingShard final : public Shard {
 public:
  CountingShard(core::ring::Ring& ring, int& posted, int& here) : inner_(ring), posted_(posted), here_(here) {}
  bool post(Task task) override {
    ++posted_;
    return inner_.post(std::move(task));
  }
  bool run_here(const Task& task) override {
    ++here_;
    return inner_.run_here(task);
  }

 private:
  InlineShard inner_;
  int& posted_;
  int& here_;
};

class ReadHereTest : public ScrapeWorld {
 protected:
  ReadHereTest() {
    std::vector<std::unique_ptr<Shard>> shards;
    shards.push_back(std::make_unique<CountingShard>(*ring, posted, here));
    pools = std::make_unique<ScrapePools>(
        clock, clock, http, std::move(shards), [](const Arrival&) {},
        ScrapePoolsOptions{.host_name = "",
                           .large = std::make_unique<CountingShard>(*ring, posted_large, here_large),
                           .memory = {},
                           .cpu_time = [this] { return cpu += cost; }});
    answer_with("a 1\n");
    apply("[{job_name: j, scrape_interval: 10s, scrape_timeout: 5s, static_configs: [{targets: ['h:9']}]}]");
    until_first_scrape();
  }
  void answer_with(std::string body) {
    http.script = [body = std::move(body)](const core::net::Request&) {
      Answer answer;
      answer.body = body;
      return answer;
    };
  }
  // "posted 1, here 0": what the next scrape did.
  std::string next_scrape() {
    const int posted_before = posted;
    const int here_before = here;
    clock.advance(seconds(10));
    return fmt::format("posted {}, here {}", posted - posted_before, here - here_before);
  }

  core::Duration cpu{};
  core::Duration cost = milliseconds(1);  // of each scrape, by the reading of the clock
  int posted = 0;
  int here = 0;
  int posted_large = 0;
  int here_large = 0;
};

TEST_F(ReadHereTest, ATargetThatCostsLittleIsReadByTheLoopsThread) {
  EXPECT_EQ(posted, 1) << "of the first scrape nothing is known";
  EXPECT_EQ(here, 0);
  answer_with("a 2\n");
  EXPECT_EQ(next_scrape(), "posted 0, here 1");
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h:9"}, {"job", "j"}}), "0=1 10000=2");
}

TEST_F(ReadHereTest, AsLongAsItCostsLittle) {
  cost = milliseconds(2);
  EXPECT_EQ(next_scrape(), "posted 0, here 1") << "that it costs more now shows afterwards";
  EXPECT_EQ(next_scrape(), "posted 1, here 0");
  cost = milliseconds(1);
  EXPECT_EQ(next_scrape(), "posted 1, here 0");
  EXPECT_EQ(next_scrape(), "posted 0, here 1");
}

TEST_F(ReadHereTest, AndItsBodyIsSmall) {
  answer_with("# " + std::string(kHereBodyBytesMax, '-') + "\na 2\n");
  EXPECT_EQ(next_scrape(), "posted 1, here 0");
  answer_with("a 3\n");
  EXPECT_EQ(next_scrape(), "posted 0, here 1");
  EXPECT_EQ(samples({{"__name__", "a"}, {"instance", "h:9"}, {"job", "j"}}), "0=1 10000=2 20000=3");
}

TEST_F(ReadHereTest, OneThatMovedToTheLargeOnesIsReadThere) {
  cost = kSmallCpuMax + milliseconds(1);
  EXPECT_EQ(next_scrape(), "posted 0, here 1");
  cost = milliseconds(1);
  next_scrape();
  EXPECT_EQ(pools->stats().moved, 1U);
  const int before = posted_large;
  EXPECT_EQ(next_scrape(), "posted 0, here 0");
  EXPECT_EQ(posted_large, before + 1);
  EXPECT_EQ(here_large, 0);
}

TEST(ThreadShard, RunsATaskHereWhileNoneOfItsRunsOrWaits) {
  const auto ring = core::ring::make_memory_ring();
  std::vector<std::string> order;
  std::atomic<bool> go{false};
  {
    const auto shard = make_thread_shard(*ring);
    const auto caller = std::this_thread::get_id();
    ASSERT_TRUE(shard->run_here([&](core::ring::Appender&) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      // What is posted meanwhile comes after this.
      EXPECT_TRUE(shard->post([&](core::ring::Appender&) {
        EXPECT_NE(std::this_thread::get_id(), caller);
        order.push_back("posted");
        go.wait(false);
      }));
      EXPECT_FALSE(shard->run_here([&](core::ring::Appender&) { order.push_back("refused"); }));
      order.push_back("here");
    }));
    EXPECT_FALSE(shard->run_here([&](core::ring::Appender&) { order.push_back("refused"); })) << "one waits or runs";
    go = true;
    go.notify_one();
  }
  EXPECT_EQ(order, (std::vector<std::string>{"here", "posted"}));
}

}  // namespace
}  // namespace collector::scrape
