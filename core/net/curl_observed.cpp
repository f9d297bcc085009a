// SPDX-License-Identifier: Apache-2.0
// Requests of those who measure: how they are sent, and what is left of them whatever their end.
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>

#include "core/net/curl_transfer.h"
#include "core/net/observation.h"
#include "core/net/url.h"

namespace core::net {
namespace {

std::string version_text(long version) {
  switch (version) {
    case CURL_HTTP_VERSION_1_0:
      return "1.0";
    case CURL_HTTP_VERSION_1_1:
      return "1.1";
    case CURL_HTTP_VERSION_2_0:
      return "2";
    default:
      return "";
  }
}

HttpFault receive_fault(int os_error, std::string_view text) {
  const bool reset =
      os_error == ECONNRESET || os_error == EPIPE || text.find("reset by peer") != std::string_view::npos;
  return reset ? HttpFault::kReset : HttpFault::kClosed;
}

HttpFault fault_of(CURLcode code, int os_error, std::string_view text) {
  switch (code) {
    case CURLE_OK:
      return HttpFault::kNone;
    case CURLE_OPERATION_TIMEDOUT:
      return HttpFault::kTimeout;
    case CURLE_COULDNT_CONNECT:
      return HttpFault::kConnect;
    case CURLE_PEER_FAILED_VERIFICATION:
      return HttpFault::kTlsVerify;
    case CURLE_SSL_CONNECT_ERROR:
      return HttpFault::kTlsHandshake;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2_STREAM:
      return receive_fault(os_error, text);
    case CURLE_UNSUPPORTED_PROTOCOL:  // a first line that is not of HTTP looks like HTTP/0.9 to libcurl
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_BAD_CONTENT_ENCODING:
      return HttpFault::kMalformed;
    case CURLE_URL_MALFORMAT:
      return HttpFault::kRequest;
    default:
      return HttpFault::kOther;
  }
}

Duration microseconds(CURL* easy, CURLINFO info) {
  curl_off_t value = 0;
  curl_easy_getinfo(easy, info, &value);
  return std::chrono::microseconds(value);
}

}  // namespace

CURLcode CurlTransfer::on_tls_context(CURL*, void* context, void* self) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  Observation& seen = *transfer.request_.observation;
  const auto done =
      configure_tls(*static_cast<SSL_CTX*>(context), transfer.request_.tls, transfer.verified_name_, &seen.tls);
  if (done) return CURLE_OK;
  seen.fault = HttpFault::kTlsFile;
  seen.fault_text = done.error().message;
  return CURLE_SSL_CERTPROBLEM;
}

void CurlTransfer::prepare_observed(const Url& url) {
  const Observation& seen = *request_.observation;
  CURL* easy = easy_.get();
  set_long(CURLOPT_FRESH_CONNECT, 1);
  set_long(CURLOPT_FORBID_REUSE, 1);
  set_long(CURLOPT_PATH_AS_IS, 1);
  if (request_.headers.end() == std::ranges::find(request_.headers, std::string("Host"), &Headers::value_type::first)) {
    request_.headers.emplace_back("Host", url.authority());
  }
  Url shown = url;
  if (!request_.tls.server_name.empty() && url.scheme == "https") shown.host = request_.tls.server_name;
  verified_name_ = shown.host;
  if (!seen.unix_socket.empty()) {
    set_text(CURLOPT_UNIX_SOCKET_PATH, seen.unix_socket);
  } else if (!seen.dial_address.empty()) {
    const bool v6 = seen.dial_address.find(':') != std::string::npos;
    const std::string dial = v6 ? fmt::format("::[{}]:{}", seen.dial_address, url.port)
                                : fmt::format("::{}:{}", seen.dial_address, url.port);
    connect_to_.reset(curl_slist_append(nullptr, dial.c_str()));
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to_.get());
  }
  set_text(CURLOPT_URL, shown.to_string());
  if (!seen.cookies.empty()) {
    set_text(CURLOPT_COOKIEFILE, "");
    for (const std::string& line : seen.cookies) set_text(CURLOPT_COOKIELIST, line);
  }
  if (url.scheme != "https") return;
  set_long(CURLOPT_SSL_SESSIONID_CACHE, 0);
  // Everything about trust is configure_tls()'s; libcurl is kept from reading the system's authorities beside it.
  set_long(CURLOPT_SSL_VERIFYPEER, request_.tls.insecure_skip_verify ? 0 : 1);
  set_long(CURLOPT_SSL_VERIFYHOST, 0);
  curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  // libcurl would take the context's store for its own, and give it to the next connection in place of that one's.
  set_long(CURLOPT_CA_CACHE_TIMEOUT, 0);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, &CurlTransfer::on_tls_context);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, this);
}

// A redirect is all that was wanted of an answer.
bool CurlTransfer::ends_at_redirect() {
  if (request_.observation == nullptr || response_.status < 300 || response_.status > 399) return false;
  Observation& seen = *request_.observation;
  const int status = response_.status;
  const bool followed = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  seen.redirects = followed && !find_header(response_.headers, "Location").empty();
  return seen.redirects && seen.ends_at_redirect;
}

void CurlTransfer::observe(CURLcode code) {
  Observation& seen = *request_.observation;
  CURL* easy = easy_.get();
  seen.status = response_.status;
  seen.headers = std::move(response_.headers);
  long version = 0;
  curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
  if (seen.status != 0) seen.http_version = version_text(version);

  const Duration connected = microseconds(easy, CURLINFO_CONNECT_TIME_T);
  const Duration secured = microseconds(easy, CURLINFO_APPCONNECT_TIME_T);
  const Duration first_byte = microseconds(easy, CURLINFO_STARTTRANSFER_TIME_T);
  const bool https = request_.url.starts_with("https");
  const Duration ready = https ? secured : connected;
  seen.timings.total = microseconds(easy, CURLINFO_TOTAL_TIME_T);
  seen.connected = ready > Duration::zero();
  seen.first_byte = seen.status != 0;
  const auto between = [](Duration from, Duration to) { return std::max(to - from, Duration::zero()); };
  if (seen.connected) {
    seen.timings.connect = between(microseconds(easy, CURLINFO_NAMELOOKUP_TIME_T), connected);
    if (https) seen.timings.tls = between(connected, secured);
  }
  if (seen.first_byte) {
    seen.timings.processing = between(ready, first_byte);
    seen.timings.transfer = between(first_byte, seen.timings.total);
  }

  if (seen.fault != HttpFault::kNone || stop_ == Stop::kRedirect || code == CURLE_OK) return;
  long number = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
  seen.os_error = open_error_ != 0 ? open_error_ : static_cast<int>(number);
  seen.fault_text = error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code);
  if (body_.stop() == AnswerBody::Stop::kBodyLimit) {
    seen.fault = HttpFault::kBodyTooLarge;
  } else if (stop_ == Stop::kHeaderLimit) {
    seen.fault = HttpFault::kHeadersTooLarge;
  } else if (https && !seen.tls.established && seen.tls.fault != TlsFault::kNone) {
    seen.fault = HttpFault::kTlsVerify;
  } else {
    seen.fault = fault_of(code, seen.os_error, seen.fault_text);
  }
}

}  // namespace core::net
