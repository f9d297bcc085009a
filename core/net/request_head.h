// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/net/http_client.h"
#include "core/net/url.h"

namespace core::net {

// What is wrong with a request's method or headers: kInvalid.
Result<void> check_request(const Request& request);

// The value of Accept-Encoding for what the request would unpack; "" for nothing.
std::string accept_encoding(const Request& request);

// The head of an HTTP/1.1 request up to and with its blank line, to a host that is asked without a proxy. Files of its
// credentials are read now. REQUIRES: check_request() has passed; no signature is asked for.
Result<std::string> request_head(const Request& request, const Url& url, const std::string& user_agent);

}  // namespace core::net
