// SPDX-License-Identifier: Apache-2.0
// The same listed targets and the same random relabel_configs for a real Prometheus and for us: which targets remain,
// with which labels and URLs, and which are dropped. Debian's Prometheus is older than what we follow, so what changed
// since is left out: line feeds in values, names that need quotes, and an empty text put under a name that a group
// made.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "scrape_world.h"
#include "test/support/background_process.h"

namespace collector::scrape {
namespace {

using nlohmann::json;
using test_support::BackgroundProcess;

class RandomJobs {
 public:
  explicit RandomJobs(unsigned seed) : random_(seed) {}

  // A job as JSON, which is YAML: everything in it is quoted as it has to be.
  json job(int number) {
    json targets = json::array();
    for (int i = 0; i < 8; ++i) {
      json labels = {{"id", std::to_string(i)}};
      for (const char* name : {"a", "b", "c", "env", "__meta_role", "__param_module"}) {
        if (chance(60)) labels[name] = pick(kValues);
      }
      if (chance(10)) labels["__metrics_path__"] = "/path/" + std::to_string(i);
      targets.push_back({{"targets", {"h" + std::to_string(i) + ":910" + std::to_string(i)}}, {"labels", labels}});
    }
    json rules = json::array();
    for (int i = below(4); i >= 0; --i) rules.push_back(rule());
    return {{"job_name", "job" + std::to_string(number)},
            {"scrape_interval", "1h"},
            {"static_configs", targets},
            {"relabel_configs", rules}};
  }

 private:
  using Texts = std::vector<std::string>;
  inline static const Texts kValues = {"a",   "b",       "foo",   "foo-12",   "Foo",          "h1:9100", "x;y",
                                       "ÄÖß", "straße",  "İ ı",   "ǅungla",   "$1",           "1.5e3",   "a",
                                       "",    "0.0.0.0", " pad ", "eu-1;foo", "\xe2\x84\xa6", "b"};
  inline static const Texts kNames = {"a", "b", "c", "env", "id", "nowhere", "__meta_role", "__address__", "__tmp"};
  inline static const Texts kRegexes = {"(.*)",         "(.+)",    "f(o+)(.*)", "([a-z]+)-([0-9]+)",
                                        "(?P<x>.*)o.*", "",        "a|b",       "foo.*",
                                        "([^;]*);(.*)", "(?i)FOO", "h[0-3]:.*", "(a)?(b)?.*"};
  inline static const Texts kReplacements = {"$1", "${1}_$2", "$x", "$$", "", "text", "$9", "${1", "$1_y", "a$", "$0"};

  int below(int most) { return std::uniform_int_distribution<int>(0, most - 1)(random_); }
  bool chance(int percent) { return below(100) < percent; }
  const std::string& pick(const Texts& texts) {
    return texts[static_cast<std::size_t>(below(static_cast<int>(texts.size())))];
  }

  json sources() {
    json names = json::array();
    for (int i = below(3); i > 0; --i) names.push_back(pick(kNames));
    return names;
  }

  json rule() {
    json rule = {{"source_labels", sources()}};
    switch (below(13)) {
      case 0:
      case 1:
      case 2:
        rule["regex"] = pick(kRegexes);
        rule["target_label"] = pick({"a", "b", "new", "env", "__metrics_path__", "__param_module"});
        rule["replacement"] = pick(kReplacements);
        if (chance(10)) {
          rule["source_labels"] = {"__address__"};
          rule["regex"] = "h([0-5]):(.*)";
          rule["target_label"] = "__address__";
          rule["replacement"] = "other-$1:$2";
        }
        if (chance(30)) rule["separator"] = pick({"", "-", ";;"});
        break;
      case 3:
        rule["regex"] = pick(kRegexes);
        rule["target_label"] = pick({"${1}_t", "$1", "pre_$1", "$x"});
        rule["replacement"] = pick({"r$1", "text"});
        break;
      case 4:
        rule["action"] = "keep";
        rule["regex"] = pick({"(.*)", "[^x]*", "a|b|foo.*|;?", "(.+)"});
        break;
      case 5:
        rule["action"] = pick({"drop", "Drop"});
        rule["regex"] = pick({"foo.*", "a", "b;.*", "eu.*", "h0.*"});
        break;
      case 6:
        return {{"action", "keepequal"}, {"source_labels", {"a"}}, {"target_label", pick({"a", "b"})}};
      case 7:
        return {{"action", "dropequal"}, {"source_labels", {pick({"a", "c"})}}, {"target_label", pick({"b", "env"})}};
      case 8:
        rule["action"] = "hashmod";
        rule["modulus"] = 1 + below(1000);
        rule["target_label"] = pick({"shard", "__tmp", "a"});
        break;
      case 9:
        return {{"action", "labelmap"},
                {"regex", pick({"(a|b|env)", "__meta_(.*)", "(.)", "(nothing)"})},
                {"replacement", pick({"$1", "map_$1"})}};
      case 10:
        return {{"action", "labeldrop"}, {"regex", pick({"b|c", "__meta.*", "e.*", "id", "__param_module"})}};
      case 11:
        return {{"action", "labelkeep"}, {"regex", pick({"__.*|id|job|a", "__.*|[a-c]", "[^_].*", "__.*"})}};
      default:
        rule["action"] = pick({"lowercase", "uppercase"});
        rule["target_label"] = pick({"a", "new", "env"});
        break;
    }
    return rule;
  }

