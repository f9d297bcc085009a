// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/http_client.h"
#include "core/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace core::net {

// What is worth saying about a certificate.
struct Certificate {
  std::string subject;  // RFC 2253: the last part first
  std::string issuer;
  std::string serial;              // lower hex, whole bytes
  std::string fingerprint_sha256;  // lower hex, of the DER
  std::vector<std::string> dns_names;
  std::int64_t not_before = 0;  // Unix seconds
  std::int64_t not_after = 0;
};

// Why a chain was not accepted.
enum class TlsFault { kNone, kExpired, kNotYetValid, kWrongName, kSelfSigned, kUnknownAuthority, kOther };

// A handshake as its client saw it.
struct TlsSession {
  bool established = false;
  std::string version;                          // TLS 1.3
  std::string cipher;                           // by its IANA name
  std::vector<Certificate> presented;           // the leaf first; also of a handshake that failed, if it came that far
  std::optional<std::int64_t> verified_expiry;  // the earliest end in the chain that was verified; none if none was
  TlsFault fault = TlsFault::kNone;
  std::string fault_text;
};

// Certificates of a chain that are described; more are longer than any real one.
inline constexpr std::size_t kPresentedMax = 16;

// The one place where TLS of a client is set up: versions, trusted authorities, client certificate, and that the chain
// is checked and names `peer_name` (a host name or an IP address) in its subject alternative names - a common name does
// not count. Files are looked at anew each time; a store of authorities that did not change is shared. `watched`, if
// any, outlives the context's sessions and is filled in while they begin. kFailed: a file cannot be used.
//
// Thread safety: any thread; a context of its own.
Result<void> configure_tls(ssl_ctx_st& context, const TlsOptions& options, const std::string& peer_name,
                           TlsSession* watched);

// The words of OpenSSL's oldest queued error, which is the cause of those after it; empties the queue.
std::string tls_error_text();

// A client's context, for those who speak TLS themselves.
struct TlsContextFree {
  void operator()(ssl_ctx_st* context) const;
};
using TlsContext = std::unique_ptr<ssl_ctx_st, TlsContextFree>;
TlsContext make_client_tls_context();

}  // namespace core::net
