// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace core::net {

// An absolute http or https URL in its parts, each as written (nothing is decoded).
//
// Thread safety: a value.
struct Url {
  std::string scheme;      // lower case: http or https
  std::string userinfo;    // user or user:password, empty if absent
  std::string host;        // lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;  // as given, else the scheme's own
  bool has_port = false;   // given in the text
  std::string path;        // starts with '/', at least "/"
  std::string query;       // without '?'

  // host[:port] as it stands in a Host header: brackets round IPv6, the port only if it was given.
  std::string authority() const;
  std::string to_string() const;

  bool operator==(const Url&) const = default;
};

// Errors are kInvalid and name what was expected. A fragment is dropped: it is never sent.
Result<Url> parse_url(std::string_view text);

// The URL for messages: a password in it becomes ***.
std::string redact_url(std::string_view text);

// Percent encoding of one query key or value as in HTML forms: space is '+', and only A-Z a-z 0-9 - _ . ~ stay bare.
std::string escape_query(std::string_view text);

// Percent encoding of a path; '/' and what RFC 3986 allows in a segment stay bare.
std::string escape_path(std::string_view text);

// k=v&k=v in the order of the keys; values of one key keep the order they came in, as Prometheus writes `params`.
std::string build_query(std::vector<std::pair<std::string, std::string>> parameters);

}  // namespace core::net
