// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "agent/api/router.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace agent {

// HOST:PORT; an IPv6 host in brackets. Port 0 takes a free one.
struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 9780;
  std::string to_string() const;
  bool operator==(const ListenAddress&) const = default;
};

core::Result<ListenAddress> parse_listen_address(std::string_view text);

struct HttpServerOptions {
  std::size_t threads = 32;          // requests at once
  std::size_t threads_max = 96;      // while all of them wait, for the end of a probe for instance; more requests wait
  std::size_t waiting = 64;          // accepted connections that wait for a thread; more wait in the kernel's queue
  std::size_t body_limit = 4 << 20;  // bytes of a request body: more is 413
  core::Duration io_timeout = std::chrono::seconds(10);
  core::Duration keep_alive = std::chrono::seconds(2);  // an idle connection holds a thread this long
};

// How often each endpoint answered with each status, and how long that took together.
struct RequestCount {
  std::uint64_t requests = 0;
  core::Duration took{0};
};
using RequestCounts = std::map<std::pair<std::string, int>, RequestCount>;

// Serves a router over HTTP/1.1 (cpp-httplib) on threads of its own.
//
// A request says when its client has hung up (HangupWatch), so that its query can end.
//
// Thread safety: any thread; stop() and destruction from one.
class HttpServer {
 public:
  // Takes the address; connections wait until serve(). kUnavailable if it cannot be had.
  static core::Result<std::unique_ptr<HttpServer>> bind(const ListenAddress& address, const core::Clock& clock,
                                                        HttpServerOptions options = {});
  ~HttpServer();

  // Answers from now on until stop(). REQUIRES: once. The router outlives the server.
  void serve(const Router& router);

  // With the port that was really taken.
  const ListenAddress& address() const;
  RequestCounts counts() const;
  // Answers what was begun, then ends. Idempotent.
  void stop();

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace agent
