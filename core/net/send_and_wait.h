// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "core/net/http_client.h"
#include "core/result.h"

namespace core::net {

// Sends a request and waits for its answer, for no longer than the request's timeout. kCancelled after a stop request;
// else the client's own errors. Any thread but the loop's, which would wait for itself.
Result<Response> send_and_wait(HttpClient& client, Request request, const std::stop_token& stop);

}  // namespace core::net
