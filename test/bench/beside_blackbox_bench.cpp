// SPDX-License-Identifier: Apache-2.0
// What probing costs: the agent and Debian's blackbox_exporter probe the same HTTP targets at the same rate at the same
// time, the agent by its own schedule, blackbox_exporter asked as Prometheus would ask it. The figures are processor
// time of one run; absolute ones move with the machine, the ratio is what counts.
//
//   beside_blackbox_bench [TARGETS [INTERVAL_SECONDS [SECONDS]]]      default 500 5 30
#include <fmt/format.h>
#include <httplib.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <sstream>
#include <thread>

#include "core/time/clock.h"
#include "test/e2e/agent_process.h"

namespace {

namespace fs = std::filesystem;
using e2e::seconds;
using test_support::BackgroundProcess;

constexpr int kAskers = 8;  // requests under way at once: as many as a scraper of such targets has

double cpu_seconds(pid_t pid) {
  const std::string stat = test_support::read_file(fmt::format("/proc/{}/stat", pid));
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string field;
  long ticks = 0;
  for (int i = 3; fields >> field && i <= 15; ++i) {  // 14 utime, 15 stime: proc(5)
    if (i >= 14) ticks += std::stol(field);
  }
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int number(int argc, char** argv, int position, int otherwise) {
  if (argc <= position) return otherwise;
  const std::string_view text = argv[position];
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && value > 0 ? value : otherwise;
}

// Asks blackbox_exporter for one target after the other, evenly over the interval.
class Asker {
 public:
  Asker(int port, int targets, core::Duration interval, int page_port)
      : port_(port), targets_(targets), every_(interval / targets), page_port_(page_port), start_(clock_.steady_now()) {
    for (int i = 0; i < kAskers; ++i) threads_.emplace_back([this](std::stop_token stop) { ask(std::move(stop)); });
  }
  int answers() const { return answers_; }

 private:
  void ask(std::stop_token stop) {
    httplib::Client client("127.0.0.1", port_);
    client.set_keep_alive(true);
    std::mutex mutex;
    std::condition_variable_any never;
    while (!stop.stop_requested()) {
      const int turn = next_++;
      std::unique_lock lock(mutex);
      never.wait_until(lock, stop, start_ + turn * every_, [] { return false; });
      const std::string path =
          fmt::format("/probe?module=http_2xx&target=http://127.0.0.1:{}/{}", page_port_, turn % targets_);
      const auto answer = client.Get(path.c_str(), {{"X-Prometheus-Scrape-Timeout-Seconds", "5"}});
      if (answer && answer->body.find("\nprobe_success 1") != std::string::npos) ++answers_;
    }
  }

  const core::SystemClock clock_;
  const int port_;
  const int targets_;
  const core::Duration every_;
  const int page_port_;
  const core::SteadyTime start_;
  std::atomic<int> next_{0};
  std::atomic<int> answers_{0};
  std::vector<std::jthread> threads_;
};

double metric(int port, const std::string& name) {
  const std::string text = test_support::http_get(port, "/metrics").body;
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

}  // namespace

int main(int argc, char** argv) {
  const int targets = number(argc, argv, 1, 500);
  const int interval = number(argc, argv, 2, 5);
  const int window_seconds = number(argc, argv, 3, 30);
  const fs::path work = test_support::fresh_folder("probe-bench");

  httplib::Server pages;
  pages.Get(".*", [](const httplib::Request&, httplib::Response& answer) {
    answer.set_content("<html><body>all is well</body></html>\n", "text/html");
  });
  const int page_port = pages.bind_to_any_port("127.0.0.1");
  const std::jthread serving([&pages] { pages.listen_after_bind(); });

  std::string list;
  for (int i = 0; i < targets; ++i) list += fmt::format("{}'http://127.0.0.1:{}/{}'", i == 0 ? "" : ", ", page_port, i);
  test_support::write_file(work / "blackbox.yml", "modules: {http_2xx: {prober: http}}\n");
  test_support::write_file(
      work / "agent.yml",
      fmt::format("modules: {{http_2xx: {{prober: http}}}}\nprobes:\n- job_name: load\n  module: http_2xx\n"
                  "  interval: {0}s\n  timeout: {0}s\n  static_configs: [{{targets: [{1}]}}]\n",
                  interval, list));
  const int blackbox_port = test_support::free_port();
  BackgroundProcess blackbox({"prometheus-blackbox-exporter", "--config.file=" + (work / "blackbox.yml").string(),
                              fmt::format("--web.listen-address=127.0.0.1:{}", blackbox_port)},
                             work / "blackbox.log");
  e2e::AgentProcess agent(work / "agent.yml", work / "data");
  const bool up = agent.ready() && test_support::eventually(seconds(15), [&] {
                    return test_support::http_get(blackbox_port, "/-/healthy").status == 200;
                  });
  if (!up) {
    std::fprintf(stderr, "not up:\n%s%s", agent.process().log_text().c_str(), blackbox.log_text().c_str());
    return 1;
  }

  const core::SystemClock clock;
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  const Asker asker(blackbox_port, targets, seconds(interval), page_port);
  never.wait_for(lock, seconds(interval));  // every target once, before anything counts
  const std::string passed = "watchkeeper_probes_total{reason=\"none\"}";
  const double ours_before = cpu_seconds(agent.process().pid());
  const double theirs_before = cpu_seconds(blackbox.pid());
  const double probes_before = metric(agent.port(), passed);
  const int answers_before = asker.answers();
  const auto started = clock.steady_now();
  never.wait_for(lock, seconds(window_seconds));
  const double took = std::chrono::duration<double>(clock.steady_now() - started).count();
  const double ours = cpu_seconds(agent.process().pid()) - ours_before;
  const double theirs = cpu_seconds(blackbox.pid()) - theirs_before;
  const double probes = metric(agent.port(), passed) - probes_before;
  const int answers = asker.answers() - answers_before;

  fmt::print("{} HTTP targets every {} s, {:.1f} s\n", targets, interval, took);
  fmt::print("{:<34}{:>12}{:>22}\n", "", "watchkeeper", "blackbox_exporter");
  fmt::print("{:<34}{:>12.0f}{:>22}\n", "probes that passed", probes, answers);
  fmt::print("{:<34}{:>11.2f}%{:>21.2f}%\n", "processor, of one core", 100 * ours / took, 100 * theirs / took);
  fmt::print("{:<34}{:>12.0f}{:>22.0f}\n", "microseconds a probe", 1e6 * ours / probes, 1e6 * theirs / answers);
  fmt::print("ratio {:.3f}\n", (ours / probes) / (theirs / answers));
  pages.stop();
  return 0;
}
