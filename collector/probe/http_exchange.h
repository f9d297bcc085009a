// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "core/net/http_client.h"
#include "core/net/observation.h"

namespace collector::probe {

// The wait for one observed request's end; what was seen is in its observation. Destroying it takes the request back.
//
// Thread safety: confined to the loop's thread.
class HttpExchange {
 public:
  // REQUIRES: the request carries an observation.
  HttpExchange(core::net::HttpClient& client, core::net::Request request)
      : client_(client), request_(std::move(request)), observation_(request_.observation) {}
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;
  ~HttpExchange() {
    if (transfer_ != 0) client_.cancel(transfer_);
  }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    transfer_ = client_.send(std::move(request_), [this, waiting](core::Result<core::net::Response> result) {
      transfer_ = 0;
      if (!result) refuse(result.error());
      waiting.resume();
    });
  }
  const core::net::Observation& await_resume() const noexcept { return *observation_; }

 private:
  // A request that was not even begun leaves nothing in the observation.
  void refuse(const core::Error& error) {
    if (observation_->fault != core::net::HttpFault::kNone || observation_->status != 0) return;
    observation_->fault_text = error.message;
    switch (error.code) {
      case core::Errc::kTimeout:
        observation_->fault = core::net::HttpFault::kTimeout;
        break;
      case core::Errc::kLimitExceeded:
        observation_->fault = core::net::HttpFault::kOverloaded;
        break;
      case core::Errc::kFailed:
        observation_->fault = core::net::HttpFault::kTlsFile;
        break;
      default:
        observation_->fault = core::net::HttpFault::kRequest;
        break;
    }
  }

  core::net::HttpClient& client_;
  core::net::Request request_;
  std::shared_ptr<core::net::Observation> observation_;
  core::net::TransferId transfer_ = 0;
};

}  // namespace collector::probe
