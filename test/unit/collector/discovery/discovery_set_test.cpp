// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/discovery_set.h"

#include <gtest/gtest.h>

#include "collector/discovery/folder_watch.h"
#include "core/config/node.h"
#include "core/time/simulated_clock.h"
#include "test/unit/collector/scrape/scrape_world.h"

namespace collector::discovery {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class NoWatches final : public FolderWatches {
  std::unique_ptr<FolderWatch> watch(std::vector<std::string>, std::function<void()>) override { return nullptr; }
};

class NoDns final : public core::net::DnsClient {
  void look_up(const std::string&, core::net::DnsType,
               std::function<void(core::Result<std::vector<core::net::DnsRecord>>)>) override {}
};

// HTTP discoveries over simulated time.
class DiscoverySetTest : public testing::Test {
 protected:
  DiscoverySetTest() {
    http.script = [this](const core::net::Request& request) {
      scrape::Answer answer;
      answer.content_type = "application/json";
      answer.body = lists[request.url];
      answer.status = answer.body.empty() ? 500 : 200;
      return answer;
    };
  }

  static DiscoveryConfigs configs(std::string_view yaml) {
    const auto node = core::config::Node::parse(yaml, "p.yml");
    auto read = DiscoveryConfigs::fields().read(*node);
    EXPECT_TRUE(read) << read.error().message;
    return read ? *read : DiscoveryConfigs{};
  }
  static DiscoveryConfigs http_list(const std::string& url, const std::string& interval = "10s") {
    return configs("{http_sd_configs: [{url: '" + url + "', refresh_interval: " + interval + "}]}");
  }
  static std::string text_of(const TargetGroups& groups) {
    std::string text;
    for (const auto& group : groups) {
      for (const auto& target : group->targets) text += (text.empty() ? "" : " ") + target.at("__address__");
    }
    return text;
  }

  core::SimulatedClock clock;
  scrape::ScriptedHttp http{clock};
  NoDns dns;
  NoWatches watches;
  std::map<std::string, std::string> lists;
  std::vector<std::string> changes;  // "JOB: ADDRESSES at MS"
  std::vector<std::string> failures;
  std::int64_t began_ms = clock.unix_ms();
  DiscoverySet set{
      {clock, clock, http, dns, watches, [](const char*) { return std::string(); }},
      {.changed =
           [this](const std::string& job, const TargetGroups& groups) {
             changes.push_back(fmt::format("{}: {} at {}", job, text_of(groups), clock.unix_ms() - began_ms));
           },
       .failed = [this](const std::string& name,
                        const std::string& error) { failures.push_back(name + ": " + error); }}};
};

TEST_F(DiscoverySetTest, ChangesAreHandedOnSoonAndThenEveryFiveSeconds) {
  lists["http://a/"] = R"([{"targets": ["h:1"]}])";
  set.apply({{"one", http_list("http://a/", "1s")}});
  clock.advance(milliseconds(500));
  EXPECT_EQ(changes, (std::vector<std::string>{"one: h:1 at 120"}));
  for (int i = 2; i < 6; ++i) {
    lists["http://a/"] = fmt::format(R"([{{"targets": ["h:{}"]}}])", i);
    clock.advance(seconds(1));
  }
  EXPECT_EQ(changes.size(), 1U);
  clock.advance(seconds(1));
  EXPECT_EQ(changes.back(), "one: h:5 at 5120");
  // What does not change is not handed on.
  clock.advance(seconds(60));
  EXPECT_EQ(changes.size(), 2U);
}

TEST_F(DiscoverySetTest, EqualConfigurationsShareOneAndAReloadKeepsIt) {
  lists["http://a/"] = R"([{"targets": ["h:1"]}])";
  lists["http://b/"] = R"([{"targets": ["k:1"]}])";
  set.apply({{"one", http_list("http://a/")}, {"two", http_list("http://a/")}});
  clock.advance(seconds(1));
  EXPECT_EQ(http.requests.size(), 1U);
  EXPECT_EQ(changes.size(), 2U);
  EXPECT_EQ(set.status().size(), 1U);
  EXPECT_EQ(set.status()[0].name, "one/http/0");
  EXPECT_EQ(set.status()[0].jobs, (std::vector<std::string>{"one", "two"}));

  set.apply({{"two", http_list("http://a/")}, {"three", http_list("http://b/")}});
  EXPECT_EQ(text_of(set.groups("two")), "h:1") << "what was found is there at once";
  EXPECT_EQ(text_of(set.groups("one")), "");
  clock.advance(seconds(1));
  EXPECT_EQ(http.requests.size(), 2U) << "only the new one asks";
  EXPECT_EQ(set.status()[1].name, "two/http/0");
  set.apply({});
  clock.advance(seconds(60));
  EXPECT_EQ(http.requests.size(), 2U);
}

TEST_F(DiscoverySetTest, FailuresAreCountedAndToldOnce) {
  set.apply({{"one", http_list("http://a/")}});
  clock.advance(seconds(45));
  EXPECT_EQ(failures, (std::vector<std::string>{"one/http/0: http://a/: server returned HTTP status 500 OK"}));
  EXPECT_EQ(set.status()[0].failures, 5U);
  EXPECT_FALSE(set.status()[0].last_success);
  clock.advance(seconds(600));
  EXPECT_EQ(failures.size(), 2U);
  lists["http://a/"] = "[]";
  clock.advance(seconds(10));
  EXPECT_TRUE(set.status()[0].last_success);
  EXPECT_EQ(set.status()[0].last_error, "");
}

TEST_F(DiscoverySetTest, TooManyTargetsAreRefused) {
  lists["http://a/"] = R"([{"targets": ["h:1"]}])";
  set.apply({{"one", http_list("http://a/")}});
  clock.advance(seconds(1));
  std::string many = "[{\"targets\": [\"h:1\"";
  for (std::size_t i = 0; i < kTargetsMax; ++i) many += ",\"h\"";
  lists["http://a/"] = many + "]}]";
  clock.advance(seconds(10));
  EXPECT_NE(set.status()[0].last_error.find("100001 targets: at most 100000"), std::string::npos);
  EXPECT_EQ(set.status()[0].targets, 1U);
}

TEST(DiscoveryConfigs, OthersAreRefusedByName) {
  for (const char* const name : {"consul_sd_configs", "aws_sd_configs", "gce_sd_configs", "zookeeper_sd_configs"}) {
    const auto node = core::config::Node::parse(std::string("{") + name + ": []}", "p.yml");
    const auto read = DiscoveryConfigs::fields().read(*node);
    ASSERT_FALSE(read) << name;
    EXPECT_NE(read.error().message.find("this discovery is not supported"), std::string::npos);
  }
}

}  // namespace
}  // namespace collector::discovery
