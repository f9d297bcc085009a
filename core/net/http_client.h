// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/net/decompressor.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace core {
class ByteBudget;
class ByteHold;
}  // namespace core

namespace core::net {

class IoLoop;

using Headers = std::vector<std::pair<std::string, std::string>>;  // names compare case-insensitively

// "" if absent; the first if repeated.
std::string_view find_header(const Headers& headers, std::string_view name);

enum class TlsVersion { kTls12, kTls13 };

// How a connection is secured. TLS 1.2 is the least that is ever spoken.
struct TlsOptions {
  std::string ca_file;    // PEM; empty: the system's trust store
  std::string cert_file;  // client certificate, PEM
  std::string key_file;   // its key
  std::string ca;         // the same as texts, instead of files
  std::string cert;
  std::string key;
  TlsVersion least = TlsVersion::kTls12;
  TlsVersion most = TlsVersion::kTls13;
  std::string server_name;  // verified instead of the URL's host; empty: the URL's host
  bool insecure_skip_verify = false;
  bool operator==(const TlsOptions&) const = default;
};

// What proves who we are. The file forms are read again for every request, so that a rotated secret is used at once.
struct Credentials {
  std::string username;         // basic
  std::string password;         // basic
  std::string password_file;    // basic, instead of password
  std::string type = "Bearer";  // authorization scheme for token
  std::string token;
  std::string token_file;  // instead of token
  bool operator==(const Credentials&) const = default;
};

// A proxy for the request; without a URL the host is asked itself.
struct ProxyOptions {
  std::string url;       // http or https, with user and password where the proxy wants them
  std::string no_proxy;  // hosts, domains and networks that are asked directly, separated by commas; * is all
  bool operator==(const ProxyOptions&) const = default;
};

// Signs the request with AWS Signature Version 4, by the machine's wall clock, instead of the credentials. Every header
// is signed; a query in the URL must already be in canonical form.
struct AwsSignature {
  std::string region;
  std::string service;
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // of temporary credentials
  bool operator==(const AwsSignature&) const = default;
};

struct Observation;

// Bytes of each body that count against no budget: nearly all bodies are no larger.
inline constexpr std::uint64_t kBodyBytesFree = 1 << 20;

struct Request {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;
  Duration timeout = std::chrono::seconds(10);  // connect, TLS, redirects and the whole body
  std::uint64_t body_limit = 64 << 20;          // bytes after decompression; more is kLimitExceeded
  bool accept_gzip = true;                      // sends Accept-Encoding: gzip and inflates the answer
  bool accept_zstd = false;                     // the same of zstd, which is then asked for first
  // False: a packed body stays as it came, Response::coding names how, and body_limit bounds what came. For who would
  // rather unpack it on another thread.
  bool unpack = true;
  // Past body_limit no more is read, and that is no error.
  bool cut_body = false;
  // Of an answer with another status than 200 the status is all there is: its body is not kept, and however the
  // transfer ends then, it is no error.
  bool only_ok_body = false;
  // A kept connection may be closed by the server while it is asked, and nobody can tell then whether it acted: the
  // request is sent again over a new one (RFC 9112, section 9.3.1). That is for GET, HEAD, and what this says does no
  // harm if it is done twice; anything else has a connection of its own, and is sent once.
  bool repeatable = false;
  bool may_be_repeated() const { return repeatable || method == "GET" || method == "HEAD"; }
  bool follow_redirects = false;   // at most 10; credentials go to the first host only
  bool http2 = true;               // where TLS negotiates it
  bool http2_without_tls = false;  // 2 from the first byte, for a server that is known to speak it
  TlsOptions tls;
  Credentials credentials;
  ProxyOptions proxy;
  std::optional<AwsSignature> aws_signature;
  // Takes the body of an answer with status 200 piece by piece, on the loop's thread, instead of Response::body; then
  // body_limit says nothing and gzip is not asked for. Must not call the client. False ends the transfer: kCancelled.
  std::function<bool(std::string_view)> on_body;
  // Becomes the answer's body, whatever it holds: who asks again and again need not have memory found each time. One
  // that is as long as the body need not even be cleared.
  std::string buffer;
  // A body that is larger than kBodyBytesFree is held against this; where there is no room left it is kLimitExceeded.
  std::shared_ptr<ByteBudget> budget;
  // For who measures a connection rather than wants an answer; core/net/observation.h. None for everybody else.
  std::shared_ptr<Observation> observation;
};

// How long each phase took, for probes; a phase that did not happen is zero.
struct Timings {
  Duration resolve{};
  Duration connect{};
  Duration tls{};
  Duration processing{};  // request sent until the first byte of the answer
  Duration transfer{};
  Duration total{};
};

struct Response {
  int status = 0;
  std::string reason;  // as received, may be empty
  Headers headers;
  std::string body;
  Coding coding = Coding::kIdentity;     // of the body as it is here
  std::uint64_t wire_bytes = 0;          // body as it came, before decompression
  std::shared_ptr<const ByteHold> hold;  // what the body takes of a budget, if it does
  Timings timings;
  std::string remote_address;  // ip:port
};

// Names a transfer; never used twice. 0 names none.
using TransferId = std::uint64_t;

// HTTP/1.1 (and 2 where TLS negotiates it) with connection reuse, deadlines and a bound on every body.
//
// An answer with any status is a Response; an Error means that there is no complete answer: kTimeout
// (`context deadline exceeded`), kUnavailable (refused, no such host, closed early), kLimitExceeded
// (`body size limit exceeded`), kInvalid (not a URL). Messages carry the URL without its password.
//
// Thread safety: any thread may call; `done` runs on the IoLoop's thread, exactly once unless cancelled, never inside
// the call that started it. Destroying the client drops every transfer without calling back; that happens on the
// IoLoop's thread, or while the loop does not run.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual TransferId send(Request request, std::function<void(Result<Response>)> done) = 0;
  // The callback will not run after this returns on the IoLoop's thread; from another thread it may be running.
  virtual void cancel(TransferId transfer) = 0;
};

struct HttpClientOptions {
  std::string user_agent = "watchkeeper";
  std::size_t max_in_flight = 1024;  // more is kLimitExceeded at once
  std::size_t max_idle_connections = 256;
};

// The real one: libcurl on the loop, and less than that for plain HTTP (docs/adr/0007). Nothing blocks, name resolution
// included. Proxies of the environment are not used unless a request names them. From the first call on the process
// ignores SIGPIPE.
std::unique_ptr<HttpClient> make_http_client(IoLoop& loop, const Clock& clock, HttpClientOptions options = {});

}  // namespace core::net
