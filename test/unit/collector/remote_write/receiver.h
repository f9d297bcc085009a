// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/net/http_client.h"
#include "core/time/simulated_clock.h"
#include "test/support/write_request_reader.h"

namespace collector::remote_write::test {

// The receiver at the other end of the wire. `respond` answers each request after `latency`, no answer means that it
// hangs; what is answered with 2xx is kept. Strict: a request that breaks the protocol fails the test, as does one of a
// series whose sample is not newer than what was kept, unless `repeats` allows it.
class Receiver final : public core::net::HttpClient {
 public:
  using Answer = std::optional<core::Result<core::net::Response>>;
  explicit Receiver(core::SimulatedClock& clock) : clock_(clock) {}

  core::net::TransferId send(core::net::Request request,
                             std::function<void(core::Result<core::net::Response>)> done) override {
    const core::net::TransferId id = ++last_;
    open_.insert(id);
    in_flight_max = std::max(in_flight_max, open_.size());
    const auto read = check(request);
    requests.push_back({clock_.steady_now(), request, read});
    clock_.schedule_at(clock_.steady_now() + latency, [this, id, read, request = std::move(request), done] {
      if (!open_.contains(id)) return;
      Answer answer = respond(request);
      if (!answer) return;
      open_.erase(id);
      if (answer->has_value() && (*answer)->status / 100 == 2) keep(read);
      done(std::move(*answer));
    });
    return id;
  }
  void cancel(core::net::TransferId transfer) override { open_.erase(transfer); }

  struct Seen {
    core::SteadyTime at;
    core::net::Request request;
    test_support::ReceivedRequest read;
  };
  using Kept = std::vector<std::pair<std::int64_t, std::uint64_t>>;  // time, bits
  std::vector<Seen> requests;
  std::map<std::string, Kept> kept;
  std::size_t in_flight_max = 0;
  bool repeats = false;
  core::Millis latency{10};
  std::function<Answer(const core::net::Request&)> respond = [](const core::net::Request&) { return status(200); };

  static Answer status(int code, core::net::Headers headers = {}, std::string body = "") {
    core::net::Response response;
    response.status = code;
    response.headers = std::move(headers);
    response.body = std::move(body);
    return response;
  }
  static Answer refused() { return core::fail(core::Errc::kUnavailable, "connection refused"); }
  std::uint64_t samples() const {
    std::uint64_t count = 0;
    for (const auto& [series, samples] : kept) count += samples.size();
    return count;
  }

 private:
  static test_support::ReceivedRequest check(const core::net::Request& request) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(core::net::find_header(request.headers, "Content-Type"), "application/x-protobuf");
    EXPECT_EQ(core::net::find_header(request.headers, "Content-Encoding"), "snappy");
    EXPECT_EQ(core::net::find_header(request.headers, "X-Prometheus-Remote-Write-Version"), "0.1.0");
    auto read = test_support::read_write_request(request.body);
    EXPECT_TRUE(read) << "not a write request";
    return read.value_or(test_support::ReceivedRequest());
  }

  void keep(const test_support::ReceivedRequest& read) {
    for (const auto& sample : read.samples) {
      Kept& series = kept[test_support::text_of(sample.labels)];
      if (!series.empty() && sample.time_ms <= series.back().first) {
        EXPECT_TRUE(repeats) << test_support::text_of(sample.labels) << " at " << sample.time_ms << " again";
        const std::pair again(sample.time_ms, sample.bits);
        EXPECT_NE(std::ranges::find(series, again), series.end()) << "an old sample that was never sent, or another";
        continue;
      }
      series.emplace_back(sample.time_ms, sample.bits);
    }
  }

  core::SimulatedClock& clock_;
  std::set<core::net::TransferId> open_;
  core::net::TransferId last_ = 0;
};

}  // namespace collector::remote_write::test
