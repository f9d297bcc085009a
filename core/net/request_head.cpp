// SPDX-License-Identifier: Apache-2.0
#include "core/net/request_head.h"

#include <openssl/evp.h>

#include <algorithm>
#include <string_view>

#include "core/net/credentials.h"
#include "core/net/exchange_errors.h"
#include "core/net/header_text.h"

namespace core::net {
namespace {

std::string base64(std::string_view text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

bool has_header(const Headers& headers, std::string_view wanted) {
  return std::ranges::any_of(headers, [wanted](const auto& each) { return equals_ignoring_case(each.first, wanted); });
}

}  // namespace

Result<void> check_request(const Request& request) {
  if (!is_token(request.method)) return fail(Errc::kInvalid, "invalid HTTP method \"{}\"", request.method);
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return fail(Errc::kInvalid, "invalid header name \"{}\"", name);
    if (breaks_line(value)) return fail(Errc::kInvalid, "header {} has a line break in its value", name);
  }
  return {};
}

std::string accept_encoding(const Request& request) {
  if (request.accept_gzip && request.accept_zstd) return "zstd, gzip";
  if (request.accept_gzip) return "gzip";
  return request.accept_zstd ? "zstd" : "";
}

Result<std::string> request_head(const Request& request, const Url& url, const std::string& user_agent) {
  auto credentials = resolve_credentials(request.credentials);
  if (!credentials) return fail(request_error(request, credentials.error().code, credentials.error().message));

  std::string head;
  head.reserve(512);
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(value.empty() ? ":" : ": ").append(value).append("\r\n");
  };
  head.append(request.method).append(" ").append(url.path);
  if (!url.query.empty()) head.append("?").append(url.query);
  head += " HTTP/1.1\r\n";

  const auto host =
      std::ranges::find_if(request.headers, [](const auto& each) { return equals_ignoring_case(each.first, "Host"); });
  add("Host", host == request.headers.end() ? url.authority() : host->second);
  if (!credentials->authorization.empty()) {
    add("Authorization", credentials->authorization);
  } else if (credentials->basic && !has_header(request.headers, "Authorization")) {
    add("Authorization", "Basic " + base64(credentials->username + ":" + credentials->password));
  }
  const bool observed = request.observation != nullptr;
  if (!has_header(request.headers, "User-Agent")) add("User-Agent", user_agent);
  if (!observed && !has_header(request.headers, "Accept")) add("Accept", "*/*");
  if (const std::string coding = accept_encoding(request);
      !coding.empty() && !has_header(request.headers, "Accept-Encoding")) {
    add("Accept-Encoding", coding);
  }
  for (const auto& [name, value] : request.headers) {
    if (!equals_ignoring_case(name, "Host")) add(name, trimmed(value));
  }
  if (observed && !has_header(request.headers, "Connection")) add("Connection", "close");
  // Of these methods servers expect a length, even of nothing (RFC 9110, section 8.6).
  const std::string& method = request.method;
  const bool expects_length = method == "POST" || method == "PUT" || method == "PATCH";
  if (method != "HEAD" && (expects_length || !request.body.empty())) {
    add("Content-Length", std::to_string(request.body.size()));
  }
  head += "\r\n";
  return head;
}

}  // namespace core::net
