// SPDX-License-Identifier: Apache-2.0
// The agent beside a real Prometheus: one configuration file for both, the same endpoints scraped, the same questions
// asked. Debian's Prometheus is older than the language the agent speaks, so the questions avoid what changed since
// (ranges are left-open now: no question depends on a sample exactly at a border).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <set>
#include <thread>

#include "test/e2e/agent_process.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::free_port;

// What a sloppy exporter may print and Prometheus takes: a space before the brace, spaces and a trailing comma inside,
// untyped families, escapes, special values, blank lines, comments, a family announced twice.
constexpr const char* kSloppyBody = R"(# HELP fleet_height Height of the chain as \\ this node \n sees it.
# TYPE fleet_height gauge
fleet_height {node="a", zone="eu-1",} 1.2e3
fleet_height{ node = "b" , zone = "eu\"2\\" } +1200

# just a remark
# TYPE fleet_requests_total counter
fleet_requests_total{code="200"} 12
fleet_requests_total{code="500"} 1.6E1
fleet_limit +Inf
fleet_unknown NaN
fleet_floor -Inf
# TYPE fleet_latency_seconds histogram
fleet_latency_seconds_bucket{le="0.1"} 3
fleet_latency_seconds_bucket{le="1"} 7
fleet_latency_seconds_bucket{le="+Inf"} 8
fleet_latency_seconds_sum 4.5
fleet_latency_seconds_count 8
# TYPE fleet_gc_seconds summary
fleet_gc_seconds{quantile="0.5"} 0.25
fleet_gc_seconds_sum 2
fleet_gc_seconds_count 4
fleet_empty_label{a="",b="x"} 1
fleet_conflict{job="own",instance="own"} 5
fleet_tabbed	7
)";

class BesidePrometheus : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const fs::path work = test_support::fresh_folder("beside-prometheus");
    bodies = std::make_unique<httplib::Server>();
    bodies->Get("/metrics", [](const httplib::Request&, httplib::Response& answer) {
      answer.set_content(kSloppyBody, "text/plain; version=0.0.4");
    });
    bodies->Get("/broken", [](const httplib::Request&, httplib::Response& answer) {
      answer.set_content("good_before 1\nbad line here 2 3 4\ngood_after 1\n", "text/plain; version=0.0.4");
    });
    const int bodies_port = bodies->bind_to_any_port("127.0.0.1");
    serving = std::jthread([] { bodies->listen_after_bind(); });

    const int node_port = free_port();
    node = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"prometheus-node-exporter",
                                 "--web.listen-address=127.0.0.1:" + std::to_string(node_port)},
        work / "node-exporter.log");
    const fs::path config = work / "prometheus.yml";
    test_support::write_file(config, configuration(node_port, bodies_port));

    prometheus_port = free_port();
    prometheus = std::make_unique<BackgroundProcess>(
        std::vector<std::string>{"prometheus", "--config.file=" + config.string(),
                                 "--storage.tsdb.path=" + (work / "tsdb").string(),
                                 "--web.listen-address=127.0.0.1:" + std::to_string(prometheus_port)},
        work / "prometheus.log");
    agent = std::make_unique<AgentProcess>(config, work / "data");
    for (const int port : {prometheus_port, agent->port()}) {
      ASSERT_TRUE(eventually(
          seconds(30),
          [port] {
            const json data = api_get(port, "/api/v1/query?query=" + encode("count(count_over_time(up[1m]) >= 4)"));
            return data.is_object() && !data["result"].empty() && data["result"][0]["value"][1] == "3";
          }))
          << "port " << port << " never had four scrapes of each target\n"
          << agent->process().log_text();
    }
  }

  static void TearDownTestSuite() {
    agent.reset();
    prometheus.reset();
    node.reset();
    bodies->stop();
    serving.join();
    bodies.reset();
  }

  static std::string configuration(int node_port, int bodies_port) {
    return "global:\n"
           "  scrape_interval: 1s\n  scrape_timeout: 900ms\n  evaluation_interval: 1s\n"
           "  external_labels: {site: test}\n"
           "scrape_configs:\n"
           "- job_name: node\n  static_configs:\n  - targets: ['127.0.0.1:" +
           std::to_string(node_port) +
           "']\n"
           "    labels: {zone: a}\n"
           "- job_name: sloppy\n  static_configs:\n  - targets: ['127.0.0.1:" +
           std::to_string(bodies_port) +
           "']\n"
           "- job_name: broken\n  static_configs:\n  - targets: ['127.0.0.1:" +
           std::to_string(bodies_port) +
           "']\n"
           "    labels: {__metrics_path__: /broken, __param_probe: x}\n";
  }

  // Since its version 3 Prometheus writes whole `le` and `quantile` values as floats (1 -> 1.0), and so does the agent;
  // Debian's is older.
  static json normalized(json labels) {
    for (const char* name : {"le", "quantile"}) {
      if (!labels.contains(name)) continue;
      const auto text = labels[name].get<std::string>();
      if (text.find_first_not_of("0123456789") == std::string::npos) labels[name] = text + ".0";
    }
    return labels;
  }

  static std::set<std::string> label_sets(int port, const std::string& query) {
    const json data = api_get(port, "/api/v1/query?query=" + encode(query));
    std::set<std::string> sets;
    if (data.is_object()) {
      for (const json& each : data["result"]) sets.insert(normalized(each["metric"]).dump());
    }
    return sets;
  }

  static std::set<std::string> with_values(int port, const std::string& query) {
    const json data = api_get(port, "/api/v1/query?query=" + encode(query));
    std::set<std::string> sets;
    if (data.is_object()) {
      for (const json& each : data["result"])
        sets.insert(normalized(each["metric"]).dump() + " " + each["value"][1].dump());
    }
    return sets;
  }

  static inline std::unique_ptr<httplib::Server> bodies;
  static inline std::jthread serving;
  static inline std::unique_ptr<BackgroundProcess> node;
  static inline std::unique_ptr<BackgroundProcess> prometheus;
  static inline int prometheus_port = 0;
  static inline std::unique_ptr<AgentProcess> agent;
};

