// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/net/http_client.h"

namespace core::net {

// A connection that was made for somebody else to use.
//
// Thread safety: confined to one thread at a time.
struct Dialled {
  Dialled() = default;
  Dialled(Dialled&& other) noexcept
      : socket(std::exchange(other.socket, -1)), peer(std::move(other.peer)), resolve(other.resolve) {}
  Dialled& operator=(Dialled&&) = delete;
  ~Dialled();

  int socket = -1;   // connected and non-blocking; who takes it puts -1 here
  std::string peer;  // ip:port
  Duration resolve{};
};

// Requests of every kind, by libcurl's multi socket interface on the loop. Nothing blocks, name resolution included.
//
// Thread safety: confined to the loop's thread. Callbacks are never called inside start().
class CurlClient {
 public:
  virtual ~CurlClient() = default;
  virtual void start(TransferId id, Request request, std::function<void(Result<Response>)> done) = 0;
  // Looks up the host of an http URL and connects to one of its addresses, as start() does; nothing is sent. Of the
  // request the method and the URL are for the words of errors.
  virtual void dial(TransferId id, Request request, std::function<void(Result<Dialled>)> done) = 0;
  // Its callback will not run any more. Ids that it does not know are none of its.
  virtual void drop(TransferId id) = 0;
  virtual std::size_t active() const = 0;
  // Drops everything.
  virtual void close() = 0;
};

std::shared_ptr<CurlClient> make_curl_client(IoLoop& loop, const Clock& clock, const HttpClientOptions& options);

}  // namespace core::net
