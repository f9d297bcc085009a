// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agent {

// The parameters of a request: those of a form body first, then those of the query string, so that the body's value
// wins where a name stands in both.
//
// Thread safety: a value.
class Parameters {
 public:
  Parameters() = default;
  // `query` and `body` as sent: k=v&k=v, percent-encoded, '+' for space. A broken escape stays as it is.
  Parameters(std::string_view query, std::string_view body);

  bool has(std::string_view name) const;
  // The first value; "" if absent.
  std::string_view get(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

// Percent-decodes a path segment; '+' is a plus here.
std::string decode_path(std::string_view text);

// A request as an endpoint sees it, free of the HTTP library.
//
// Thread safety: a value.
struct ApiRequest {
  std::string method;  // GET, HEAD, POST, PUT, DELETE, OPTIONS
  std::string path;    // still percent-encoded, without the query string
  Parameters parameters;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool from_loopback = false;  // the connection's other end is this host
  std::stop_token hung_up;     // stopped once the client has closed the connection

  // "" if absent; names compare case-insensitively.
  std::string_view header(std::string_view name) const;
};

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

ApiResponse plain_text(int status, std::string body);

}  // namespace agent