  std::mt19937 random_;
};

// For its way to read jobs.
class ScrapeJobs : public ScrapeWorld {
 public:
  using ScrapeWorld::read;
};

// What a job comes to: `{labels} url` of each target that remains. Of those that are dropped the older Prometheus shows
// labels that its rules have written to already, so that they can be counted only.
struct Outcomes {
  std::map<std::string, std::multiset<std::string>> active;
  std::size_t active_count = 0;
  std::size_t dropped_count = 0;

  void add(const std::string& job, const std::string& target) {
    active[job].insert(target);
    ++active_count;
  }
};

Outcomes theirs(const std::string& body) {
  Outcomes outcomes;
  const json data = json::parse(body)["data"];
  for (const json& each : data["activeTargets"]) {
    outcomes.add(each["scrapePool"], each["labels"].dump() + " " + each["scrapeUrl"].get<std::string>());
  }
  outcomes.dropped_count = data["droppedTargets"].size();
  return outcomes;
}

Outcomes ours(const std::vector<ScrapeConfig>& jobs) {
  Outcomes outcomes;
  for (const ScrapeConfig& job : jobs) {
    const TargetList targets = build_targets(job);
    for (const Target& each : targets.active) {
      json labels = json::object();
      for (const auto& label : each.labels) labels[label.name] = label.value;
      outcomes.add(job.job_name, labels.dump() + " " + each.url);
    }
    outcomes.dropped_count += targets.dropped_count;
  }
  return outcomes;
}

TEST(RelabelBesidePrometheus, RandomRulesLeaveTheSameTargets) {
  const unsigned seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  RandomJobs random(seed);
  json jobs = json::array();
  for (int i = 0; i < 120; ++i) jobs.push_back(random.job(i));
  // An own legacy scheme, as the older Prometheus has no other.
  const auto parsed = ScrapeJobs::read(jobs.dump(), "metric_name_validation_scheme: legacy");
  ASSERT_TRUE(parsed) << parsed.error().message;

  const auto work = test_support::fresh_folder("relabel-beside-prometheus");
  test_support::write_file(work / "prometheus.yml", json{{"scrape_configs", jobs}}.dump());
  const int port = test_support::free_port();
  const BackgroundProcess prometheus(
      {"prometheus", "--config.file=" + (work / "prometheus.yml").string(),
       "--storage.tsdb.path=" + (work / "tsdb").string(), "--enable-feature=no-default-scrape-port",
       "--web.listen-address=127.0.0.1:" + std::to_string(port)},
      work / "prometheus.log");
  const Outcomes found = ours(*parsed);
  Outcomes expected;
  test_support::eventually(std::chrono::seconds(30), [&] {
    const auto answer = test_support::http_get(port, "/api/v1/targets");
    if (answer.status != 200) return false;
    expected = theirs(answer.body);
    return expected.active_count >= found.active_count;
  });
  for (const ScrapeConfig& job : *parsed) {
    const auto of = [&](const Outcomes& outcomes) {
      const auto at = outcomes.active.find(job.job_name);
      return at == outcomes.active.end() ? std::multiset<std::string>() : at->second;
    };
    EXPECT_EQ(of(found), of(expected)) << jobs.at(static_cast<std::size_t>(std::stoi(job.job_name.substr(3)))).dump(1);
  }
  EXPECT_EQ(found.dropped_count, expected.dropped_count);
  // Else it would be a comparison of nothing.
  EXPECT_GT(expected.active_count, 300U) << prometheus.log_text();
  EXPECT_GT(expected.dropped_count, 50U);
}

}  // namespace
}  // namespace collector::scrape
