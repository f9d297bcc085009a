// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/verdict.h"

namespace collector::staking {

// The client tells its failures apart by code only as far as most callers need; its words, which are Go's, say more.
Reason reason_of(const core::Error& error) {
  const std::string_view text = error.message;
  const auto says = [text](std::string_view words) { return text.find(words) != std::string_view::npos; };
  switch (error.code) {
    case core::Errc::kTimeout:
      return Reason::kTimeout;
    case core::Errc::kLimitExceeded:
      return says("body size limit") || says("headers exceed") ? Reason::kBodyTooLarge : Reason::kOverloaded;
    case core::Errc::kUnavailable:
      break;
    default:
      return says("file") ? Reason::kLocalFile : Reason::kOther;
  }
  if (says("no such host")) return Reason::kNoAddress;
  if (says("connection refused")) return Reason::kRefused;
  if (says("connect: ")) return Reason::kUnreachable;
  if (says("tls: ") || says("HTTP response to HTTPS client")) return Reason::kTls;
  if (says("unable to read") || says("cannot open") || says("token file")) return Reason::kLocalFile;
  if (says("malformed") || says("gzip")) return Reason::kNotJson;
  return Reason::kClosed;
}

Reason reason_of_status(int status) {
  if (status == 401 || status == 403) return Reason::kUnauthorized;
  if (status == 404 || status == 405 || status == 501) return Reason::kNotOffered;
  if (status >= 300 && status < 400) return Reason::kRedirected;
  return status >= 500 ? Reason::kServerError : Reason::kHttpStatus;
}

}  // namespace collector::staking
