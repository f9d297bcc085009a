// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/net/http_client.h"

struct sockaddr_storage;

namespace core::net {

// How an exchange failed, for people. The words are those of Go's HTTP client, which Prometheus shows in `lastError`:
// people and dashboards match on them.

inline constexpr std::string_view kDeadlineExceeded = "context deadline exceeded";

// `Get "URL": ` before the reason; the URL without its password.
Error request_error(const Request& request, Errc code, std::string_view reason);

// The system's words for its error number, in lower case.
std::string errno_text(long number);

// ip:port, an IPv6 address in brackets; "" for what is neither IPv4 nor IPv6.
std::string address_text(const sockaddr_storage& address);

}  // namespace core::net
