// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "core/net/http_client.h"

namespace core::net {

// Requests of every kind, by libcurl's multi socket interface on the loop. Nothing blocks, name resolution included.
//
// Thread safety: confined to the loop's thread. Callbacks are never called inside start().
class CurlClient {
 public:
  virtual ~CurlClient() = default;
  virtual void start(TransferId id, Request request, std::function<void(Result<Response>)> done) = 0;
  // Its callback will not run any more. Ids that it does not know are none of its.
  virtual void drop(TransferId id) = 0;
  virtual std::size_t active() const = 0;
  // Drops everything.
  virtual void close() = 0;
};

std::shared_ptr<CurlClient> make_curl_client(IoLoop& loop, const Clock& clock, const HttpClientOptions& options);

}  // namespace core::net
