// SPDX-License-Identifier: Apache-2.0
// What libcurl's codes mean to our callers.
#include <openssl/x509_vfy.h>

#include "core/net/curl_transfer.h"
#include "core/net/exchange_errors.h"
#include "core/net/url.h"

namespace core::net {

namespace {

std::string host_of(const std::string& url) {
  const auto parsed = parse_url(url);
  return parsed ? parsed->host : url;
}

}  // namespace

Error CurlTransfer::failure(CURLcode code) const {
  if (stop_ == Stop::kHeaderLimit) return described(Errc::kLimitExceeded, "response headers exceed 1 MiB");
  if (body_.stop() != AnswerBody::Stop::kNone) return body_.error();
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      if (headers_done_) return {Errc::kTimeout, std::string(kDeadlineExceeded)};
      return described(Errc::kTimeout, kDeadlineExceeded);
    case CURLE_COULDNT_RESOLVE_HOST:
      return described(Errc::kUnavailable, fmt::format("dial tcp: lookup {}: no such host", host_of(request_.url)));
    case CURLE_COULDNT_RESOLVE_PROXY:
      return described(Errc::kUnavailable,
                       fmt::format("proxyconnect tcp: lookup {}: no such host", host_of(request_.proxy.url)));
    case CURLE_COULDNT_CONNECT:
      return connect_failure();
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
      return tls_failure(code);
    case CURLE_TOO_MANY_REDIRECTS:
      return described(Errc::kUnavailable, "stopped after 10 redirects");
    case CURLE_URL_MALFORMAT:
      return described(Errc::kInvalid, fmt::format("invalid URL: {}", error_text_));
    default:
      return receive_failure(code);
  }
}

Error CurlTransfer::connect_failure() const {
  long number = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number);
  const std::string reason = number != 0 ? errno_text(number) : std::string(curl_easy_strerror(CURLE_COULDNT_CONNECT));
  return described(Errc::kUnavailable, fmt::format("dial tcp {}: connect: {}", dialled(), reason));
}

Error CurlTransfer::tls_failure(CURLcode code) const {
  const std::string_view text = error_text_;
  if (text.find("wrong version number") != std::string_view::npos) {
    return described(Errc::kUnavailable, "http: server gave HTTP response to HTTPS client");
  }
  if (code == CURLE_SSL_CACERT_BADFILE) {
    // A file that is being replaced may be there, whole, the next time.
    return described(Errc::kUnavailable, fmt::format("unable to use CA file {}: {}", request_.tls.ca_file, text));
  }
  if (code == CURLE_SSL_CERTPROBLEM) {
    return described(Errc::kUnavailable, fmt::format("unable to use client certificate {} with key {}: {}",
                                                     request_.tls.cert_file, request_.tls.key_file, text));
  }
  if (code != CURLE_PEER_FAILED_VERIFICATION) return described(Errc::kUnavailable, fmt::format("tls: {}", text));
  long verdict = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_SSL_VERIFYRESULT, &verdict);
  const std::string& name = request_.tls.server_name;
  std::string reason;
  // libcurl compares the names itself, after OpenSSL's verdict, and says so in words only.
  if (text.find("subject name") != std::string_view::npos) verdict = X509_V_ERR_HOSTNAME_MISMATCH;
  switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
      reason = fmt::format("certificate is not valid for {}", name.empty() ? host_of(request_.url) : name);
      break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      reason = "certificate signed by unknown authority";
      break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      reason = "certificate has expired or is not yet valid";
      break;
    default:
      reason = X509_verify_cert_error_string(verdict);
      break;
  }
  return described(Errc::kUnavailable, "tls: failed to verify certificate: x509: " + reason);
}

Error CurlTransfer::receive_failure(CURLcode code) const {
  const std::string_view text = error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code);
  long number = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number);
  if (headers_done_) {
    if (code == CURLE_PARTIAL_FILE) return {Errc::kUnavailable, "unexpected EOF"};
    if (text.find("chunked") != std::string_view::npos) return {Errc::kUnavailable, "malformed chunked encoding"};
    if (number != 0) return error(Errc::kUnavailable, "read tcp {}: {}", dialled(), errno_text(number));
    return {Errc::kUnavailable, std::string(text)};
  }
  switch (code) {
    case CURLE_GOT_NOTHING:
      return described(Errc::kUnavailable, "EOF");
    case CURLE_PARTIAL_FILE:
      return described(Errc::kUnavailable, "unexpected EOF");
    case CURLE_UNSUPPORTED_PROTOCOL:  // a first line that is not of HTTP looks like HTTP/0.9 to libcurl
    case CURLE_WEIRD_SERVER_REPLY:
      if (response_.status >= 300) return described(Errc::kUnavailable, fmt::format("redirect refused: {}", text));
      return described(Errc::kUnavailable, "malformed HTTP response");
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      if (number != 0) {
        return described(Errc::kUnavailable, fmt::format("{} tcp {}: {}", code == CURLE_RECV_ERROR ? "read" : "write",
                                                         dialled(), errno_text(number)));
      }
      [[fallthrough]];
    default:
      return described(Errc::kUnavailable, text);
  }
}

}  // namespace core::net
