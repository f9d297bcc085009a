// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "collector/scrape/scrape_pools.h"
#include "collector/staking/observer_client.h"
#include "core/config/node.h"
#include "core/time/simulated_clock.h"

namespace collector::staking {

// The public key of a validator, as it is written.
inline std::string public_key(int number) { return fmt::format("0x{:096x}", number); }

// What a node answers to one request.
struct Told {
  int status = 200;
  std::string body;
  std::string error;  // instead of an answer: the words of the client after the URL
  core::Errc code = core::Errc::kUnavailable;
  core::Duration delay = std::chrono::milliseconds(20);
};

inline Told answer(int status, std::string body = {}) {
  Told told;
  told.status = status;
  told.body = std::move(body);
  return told;
}
inline Told broken(std::string error, core::Errc code = core::Errc::kUnavailable) {
  Told told;
  told.error = std::move(error);
  told.code = code;
  return told;
}
inline Told late(core::Duration delay) {
  Told told;
  told.delay = delay;
  return told;
}

// Nodes over simulated time. Strict: a request that nobody expects fails the test, as does an answer over the limit
// that would be passed on.
class FakeNodes final : public core::net::HttpClient {
 public:
  explicit FakeNodes(core::SimulatedClock& clock) : clock_(clock) {}

  core::net::TransferId send(core::net::Request request,
                             std::function<void(core::Result<core::net::Response>)> done) override {
    const core::net::TransferId id = ++last_id_;
    const std::string key = request.method + " " + request.url;
    const auto found = answers.find(key);
    if (found == answers.end() && !otherwise) ADD_FAILURE() << "nobody expects " << key;
    Told told = found != answers.end() ? found->second(request) : otherwise ? otherwise(request) : answer(404);
    const bool late = told.delay > request.timeout;
    const bool streamed = request.on_body != nullptr && told.status == 200;
    const bool large = !streamed && told.body.size() > request.body_limit;
    requests.push_back(std::move(request));
    if (!keep_requests) requests.erase(requests.begin(), requests.end() - 1);
    const auto timeout = requests.back().timeout;
    timers_[id] =
        clock_.schedule_after(clock_, late ? timeout : told.delay, [=, this, on_body = requests.back().on_body] {
          timers_.erase(id);
          if (late) return done(core::fail(core::Errc::kTimeout, "\"{}\": context deadline exceeded", key));
          if (!told.error.empty()) return done(core::fail(told.code, "\"{}\": {}", key, told.error));
          if (large) return done(core::fail(core::Errc::kLimitExceeded, "body size limit exceeded"));
          core::net::Response response;
          response.status = told.status;
          if (streamed) {
            for (std::size_t at = 0; at < told.body.size(); at += piece_bytes) {
              if (!on_body(std::string_view(told.body).substr(at, piece_bytes))) {
                return done(core::fail(core::Errc::kCancelled, "\"{}\": ended by its receiver", key));
              }
            }
          } else {
            response.body = told.body;
          }
          done(std::move(response));
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

  void on(const std::string& key, Told told) {
    answers[key] = [told](const core::net::Request&) { return told; };
  }
  void on(const std::string& key, std::string body) { on(key, answer(200, std::move(body))); }

  std::map<std::string, std::function<Told(const core::net::Request&)>> answers;  // "GET http://..."
  std::function<Told(const core::net::Request&)> otherwise;  // who answers what is not in `answers`
  std::vector<core::net::Request> requests;
  bool keep_requests = true;
  std::size_t piece_bytes = 1009;  // of an answer that is read as it comes
  int cancelled = 0;

 private:
  core::SimulatedClock& clock_;
  core::net::TransferId last_id_ = 0;
  std::map<core::net::TransferId, core::TimerId> timers_;
};

// Samples of one text by name and labels: watchkeeper_beacon_up, watchkeeper_beacon_failure_reason{reason="timeout"}.
class Seen {
 public:
  explicit Seen(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string line(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.empty() || line.starts_with('#')) continue;
      const std::size_t space = line.rfind(' ');
      samples_.emplace(line.substr(0, space), line.substr(space + 1));
    }
  }
  // "none" if there is no such sample.
  std::string operator[](const std::string& series) const {
    const auto found = samples_.find(series);
    return found == samples_.end() ? "none" : found->second;
  }
  const std::map<std::string, std::string>& samples() const { return samples_; }

 private:
  std::map<std::string, std::string> samples_;
};

class StakingWorld : public testing::Test {
 protected:
  static std::string page() {
    std::ifstream stream(WATCHKEEPER_SOURCE_DIR "/docs/observers.md");
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }
  // docs/observers.md knows every series, by the part of its name that is its own.
  static void expect_documented(const Seen& seen) {
    const std::string text = page();
    for (const auto& [series, value] : seen.samples()) {
      std::string name = series.substr(0, series.find('{'));
      for (int parts = 0; parts < 2; ++parts) name.erase(0, name.find('_') + 1);
      const bool there = text.find("`" + name + "`") != std::string::npos ||
                         text.find("`" + name + "{") != std::string::npos ||
                         text.find("<kind>_" + name) != std::string::npos;
      EXPECT_TRUE(there) << series << " is not in docs/observers.md";
    }
  }

  static StakingConfig read(const std::string& yaml) {
    const auto node = core::config::Node::parse(yaml, "s.yml");
    EXPECT_TRUE(node) << (node ? "" : node.error().message);
    if (!node) return {};
    auto config = core::config::Codec<StakingConfig>::read(*node);
    EXPECT_TRUE(config) << (config ? "" : config.error().message);
    return config ? *config : StakingConfig{};
  }
  static std::string problem(const std::string& yaml) {
    const auto node = core::config::Node::parse(yaml, "s.yml");
    if (!node) return node.error().message;
    const auto config = core::config::Codec<StakingConfig>::read(*node);
    return config ? "fine" : config.error().message;
  }

  // One round to a node of the configuration, waiting for its answer.
  Seen round(const std::string& path, core::Duration timeout = std::chrono::seconds(5)) {
    std::string text;
    core::net::Request request;
    request.url = "http://any" + path;
    request.timeout = timeout;
    client.send(std::move(request), [&](core::Result<core::net::Response> response) {
      ASSERT_TRUE(response) << response.error().message;
      EXPECT_EQ(response->status, 200);
      text = response->body;
    });
    clock.advance(timeout);
    EXPECT_FALSE(text.empty()) << "the round did not end in its time";
    return Seen(text);
  }

  core::SimulatedClock clock;
  FakeNodes nodes{clock};
  ObserverClient client{nodes, clock, clock};
};

}  // namespace collector::staking
