// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/plain_request.h"

#include "collector/probe/http_exchange.h"
#include "collector/probe/http_probe.h"

namespace collector::probe {

core::Task<Outcome<core::net::Observation>> ask_once(Attempt& attempt, core::net::Request request,
                                                     std::string dial_address, std::string unix_socket,
                                                     std::size_t body_bytes_max) {
  auto observation = std::make_shared<core::net::Observation>();
  observation->dial_address = std::move(dial_address);
  observation->unix_socket = std::move(unix_socket);
  observation->keep_body_bytes = body_bytes_max;
  request.timeout = attempt.left();
  request.accept_gzip = false;
  request.follow_redirects = false;
  request.body_limit = body_bytes_max;
  request.observation = observation;
  attempt.trace("{} {}", request.method, request.url);
  HttpExchange sent(attempt.services.http, std::move(request));
  co_await sent;
  if (observation->fault != core::net::HttpFault::kNone) {
    co_return failed(failure_of(*observation, observation->dial_address));
  }
  attempt.trace("status {}", observation->status);
  co_return std::move(*observation);
}

}  // namespace collector::probe
