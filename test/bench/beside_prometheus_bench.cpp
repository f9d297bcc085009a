// SPDX-License-Identifier: Apache-2.0
// What watching costs: the agent and Debian's Prometheus scrape the same targets at the same time, and the figures are
// ratios of the two in one run. Absolute figures move with the machine; the ratio is what counts.
//
//   beside_prometheus_bench [TARGETS [SERIES_PER_TARGET [SECONDS]]]      default 6 1000 30
#include <httplib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "core/time/clock.h"
#include "test/e2e/agent_process.h"

namespace {

namespace fs = std::filesystem;
using e2e::api_get;
using e2e::encode;
using e2e::seconds;
using test_support::BackgroundProcess;
using test_support::eventually;

// An exporter whose every second series changes at each scrape: counters, gauges and a few histograms' worth of `le`.
std::string exposition(int target, int series, std::uint64_t scrape) {
  std::string body;
  body.reserve(static_cast<std::size_t>(series) * 70);
  constexpr int kSeriesPerFamily = 20;
  for (int i = 0; i < series; ++i) {
    const int family = i / kSeriesPerFamily;
    if (i == 0) body += "# TYPE load_requests_total counter\n";
    const std::uint64_t value = i % 2 == 0 ? scrape * static_cast<std::uint64_t>(i + 1) : static_cast<std::uint64_t>(i);
    body += fmt::format("load_requests_total{{family=\"{}\",shard=\"{}\",route=\"/v1/items/{}\"}} {}\n", family, target,
                        i % kSeriesPerFamily, value);
  }
  return body;
}

struct Cost {
  double cpu_seconds = 0;
  double anonymous_mb = 0;
};

Cost cost_of(pid_t pid) {
  Cost cost;
  const std::string stat = test_support::read_file(fmt::format("/proc/{}/stat", pid));
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string field;
  long ticks = 0;
  for (int i = 3; fields >> field && i <= 15; ++i) {  // 14 utime, 15 stime: proc(5)
    if (i >= 14) ticks += std::stol(field);
  }
  cost.cpu_seconds = static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) cost.anonymous_mb = std::stod(line.substr(8)) / 1000;
  }
  return cost;
}

double median_query_ms(int port, const std::string& path) {
  const core::SystemClock clock;
  std::vector<double> took;
  for (int i = 0; i < 31; ++i) {
    const auto start = clock.steady_now();
    if (test_support::http_get(port, path).status != 200) return -1;
    took.push_back(std::chrono::duration<double, std::milli>(clock.steady_now() - start).count());
  }
  std::nth_element(took.begin(), took.begin() + 15, took.end());
  return took[15];
}

void print_row(const std::string& what, double ours, double theirs, const char* unit) {
  fmt::print("{:<52} {:>10.3f} {:>10.3f} {:<4} ratio {:.3f}\n", what, ours, theirs, unit, ours / theirs);
}

int number(int argc, char** argv, int position, int otherwise) {
  if (argc <= position) return otherwise;
  const std::string_view text = argv[position];
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && value > 0 ? value : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const int targets = number(argc, argv, 1, 6);
  const int series = number(argc, argv, 2, 1000);
  const int window_seconds = number(argc, argv, 3, 30);
  const fs::path work = test_support::fresh_folder("bench");

  std::vector<std::unique_ptr<httplib::Server>> servers;
  std::vector<std::jthread> serving;
  std::string addresses;
  for (int target = 0; target < targets; ++target) {
    auto server = std::make_unique<httplib::Server>();
    auto scrapes = std::make_shared<std::atomic<std::uint64_t>>(0);
    server->Get("/metrics", [=](const httplib::Request&, httplib::Response& answer) {
      answer.set_content(exposition(target, series, ++*scrapes), "text/plain; version=0.0.4");
    });
    addresses += fmt::format("{}'127.0.0.1:{}'", target == 0 ? "" : ", ", server->bind_to_any_port("127.0.0.1"));
    serving.emplace_back([running = server.get()] { running->listen_after_bind(); });
    servers.push_back(std::move(server));
  }
  const fs::path config = work / "prometheus.yml";
  test_support::write_file(config, fmt::format("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n"
                                               "- job_name: load\n  static_configs: [{{targets: [{}]}}]\n",
                                               addresses));
  const int prometheus_port = test_support::free_port();
  BackgroundProcess prometheus(
      {"prometheus", "--config.file=" + config.string(), "--storage.tsdb.path=" + (work / "tsdb").string(),
       fmt::format("--web.listen-address=127.0.0.1:{}", prometheus_port)},
      work / "prometheus.log");
  e2e::AgentProcess agent(config, work / "data");
  const std::string samples_query = "/api/v1/query?query=" + encode("sum(count_over_time(scrape_samples_scraped[1h]))");
  for (const int port : {agent.port(), prometheus_port}) {
    const bool scraping = eventually(seconds(30), [&] {
      const auto data = api_get(port, samples_query);
      return data.is_object() && !data["result"].empty();
    });
    if (!scraping) {
      fmt::print(stderr, "port {} never scraped anything\n{}", port, agent.process().log_text());
      return 1;
    }
  }

  const Cost agent_before = cost_of(agent.process().pid());
  const Cost prometheus_before = cost_of(prometheus.pid());
  ::sleep(static_cast<unsigned>(window_seconds));
  const Cost agent_after = cost_of(agent.process().pid());
  const Cost prometheus_after = cost_of(prometheus.pid());

  fmt::print("{} targets x {} series at 1 s, {} s\n", targets, series, window_seconds);
  fmt::print("{:<52} {:>10} {:>10}\n", "", "agent", "prometheus");
  print_row("CPU of one core", 100 * (agent_after.cpu_seconds - agent_before.cpu_seconds) / window_seconds,
            100 * (prometheus_after.cpu_seconds - prometheus_before.cpu_seconds) / window_seconds, "%");
  print_row("anonymous memory", agent_after.anonymous_mb, prometheus_after.anonymous_mb, "MB");
  for (const std::string query : {"sum by (job) (rate(load_requests_total[20s]))", "up", "count({job=\"load\"})"}) {
    const std::string path = "/api/v1/query?query=" + encode(query);
    print_row("p50 of " + query, median_query_ms(agent.port(), path), median_query_ms(prometheus_port, path), "ms");
  }
  for (const auto& server : servers) server->stop();
  return 0;
}
