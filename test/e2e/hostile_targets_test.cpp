// SPDX-License-Identifier: Apache-2.0
// One target that behaves beside many that do everything wrong there is, all scraped by a real agent: what the good one
// shows is on time, the agent's memory stays within what docs/scraping.md adds up, and each of the others is named with
// what is wrong with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "core/time/clock.h"
#include "test/e2e/agent_process.h"
#include "test/support/hostile_server.h"

namespace e2e {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using test_support::eventually;
using test_support::HostilePeer;
using test_support::http_get;

constexpr const char* kHead = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
constexpr std::size_t kGigabyte = 1'000'000'000;
constexpr int kMaxSeries = 20'000;

std::string answer(const std::string& body, const std::string& headers = "") {
  return kHead + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The same piece again and again, as long as somebody takes it.
void pour(HostilePeer& peer, const std::string& piece, std::size_t bytes) {
  for (std::size_t sent = 0; sent < bytes && peer.write(piece); sent += piece.size()) {
  }
}

std::string repeated(const std::string& text, std::size_t bytes) {
  std::string all;
  while (all.size() < bytes) all += text;
  return all;
}

// Label sets that no scrape has shown before.
std::string churning_body() {
  static std::atomic<int> scrape{0};
  const int number = ++scrape;
  std::string body;
  for (int i = 0; i < 3000; ++i) {
    body += "churn{scrape=\"" + std::to_string(number) + "\",i=\"" + std::to_string(i) + "\"} 1\n";
  }
  return body;
}

// Families of names that no scrape has shown before, each as long as a line may be.
std::string boasting_body() {
  static std::atomic<int> scrape{0};
  std::string body;
  for (int i = 0; i < 100; ++i) {
    body += "# TYPE f" + std::to_string(++scrape) + std::string(200'000, 'f') + " gauge\n";
  }
  return body + "this fails\n";
}

// Lines with as many labels as a line may have.
std::string wide_body() {
  std::string body;
  for (int line = 0; line < 100; ++line) {
    body += "wide{line=\"" + std::to_string(line) + "\"";
    for (int i = 0; i < 1000; ++i) body += ",l" + std::to_string(i) + "=\"v\"";
    body += "} 1\n";
  }
  return body;
}

std::string random_bytes(std::size_t size) {
  std::minstd_rand random(7);
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(random());
  return bytes;
}

struct Hostile {
  std::string path;
  std::string error;  // a part of lastError; empty: the target is up
  std::function<void(HostilePeer&)> script;
  std::string settings = {};  // of its job
};

std::function<void(HostilePeer&)> says(std::string text) {
  return [text = std::move(text)](HostilePeer& peer) { peer.write(text); };
}

std::function<void(HostilePeer&)> says_and_hangs(std::string text) {
  return [text = std::move(text)](HostilePeer& peer) {
    if (peer.write(text)) peer.hang();
  };
}

std::vector<Hostile> silent_ones() {
  const std::string late = "context deadline exceeded";
  return {
      {"/says-nothing", late, says_and_hangs("")},
      {"/hangs-in-headers", late, says_and_hangs("HTTP/1.1 200 OK\r\nContent-Ty")},
      {"/hangs-in-body", late, says_and_hangs(std::string(kHead) + "Content-Length: 1000\r\n\r\nup 1\n")},
      {"/hangs-after-body", late, says_and_hangs(std::string(kHead) + "\r\nup 1\n")},
      {"/drips", late,
       [](HostilePeer& peer) {
         if (!peer.write(std::string(kHead) + "\r\n")) return;
         while (peer.write("#") && peer.wait(200)) {
         }
       }},
      {"/closes", "EOF", [](HostilePeer&) {}},
  };
}

std::vector<Hostile> large_ones() {
  static const std::string comment = repeated("# " + std::string(98, '-') + "\n", 1 << 20);
  static const std::string label = repeated("l=\"v\",", 1 << 20);
  static const std::string line(1 << 20, 'a');
  const std::string zeros(16 << 20, '\0');
  static const std::string series = [] {
    std::string body;
    for (int i = 0; i < 2'000'000; ++i) body += "s{i=\"" + std::to_string(i) + "\"} 1\n";
    return body;
  }();
  return {
      {"/says-gigabyte", "body size limit exceeded",
       [](HostilePeer& peer) {
         if (peer.write(std::string(kHead) + "Content-Length: 1000000000\r\n\r\n")) pour(peer, comment, kGigabyte);
       }},
      {"/gigabyte", "context deadline exceeded|no memory left for the body",
       [](HostilePeer& peer) {
         if (peer.write(std::string(kHead) + "\r\n")) pour(peer, comment, kGigabyte);
       }},
      {"/gigabyte-with-a-limit", "body size limit exceeded",
       [](HostilePeer& peer) {
         if (peer.write(std::string(kHead) + "\r\n")) pour(peer, comment, kGigabyte);
       },
       "body_size_limit: 10MB"},
      {"/endless-labels", "context deadline exceeded|no memory left for the body",
       [](HostilePeer& peer) {
         if (peer.write(std::string(kHead) + "\r\nm{")) pour(peer, label, kGigabyte);
       }},
      {"/endless-line", "context deadline exceeded|no memory left for the body",
       [](HostilePeer& peer) {
         if (peer.write(std::string(kHead) + "\r\n")) pour(peer, line, kGigabyte);
       }},
      {"/gzip-bomb", "body size limit exceeded",
       says(answer(test_support::gzip_members(zeros, 64), "Content-Encoding: gzip\r\n"))},
      {"/zstd-bomb", "body size limit exceeded",
       says(answer(test_support::zstd_frames(zeros, 64), "Content-Encoding: zstd\r\n"))},
      {"/two-million-series", "ring.max_series|no memory left for the body",
       [](HostilePeer& peer) {
         if (peer.write(std::string(kHead) + "\r\n")) peer.write(series);
       },
       "scrape_timeout: 4s"},
      {"/many-headers", "response headers",
       says("HTTP/1.1 200 OK\r\n" + repeated("X-Header: something\r\n", 2'100'000) + "\r\nup 1\n")},
  };
}

std::vector<Hostile> wrong_ones(int port) {
  const std::string chunked = std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\n5\r\nup 1\n\r\n";
  const std::string here = "http://127.0.0.1:" + std::to_string(port) + "/redirects";
  return {
      {"/garbage", "malformed HTTP response|HTTP/0.9", says(random_bytes(10'000))},
      {"/garbage-body", "while parsing", says(answer(random_bytes(100'000)))},
      {"/wrong-length", "unexpected EOF", says(std::string(kHead) + "Content-Length: 1000\r\n\r\nup 1\n")},
      {"/cut-chunk", "unexpected EOF|chunk|transfer closed", says(chunked + "500\r\nup")},
      {"/redirects", "stopped after 10 redirects",
       says("HTTP/1.1 302 Found\r\nLocation: " + here + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
       "scrape_timeout: 4s"},
      {"/status", "server returned HTTP status 500",
       says("HTTP/1.1 500 \xff\xfe nonsense\r\nContent-Length: 0\r\n\r\n")},
      {"/boasts", "while parsing", [](HostilePeer& peer) { peer.write(answer(boasting_body())); }},
      // These two do nothing wrong but to be expensive.
      {"/churns", "", [](HostilePeer& peer) { peer.write(answer(churning_body())); }, "scrape_interval: 2s"},
      {"/wide", "", says(answer(wide_body()))},
  };
}

// Kilobytes of memory that is the process's own to write to, as far as it is there.
std::int64_t writable_resident_kb(pid_t pid) {
  std::ifstream smaps("/proc/" + std::to_string(pid) + "/smaps");
  std::int64_t total = 0;
  bool writable = false;
  for (std::string line; std::getline(smaps, line);) {
    const std::size_t space = line.find(' ');
    if (space != std::string::npos && line.find('-') < space)
      writable = line.size() > space + 2 && line[space + 2] == 'w';
    if (writable && line.starts_with("Rss:")) total += std::stoll(line.substr(4));
  }
  return total;
}

// Seconds that the process's threads were ready to run and had no processor, since they began.
double withheld_seconds(pid_t pid) {
  double nanoseconds = 0;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream file(task.path() / "schedstat");
    double ran = 0;
    double waited = 0;
    if (file >> ran >> waited) nanoseconds += waited;
  }
  return nanoseconds / 1e9;
}

// docs/scraping.md: bodies on their way, the one that is unpacked and read, what is remembered of lines, what a body's
// samples take while they are read, and the rest of an agent with a ring of 16 MiB.
constexpr std::int64_t kMemoryBoundKb = (256 + 128 + 8 + 8 + 80) << 10;

class HostileTargets : public testing::Test {
 protected:
  HostileTargets() {
    // A redirect names the port, which is known when the server is there.
    auto all = silent_ones();
    const int port = test_support::free_port();
    for (auto each : {large_ones(), wrong_ones(port)}) std::ranges::move(each, std::back_inserter(all));
    hostile_ = std::move(all);
    std::map<std::string, test_support::HostileServer::Script> scripts;
    for (const Hostile& each : hostile_) scripts[each.path] = each.script;
    std::string good;
    for (int i = 0; i < 20; ++i) good += "good{i=\"" + std::to_string(i) + "\"} 1\n";
    scripts["/good"] = says(answer(good));
    server_ = std::make_unique<test_support::HostileServer>(std::move(scripts), says(random_bytes(1000)), port);
  }

  std::string configuration() const {
    const std::string host = "127.0.0.1:" + std::to_string(server_->port());
    std::string text =
        "global: {scrape_interval: 5s, scrape_timeout: 1500ms, evaluation_interval: 1s}\n"
        "rule_files: ['" +
        std::string(WATCHKEEPER_SOURCE_DIR) +
        "/rules/packs/watchkeeper.yml']\n"
        "ring: {size: 16MiB, max_series: " +
        std::to_string(kMaxSeries) + "}\nscrape_configs:\n";
    text +=
        "- job_name: good\n  scrape_interval: 1s\n  scrape_timeout: 900ms\n  metrics_path: /good\n"
        "  static_configs: [{targets: ['" +
        host + "']}]\n";
    for (const Hostile& each : hostile_) {
      text += "- job_name: " + each.path.substr(1) + "\n  metrics_path: " + each.path + "\n  enable_zstd: true\n  " +
              each.settings + "\n  static_configs: [{targets: ['" + host + "']}]\n";
    }
    return text + "- job_name: tls\n  scheme: https\n  static_configs: [{targets: ['" + host + "']}]\n";
  }

  std::vector<Hostile> hostile_;
  std::unique_ptr<test_support::HostileServer> server_;
};

std::map<std::string, json> targets_by_job(int port) {
  std::map<std::string, json> targets;
  const json data = api_get(port, "/api/v1/targets");
  if (!data.is_object()) return targets;
  for (const json& each : data["activeTargets"]) targets[each["labels"]["job"]] = each;
  return targets;
}

// The raw samples of the one series.
std::vector<std::pair<double, double>> samples(int port, const std::string& query) {
  std::vector<std::pair<double, double>> all;
  const json data = api_get(port, "/api/v1/query?query=" + encode(query));
  if (!data.is_object() || data["result"].size() != 1) return all;
  for (const json& each : data["result"][0]["values"]) {
    all.emplace_back(each[0].get<double>(), std::stod(each[1].get<std::string>()));
  }
  return all;
}

double metric(int port, const std::string& name) {
  const std::string text = "\n" + http_get(port, "/metrics").body;
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

TEST_F(HostileTargets, HurtNobodyAndAreNamed) {
  const fs::path work = test_support::fresh_folder("hostile-targets");
  test_support::write_file(work / "watchkeeper.yml", configuration());
  AgentProcess agent(work / "watchkeeper.yml", work / "data");
  ASSERT_TRUE(agent.ready()) << agent.process().log_text();

  const double withheld_before = withheld_seconds(agent.process().pid());
  // Twelve seconds, by the good target's own count.
  std::int64_t most_kb = 0;
  milliseconds slowest_answer{0};
  const core::SystemClock clock;
  std::vector<std::pair<double, double>> ups;
  EXPECT_TRUE(eventually(seconds(22),
                         [&] {
                           most_kb = std::max(most_kb, writable_resident_kb(agent.process().pid()));
                           const auto before = clock.steady_now();
                           ups = samples(agent.port(), "up{job=\"good\"}[1m]");
                           slowest_answer = std::max(
                               slowest_answer, std::chrono::duration_cast<milliseconds>(clock.steady_now() - before));
                           return ups.size() >= 13;
                         }))
      << ups.size() << " scrapes of the good target";
  std::printf("writable resident: %lld KiB at most; slowest answer: %lld ms\n", static_cast<long long>(most_kb),
              static_cast<long long>(slowest_answer.count()));
  EXPECT_LT(most_kb, kMemoryBoundKb);
  EXPECT_LT(slowest_answer, seconds(1));

  double longest = 0;
  for (const auto& [time, value] : samples(agent.port(), "scrape_duration_seconds{job=\"good\"}[1m]")) {
    longest = std::max(longest, value);
  }
  // On a machine that is busy with something else, what the kernel did not give is not the agent's delay.
  const double withheld = (withheld_seconds(agent.process().pid()) - withheld_before) / 12;
  std::printf("longest scrape of the good target: %.3f s; %.3f s a second without a processor\n", longest, withheld);
  EXPECT_LT(longest, 0.4 + withheld);
  for (std::size_t i = 0; i < ups.size(); ++i) {
    EXPECT_EQ(ups[i].second, 1) << "scrape " << i;
    if (i == 0) continue;
    EXPECT_NEAR(ups[i].first - ups[i - 1].first, 1, 0.3 + withheld) << "scrape " << i;
  }

  const auto targets = targets_by_job(agent.port());
  for (const Hostile& each : hostile_) {
    ASSERT_TRUE(targets.contains(each.path.substr(1))) << each.path;
    const json& target = targets.at(each.path.substr(1));
    EXPECT_GT(server_->requests(each.path), 1) << each.path;
    EXPECT_EQ(target["health"], each.error.empty() ? "up" : "down") << target.dump();
    if (!each.error.empty()) {
      EXPECT_THAT(target["lastError"].get<std::string>(), testing::ContainsRegex(each.error)) << each.path;
    }
    EXPECT_LT(target["lastError"].get<std::string>().size(), 2500U) << each.path;
  }
  // What the alert TargetChurns looks for, without its wait.
  const json churning = api_get(
      agent.port(), "/api/v1/query?query=" + encode("sum_over_time(scrape_series_added[15m]) > 3 * "
                                                    "max_over_time(scrape_samples_post_metric_relabeling[15m]) and "
                                                    "sum_over_time(scrape_series_added[15m]) > 1000 "
                                                    "unless on (job, instance) up == 0"));
  ASSERT_EQ(churning["result"].size(), 1U) << churning.dump();
  EXPECT_EQ(churning["result"][0]["metric"]["job"], "churns");
  EXPECT_THAT(targets.at("tls")["lastError"].get<std::string>(), testing::HasSubstr("HTTPS client"));

  EXPECT_GT(metric(agent.port(), "watchkeeper_scrape_failures_total"), 40);
  EXPECT_GT(metric(agent.port(), "watchkeeper_scrape_over_size_total"), 6);
  EXPECT_GT(metric(agent.port(), "watchkeeper_scrape_over_memory_total"), 1);
  EXPECT_GT(metric(agent.port(), "watchkeeper_scrape_refused_metadata_total"), 50);
  EXPECT_GT(metric(agent.port(), "watchkeeper_scrape_large_targets_total"), 2);
  EXPECT_THAT(server_->complaints(), testing::IsEmpty());

  agent.process().signal(SIGTERM);
  EXPECT_EQ(agent.process().wait(seconds(10)), 0) << agent.process().log_text();
}

}  // namespace
}  // namespace e2e
