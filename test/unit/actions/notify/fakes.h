// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "actions/notify/config.h"
#include "actions/notify/dispatcher.h"
#include "core/net/http_client.h"
#include "core/time/simulated_clock.h"
#include "rules/alert/alert_sink.h"

namespace actions::notify::test {

using core::Millis;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Receivers at the other end of the wire. Each request is handed to `respond`, whose answer arrives after `latency`;
// no answer means that it hangs. Strict: a request that is not a POST of JSON with a body fails the test.
class FakeHttp final : public core::net::HttpClient {
 public:
  using Answer = std::optional<core::Result<core::net::Response>>;
  explicit FakeHttp(core::SimulatedClock& clock) : clock_(clock) {}
  ~FakeHttp() override { EXPECT_TRUE(open_.empty()) << "transfers outlive their owner"; }

  core::net::TransferId send(core::net::Request request,
                             std::function<void(core::Result<core::net::Response>)> done) override {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(core::net::find_header(request.headers, "Content-Type"), "application/json");
    EXPECT_FALSE(request.body.empty());
    on_send(request);
    const core::net::TransferId id = ++last_;
    open_.insert(id);
    requests.push_back({clock_.steady_now(), request});
    in_flight_max = std::max(in_flight_max, open_.size());
    clock_.schedule_at(clock_.steady_now() + latency, [this, id, request = std::move(request), done = std::move(done)] {
      if (!open_.contains(id)) return;
      Answer answer = respond(request);
      if (!answer) return;
      open_.erase(id);
      done(std::move(*answer));
    });
    return id;
  }
  void cancel(core::net::TransferId transfer) override { open_.erase(transfer); }

  struct Sent {
    core::SteadyTime at;
    core::net::Request request;
  };
  std::vector<Sent> requests;
  std::size_t in_flight_max = 0;
  std::function<void(const core::net::Request&)> on_send = [](const core::net::Request&) {};
  Millis latency{10};
  std::function<Answer(const core::net::Request&)> respond = [](const core::net::Request&) { return status(200); };

  static Answer status(int code, core::net::Headers headers = {}, std::string body = "") {
    core::net::Response response;
    response.status = code;
    response.headers = std::move(headers);
    response.body = std::move(body);
    return response;
  }
  static Answer refused() { return core::fail(core::Errc::kUnavailable, "connection refused"); }

 private:
  core::SimulatedClock& clock_;
  std::set<core::net::TransferId> open_;
  core::net::TransferId last_ = 0;
};

// Alertmanager's sections from YAML, checked as the agent checks them.
inline core::Result<NotifyConfig> parse_config(const std::string& yaml) {
  auto root = core::config::Node::parse(yaml, "watchkeeper.yml");
  if (!root) return core::fail(root.error());
  NotifyConfig config;
  if (const auto node = root->find("global"); !node.is_null()) {
    auto global = NotifyGlobalConfig::fields().read(node);
    if (!global) return core::fail(global.error());
    config.global = *global;
  }
  if (const auto node = root->find("route"); !node.is_null()) {
    auto route = RouteConfig::fields().read(node);
    if (!route) return core::fail(route.error());
    config.route = *route;
  }
  auto receivers = core::config::Codec<std::vector<ReceiverConfig>>::read(root->find("receivers"));
  if (!receivers) return core::fail(receivers.error());
  auto inhibit = core::config::Codec<std::vector<InhibitRuleConfig>>::read(root->find("inhibit_rules"));
  if (!inhibit) return core::fail(inhibit.error());
  auto intervals = core::config::Codec<std::vector<TimeIntervalConfig>>::read(root->find("time_intervals"));
  if (!intervals) return core::fail(intervals.error());
  config.receivers = *receivers;
  config.inhibit_rules = *inhibit;
  config.time_intervals = *intervals;
  if (auto checked = check_notify(config, *root); !checked) return core::fail(checked.error());
  return config;
}

inline Instant instant(const core::Clock& clock) { return {clock.steady_now(), clock.wall_now()}; }

inline rules::Transition transition(core::ring::Labels labels, rules::AlertState from, rules::AlertState to,
                                    core::WallTime fired_at, core::WallTime at) {
  rules::Transition one;
  one.labels = std::move(labels);
  one.annotations = {{"summary", "something"}};
  one.from = from;
  one.to = to;
  one.at = at;
  one.active_at = fired_at;
  one.fired_at = fired_at;
  one.valid_for = minutes(4);
  if (to == rules::AlertState::kInactive) one.resolved_at = at;
  return one;
}

}  // namespace actions::notify::test
