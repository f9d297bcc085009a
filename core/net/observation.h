// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/net/http_client.h"
#include "core/net/tls_context.h"

namespace core::net {

// Why there is no complete answer, for who must tell the causes apart.
enum class HttpFault {
  kNone,
  kConnect,  // os_error has the number
  kTimeout,
  kTlsVerify,  // tls.fault has the reason
  kTlsHandshake,
  kTlsFile,  // a file of ours cannot be used
  kClosed,   // the server ended the connection too early
  kReset,
  kMalformed,  // what came is not HTTP
  kHeadersTooLarge,
  kBodyTooLarge,
  kRequest,     // the request itself is wrong
  kOverloaded,  // too many requests in flight
  kOther,
};

// A request that carries one has a connection of its own to the given address, is sent as it is told, and whatever its
// end leaves here what was seen until then. Redirects are not followed.
//
// Thread safety: written on the I/O thread until the request's callback, then the caller's.
struct Observation {
  // Asked for.
  std::string dial_address;             // the IP address to connect to
  std::string unix_socket;              // or this
  std::vector<std::string> cookies;     // "Set-Cookie: ..." lines of answers before
  std::size_t keep_body_bytes = 65536;  // of the body; the rest is only counted
  bool ends_at_redirect = true;         // the body of a redirect is not read

  // Seen.
  HttpFault fault = HttpFault::kNone;
  std::string fault_text;
  int os_error = 0;
  int status = 0;  // 0: no answer began
  Headers headers;
  std::string http_version;  // 1.0, 1.1, 2
  std::string body;
  std::uint64_t body_bytes = 0;
  bool redirects = false;  // a redirect with a Location
  Timings timings;         // zero for what was not reached; processing from the ready connection on
  bool connected = false;  // the connection, with its handshake, was ready
  bool first_byte = false;
  TlsSession tls;
};

}  // namespace core::net
