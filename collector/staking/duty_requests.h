// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "collector/staking/json.h"
#include "collector/staking/staking_config.h"
#include "core/net/http_client.h"
#include "core/time/clock.h"
#include "core/time/scheduler.h"

namespace collector::staking {

// A request that a coroutine waits for. Ends with it.
//
// Thread safety: confined to the scheduler's thread.
class HttpExchange {
 public:
  HttpExchange(core::net::HttpClient& http, core::net::Request request) : http_(http), request_(std::move(request)) {}
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;
  ~HttpExchange() {
    if (transfer_ != 0) http_.cancel(transfer_);
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    transfer_ = http_.send(std::move(request_), [this](core::Result<core::net::Response> response) {
      transfer_ = 0;
      response_.emplace(std::move(response));
      waiting_.resume();
    });
  }
  core::Result<core::net::Response> await_resume() { return std::move(*response_); }

  // Ends the request as if it had come to this. REQUIRES: it is awaited; not called from its on_body.
  void abandon(core::Error error) {
    http_.cancel(std::exchange(transfer_, 0));
    response_.emplace(core::fail(std::move(error)));
    waiting_.resume();
  }

 private:
  core::net::HttpClient& http_;
  core::net::Request request_;
  core::net::TransferId transfer_ = 0;
  std::coroutine_handle<> waiting_;
  std::optional<core::Result<core::net::Response>> response_;
};

// A time that a coroutine waits. None at all lets others have their turn, in the midst of long work.
//
// Thread safety: confined to the scheduler's thread.
class Pause {
 public:
  Pause(core::Scheduler& scheduler, const core::Clock& clock, core::Duration wait = core::Duration::zero())
      : scheduler_(scheduler), clock_(clock), wait_(wait) {}
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;
  ~Pause() {
    if (timer_ != 0) scheduler_.cancel(timer_);
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    timer_ = scheduler_.schedule_after(clock_, wait_, [this, waiting] {
      timer_ = 0;
      waiting.resume();
    });
  }
  void await_resume() const noexcept {}

 private:
  core::Scheduler& scheduler_;
  const core::Clock& clock_;
  const core::Duration wait_;
  core::TimerId timer_ = 0;
};

// How long an answer may take that is there at once: a head and the like.
inline constexpr core::Duration kShortAnswer = std::chrono::seconds(2);

// A question to a beacon node, as its configuration authorises it.
core::net::Request get_request(const BeaconNodeConfig& node, const std::string& path, core::Duration timeout);

// The JSON of an answer with status 200, or the name of the reason why there is none.
tl::expected<Json, std::string> json_of(const core::Result<core::net::Response>& response);

// ["a","b"]: numbers and keys, which need no escapes.
std::string json_list(const std::vector<std::string>& items);

}  // namespace collector::staking
