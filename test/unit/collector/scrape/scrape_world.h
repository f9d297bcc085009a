// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "collector/scrape/scrape_pools.h"
#include "core/config/node.h"
#include "core/ring/ring.h"
#include "core/time/simulated_clock.h"

namespace collector::scrape {

// What a target does when it is asked.
struct Answer {
  core::Duration delay = std::chrono::milliseconds(20);
  int status = 200;
  std::string reason = "OK";
  std::string body;
  std::string content_type = "text/plain; version=0.0.4";
  std::string error;  // instead of an answer
  core::net::Coding coding = core::net::Coding::kIdentity;
  std::string content_encoding;
};

// An HttpClient over simulated time: every URL has a script. What takes longer than the request's timeout fails then.
class ScriptedHttp final : public core::net::HttpClient {
 public:
  explicit ScriptedHttp(core::SimulatedClock& clock) : clock_(clock) {}

  core::net::TransferId send(core::net::Request request,
                             std::function<void(core::Result<core::net::Response>)> done) override {
    const core::net::TransferId id = ++last_id_;
    requests.push_back(request);
    request_times_ms.push_back(clock_.unix_ms());
    ++in_flight_[request.url];
    most_in_flight = std::max(most_in_flight, in_flight_[request.url]);
    const Answer answer = script(request);
    const bool late = answer.delay > request.timeout;
    timers_[id] = clock_.schedule_after(clock_, late ? request.timeout : answer.delay, [=, this] {
      timers_.erase(id);
      --in_flight_[request.url];
      if (late) {
        done(core::fail(core::Errc::kTimeout, "Get \"{}\": context deadline exceeded", request.url));
      } else if (!answer.error.empty()) {
        done(core::fail(core::Errc::kUnavailable, "Get \"{}\": {}", request.url, answer.error));
      } else if (answer.body.size() > request.body_limit) {
        done(core::fail(core::Errc::kLimitExceeded, "body size limit exceeded"));
      } else {
        core::net::Response response;
        response.status = answer.status;
        response.reason = answer.reason;
        if (!answer.content_type.empty()) response.headers.emplace_back("content-type", answer.content_type);
        if (!answer.content_encoding.empty())
          response.headers.emplace_back("content-encoding", answer.content_encoding);
        response.body = answer.body;
        response.coding = answer.coding;
        done(std::move(response));
      }
    });
    return id;
  }

  void cancel(core::net::TransferId transfer) override {
    const auto found = timers_.find(transfer);
    if (found == timers_.end()) return;
    clock_.cancel(found->second);
    timers_.erase(found);
    ++cancelled;
  }

  std::function<Answer(const core::net::Request&)> script = [](const core::net::Request&) { return Answer{}; };
  std::vector<core::net::Request> requests;
  std::vector<std::int64_t> request_times_ms;
  int most_in_flight = 0;
  int cancelled = 0;

 private:
  core::SimulatedClock& clock_;
  core::net::TransferId last_id_ = 0;
  std::map<core::net::TransferId, core::TimerId> timers_;
  std::map<std::string, int> in_flight_;
};

// Pools over a ring in memory, one inline shard, simulated time and scripted targets.
class ScrapeWorld : public testing::Test {
 protected:
  ScrapeWorld() { make_pools(); }

  void make_pools() {
    std::vector<std::unique_ptr<Shard>> shards;
    shards.push_back(std::make_unique<InlineShard>(*ring));
    pools = std::make_unique<ScrapePools>(clock, clock, http, std::move(shards),
                                          [this](const Arrival& arrival) { arrivals.push_back(arrival); });
  }

  static core::Result<std::vector<ScrapeConfig>> read(std::string_view yaml, std::string_view global = "{}") {
    const auto jobs = core::config::Node::parse(yaml, "p.yml");
    const auto globals = core::config::Node::parse(global, "p.yml");
    if (!jobs) return core::fail(jobs.error());
    auto parsed = core::config::Codec<std::vector<ScrapeConfig>>::read(*jobs);
    if (!parsed) return parsed;
    const auto parsed_global = core::config::Codec<GlobalConfig>::read(*globals);
    if (!parsed_global) return core::fail(parsed_global.error());
    return resolve_jobs(std::move(*parsed), *parsed_global);
  }

  void apply(std::string_view yaml, std::string_view global = "{}") {
    const auto jobs = read(yaml, global);
    ASSERT_TRUE(jobs) << jobs.error().message;
    pools->apply(*jobs, {});
  }

  // Lets time pass to just after the first scrape of the only target, and counts times from there.
  void until_first_scrape() {
    const std::size_t before = http.requests.size();
    for (int i = 0; i < 10'000 && http.requests.size() == before; ++i) clock.advance(std::chrono::milliseconds(10));
    ASSERT_GT(http.requests.size(), before) << "no target was asked";
    first_ms = http.request_times_ms.at(before);
    clock.advance(std::chrono::seconds(2));
  }

  // "0=1 10000=stale": the samples of a series by their time since the first scrape. "none" if there is no such series.
  std::string samples(const core::ring::Labels& labels) const {
    std::vector<core::ring::Matcher> matchers;
    for (const auto& [name, value] : labels) matchers.push_back(core::ring::Matcher::equal(name, value));
    const auto selected = ring->reader().select(matchers);
    if (selected.size() != 1) return selected.empty() ? "none" : "several";
    std::vector<core::ring::Sample> read;
    ring->reader().read(selected[0].ref, INT64_MIN, INT64_MAX, read);
    std::string text;
    for (const auto& [time_ms, value] : read) {
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", time_ms - first_ms,
                          core::ring::is_stale(value) ? "stale" : fmt::format("{}", value));
    }
    return text;
  }

  TargetStatus only_target() const { return pools->status().at(0).active.at(0); }

  core::SimulatedClock clock;
  std::unique_ptr<core::ring::Ring> ring = core::ring::make_memory_ring();
  ScriptedHttp http{clock};
  std::vector<Arrival> arrivals;
  std::unique_ptr<ScrapePools> pools;
  std::int64_t first_ms = 0;
};

}  // namespace collector::scrape
