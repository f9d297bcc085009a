// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "collector/probe/attempt.h"
#include "core/net/http_client.h"
#include "core/net/observation.h"

namespace collector::probe::grpc {

// The request of a unary call without TLS until the attempt's deadline; `body` is a message in its frame.
core::net::Request call_request(const Attempt& attempt, std::string url, std::string body);

// How the call ended by what was answered: grpc-status, or what stands for it.
int call_status(const core::net::Observation& seen);
// What the server says to it.
std::string call_message(const core::net::Observation& seen);

// A unary call over a Unix socket: the answer's message, of at most `bytes_max`. `method` is PACKAGE.SERVICE/METHOD.
// A call that did not end with OK is kGrpcStatus.
core::Task<Outcome<std::string>> call_over_socket(Attempt& attempt, std::string socket, std::string method,
                                                  std::string message, std::size_t bytes_max);

}  // namespace collector::probe::grpc