TEST_F(BesidePrometheus, EverySeriesOfASloppyBodyHasTheSameLabelsAndValue) {
  const auto theirs = with_values(prometheus_port, "{job=~\"sloppy|own\",__name__=~\"fleet_.*\"}");
  EXPECT_EQ(with_values(agent->port(), "{job=~\"sloppy|own\",__name__=~\"fleet_.*\"}"), theirs);
  EXPECT_GE(theirs.size(), 17U);
}

TEST_F(BesidePrometheus, TheSameSeriesOfNodeExporter) {
  const auto theirs = label_sets(prometheus_port, "{job=\"node\"}");
  EXPECT_EQ(label_sets(agent->port(), "{job=\"node\"}"), theirs);
  EXPECT_GT(theirs.size(), 200U);
}

TEST_F(BesidePrometheus, UpAndTheScrapeSeriesAgree) {
  for (const char* query :
       {"up", "scrape_samples_scraped{job=\"sloppy\"}", "scrape_samples_post_metric_relabeling{job!=\"node\"}",
        "{__name__=~\"up|scrape_samples_scraped\",job=\"broken\"}"}) {
    EXPECT_EQ(with_values(agent->port(), query), with_values(prometheus_port, query)) << query;
  }
}

TEST_F(BesidePrometheus, ABadLineFailsItsScrapeWholeAndIsNamed) {
  EXPECT_THAT(with_values(agent->port(), "good_before or good_after"), testing::IsEmpty());
  const json targets = api_get(agent->port(), "/api/v1/targets")["activeTargets"];
  for (const json& target : targets) {
    if (target["labels"]["job"] != "broken") continue;
    EXPECT_EQ(target["health"], "down");
    EXPECT_THAT(target["lastError"].get<std::string>(), testing::HasSubstr("line 2"));
    EXPECT_THAT(target["scrapeUrl"].get<std::string>(), testing::HasSubstr("/broken?probe=x"));
    return;
  }
  ADD_FAILURE() << targets.dump(2);
}

