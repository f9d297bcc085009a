// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "collector/probe/attempt.h"
#include "core/net/http_client.h"
#include "core/net/observation.h"

namespace collector::probe {

// One request with its whole answer of at most `body_bytes_max`, whatever its status; a failure if there is none.
// Redirects are not followed. It goes to an IP address or to a socket's path, whatever the URL's host is.
core::Task<Outcome<core::net::Observation>> ask_once(Attempt& attempt, core::net::Request request,
                                                     std::string dial_address, std::string unix_socket,
                                                     std::size_t body_bytes_max);

}  // namespace collector::probe
