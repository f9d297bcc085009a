// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/net/http_client.h"

namespace core::net {

struct Url;

class CurlClient;

// Where a connection goes to: an address, or a name that has to be looked up for it.
struct Endpoint {
  sockaddr_storage address{};  // zeroed past the family's own part
  socklen_t size = 0;          // 0: a name
  std::string name;
  std::uint16_t port = 0;
  bool operator==(const Endpoint& other) const;
  std::uint64_t key() const;  // the same for the same endpoint
};

// Requests without TLS and proxy: most scrapes and probes. Each costs the loop few calls and few
// bytes that are touched, which is what such a request costs at all (docs/adr/0007).
//
// Thread safety: confined to the loop's thread; endpoint_of() any thread. Callbacks are never called inside start().
class PlainClient {
 public:
  using Done = std::function<void(Result<Response>)>;
  // Takes over a request whose answer is a redirect that is to be followed.
  using Redirected = std::function<void(TransferId, Request, Done)>;

  virtual ~PlainClient() = default;

  // None if the request needs more than this client knows.
  static std::optional<Endpoint> endpoint_of(const Request& request, const Url& url);

  // REQUIRES: endpoint_of() has given `endpoint` for both.
  virtual void start(TransferId id, Request request, const Url& url, const Endpoint& endpoint, Done done) = 0;
  // Its callback will not run any more. Ids that it does not know are none of its.
  virtual void drop(TransferId id) = 0;
  virtual std::size_t active() const = 0;
  // Drops everything.
  virtual void close() = 0;
};

// Connections to names are made by `curl`, which outlives the client; an id there is that of the request.
std::shared_ptr<PlainClient> make_plain_client(IoLoop& loop, const Clock& clock, const HttpClientOptions& options,
                                               CurlClient& curl, PlainClient::Redirected redirected);

}  // namespace core::net