TEST_F(BesidePrometheus, QueriesGiveTheSameLabelSets) {
  for (const char* query : {
           "rate(node_cpu_seconds_total[3s])",
           "sum by (mode) (rate(node_cpu_seconds_total[3s]))",
           "sum without (cpu) (node_cpu_seconds_total)",
           "topk(3, fleet_latency_seconds_bucket)",
           "bottomk(1, fleet_height)",
           "count_values(\"height\", fleet_height)",
           "histogram_quantile(0.9, fleet_latency_seconds_bucket)",
           "node_filesystem_avail_bytes / node_filesystem_size_bytes",
           "fleet_requests_total / ignoring(code) group_left sum(fleet_requests_total)",
           "fleet_height > on (node) group_right () fleet_height",
           "fleet_requests_total{code=\"200\"} unless on (job) up == 0",
           "up or fleet_limit",
           "absent(nothing{job=\"x\", a=~\"y\"})",
           "label_replace(fleet_height, \"n\", \"$1\", \"node\", \"(.*)\")",
           "label_join(fleet_height, \"both\", \"-\", \"node\", \"zone\")",
           "max_over_time(fleet_height[5s])",
           "avg_over_time(up[5s:1s])",
           "quantile_over_time(0.5, fleet_height[5s])",
           "fleet_height offset 1s",
           "-fleet_height",
           "fleet_height ^ 2 % 7 == bool 1",
           "sort_desc(fleet_requests_total)",
           "group(node_network_up) by (device)",
           "timestamp(fleet_limit) - timestamp(fleet_limit)",
           "clamp_max(fleet_requests_total, 13)",
           "vector(1)",
           "stddev by (job) (fleet_requests_total)",
           "{__name__=~\"fleet_gc.*\", quantile!=\"0.9\"}",
       }) {
    EXPECT_EQ(label_sets(agent->port(), query), label_sets(prometheus_port, query)) << query;
  }
}

TEST_F(BesidePrometheus, ValuesOfSteadySeriesAgree) {
  for (const char* query : {
           "histogram_quantile(0.9, fleet_latency_seconds_bucket)",
           "fleet_requests_total / ignoring(code) group_left sum(fleet_requests_total)",
           "quantile(0.3, fleet_requests_total)",
           "fleet_height ^ 2 % 7",
           "round(fleet_gc_seconds_sum / fleet_gc_seconds_count, 0.3)",
           "deriv(fleet_height[5s])",
           "changes(fleet_height[5s])",
           "stdvar(fleet_requests_total)",
           "sgn(fleet_floor) + ln(fleet_requests_total{code=\"200\"}) * 0",
       }) {
    EXPECT_EQ(with_values(agent->port(), query), with_values(prometheus_port, query)) << query;
  }
}

TEST_F(BesidePrometheus, NamesValuesAndMetadataAgree) {
  const std::string match = "?match[]=" + encode("{job=\"sloppy\"}");
  EXPECT_EQ(api_get(agent->port(), "/api/v1/labels" + match), api_get(prometheus_port, "/api/v1/labels" + match));
  EXPECT_EQ(api_get(agent->port(), "/api/v1/label/__name__/values" + match),
            api_get(prometheus_port, "/api/v1/label/__name__/values" + match));
  const auto as_set = [](const json& list) {
    std::set<json> labels;
    for (const json& each : list) labels.insert(normalized(each));
    return labels;
  };
  EXPECT_EQ(as_set(api_get(agent->port(), "/api/v1/series" + match)),
            as_set(api_get(prometheus_port, "/api/v1/series" + match)));
  const std::string metadata = "/api/v1/metadata?metric=fleet_height";
  EXPECT_EQ(api_get(agent->port(), metadata), api_get(prometheus_port, metadata));
}

TEST_F(BesidePrometheus, PromtoolTakesTheAgentForPrometheus) {
  const std::string url = "http://127.0.0.1:" + std::to_string(agent->port());
  const fs::path work = test_support::fresh_folder("promtool");
  const std::vector<std::vector<std::string>> calls = {
      {"promtool", "query", "instant", url, "up"},
      {"promtool", "query", "range", "--step=1s", url, "up"},
      {"promtool", "query", "series", "--match=up", url},
      {"promtool", "query", "labels", url, "job"},
  };
  for (const auto& call : calls) {
    BackgroundProcess promtool(call, work / "log");
    EXPECT_EQ(promtool.wait(seconds(10)), 0) << call[2] << ": " << promtool.log_text();
    EXPECT_THAT(promtool.log_text(), testing::HasSubstr("sloppy")) << call[2];
  }
}

}  // namespace
}  // namespace e2e
