// SPDX-License-Identifier: Apache-2.0
#include "core/net/curl_transfer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/net/credentials.h"
#include "core/net/exchange_errors.h"
#include "core/net/header_text.h"
#include "core/net/observation.h"
#include "core/net/request_head.h"
#include "core/net/response_reader.h"
#include "core/net/url.h"

namespace core::net {

namespace {

constexpr long kRedirectsMax = 10;
// Of a body that counts against a budget: 30 MB within a second, and a twentieth of a core.
constexpr curl_off_t kLargeBytesPerSecond = 32 << 20;
// Names are looked up again soon, because a failover may be a change in the DNS; kept at all, because the targets of
// one host are often scraped in the same second.
constexpr long kNameCacheSeconds = 10;
// As Prometheus keeps its idle connections.
constexpr long kIdleConnectionSeconds = 300;
// A stream that has been silent so long is asked whether it still lives, and again so often (nine times, by default of
// the kernel) before it is given up.
constexpr long kStreamIdleSeconds = 30;
constexpr long kStreamProbeSeconds = 10;

// What is read from a connection at once. As much as a large body has: libcurl asks the kernel twice for each piece,
// and with its own 16 KiB that took longer than the copying. It is there while a transfer is under way.
constexpr long kReadBytes = 256 << 10;

long version_option(const Request& request) {
  if (request.http2_without_tls) return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
  return request.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
}

}  // namespace

CurlTransfer::CurlTransfer(TransferId id, CurlEasy easy, Request request, std::function<void(Result<Response>)> done)
    : id_(id), easy_(std::move(easy)), request_(std::move(request)), done_(std::move(done)) {}

CurlTransfer::CurlTransfer(TransferId id, CurlEasy easy, Request request, std::function<void(Result<Dialled>)> dialled)
    : id_(id), easy_(std::move(easy)), request_(std::move(request)), dialled_to_(std::move(dialled)) {}

Dialled::~Dialled() {
  if (socket >= 0) ::close(socket);
}

void CurlTransfer::keep_socket() {
  curl_socket_t socket = CURL_SOCKET_BAD;
  curl_easy_getinfo(easy_.get(), CURLINFO_ACTIVESOCKET, &socket);
  if (socket != CURL_SOCKET_BAD) connection_.socket = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
}

void CurlTransfer::complete(Result<Response> result) {
  if (!dials()) return std::exchange(done_, nullptr)(std::move(result));
  const auto dialled = std::exchange(dialled_to_, nullptr);
  if (!result) return dialled(fail(result.error()));
  if (connection_.socket < 0) return dialled(fail(described(Errc::kUnavailable, "too many open files")));
  connection_.peer = std::move(result->remote_address);
  connection_.resolve = result->timings.resolve;
  dialled(std::move(connection_));
}

void CurlTransfer::set_long(CURLoption option, long value) { curl_easy_setopt(easy_.get(), option, value); }

void CurlTransfer::set_text(CURLoption option, const std::string& value) {
  curl_easy_setopt(easy_.get(), option, value.c_str());
}

Result<void> CurlTransfer::prepare(const std::string& user_agent) {
  auto url = parse_url(request_.url);
  if (!url) return fail(Errc::kInvalid, "invalid URL {}", url.error().message);
  if (auto checked = check_request(request_); !checked) return checked;
  if (request_.timeout <= Duration::zero()) return fail(described(Errc::kTimeout, "context deadline exceeded"));

  if (request_.on_body) request_.accept_gzip = request_.accept_zstd = false;

  set_text(CURLOPT_PROTOCOLS_STR, "http,https");
  set_text(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  if (dials()) set_long(CURLOPT_CONNECT_ONLY, 1);
  prepare_route();
  set_long(CURLOPT_NOSIGNAL, 1);
  // A look-up that hangs is left to its own thread; without this libcurl would wait for it on the I/O thread.
  set_long(CURLOPT_QUICK_EXIT, 1);
  set_long(CURLOPT_DNS_CACHE_TIMEOUT, kNameCacheSeconds);
  set_long(CURLOPT_MAXAGE_CONN, kIdleConnectionSeconds);
  set_long(CURLOPT_TCP_NODELAY, 1);
  set_long(CURLOPT_BUFFERSIZE, kReadBytes);
  set_long(CURLOPT_HTTP_VERSION, version_option(request_));
  // A millisecond at least: zero would mean no deadline.
  const auto timeout_ms = std::chrono::ceil<Millis>(request_.timeout).count();
  set_long(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
  set_long(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeout_ms));
  set_long(CURLOPT_FOLLOWLOCATION, request_.follow_redirects ? 1 : 0);
  set_long(CURLOPT_MAXREDIRS, kRedirectsMax);
  // Over a kept connection that turns out to be dead libcurl repeats whatever it is.
  if (!request_.may_be_repeated()) {
    set_long(CURLOPT_FRESH_CONNECT, 1);
    set_long(CURLOPT_FORBID_REUSE, 1);
  }
  prepare_callbacks();
  prepare_method();
  if (request_.observation != nullptr) {
    prepare_observed(*url);
  } else {
    prepare_url(*url);
    prepare_tls();
  }
  if (auto headers = prepare_headers(user_agent); !headers) return headers;
  return prepare_credentials();
}

void CurlTransfer::prepare_route() {
  // An empty text, because without one libcurl looks into the environment, and that is for people's shells.
  set_text(CURLOPT_PROXY, request_.proxy.url);
  set_text(CURLOPT_NOPROXY, request_.proxy.no_proxy);
  // What the proxy says to CONNECT is no answer of the host.
  set_long(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1);
  if (!request_.on_body) return;
  // A stream may be silent for long: only these probes notice that the other side is gone.
  set_long(CURLOPT_TCP_KEEPALIVE, 1);
  set_long(CURLOPT_TCP_KEEPIDLE, kStreamIdleSeconds);
  set_long(CURLOPT_TCP_KEEPINTVL, kStreamProbeSeconds);
}

void CurlTransfer::prepare_signature(const AwsSignature& signature) {
  set_text(CURLOPT_AWS_SIGV4, fmt::format("aws:amz:{}:{}", signature.region, signature.service));
  set_text(CURLOPT_USERNAME, signature.access_key);
  set_text(CURLOPT_PASSWORD, signature.secret_key);
}

void CurlTransfer::prepare_url(const Url& url) {
  if (url.scheme != "https" || request_.tls.server_name.empty()) return set_text(CURLOPT_URL, url.to_string());
  // The URL names the host to verify, CONNECT_TO the one to dial; the Host header stays what it was.
  const bool v6 = url.host.find(':') != std::string::npos;
  const std::string dial =
      v6 ? fmt::format("::[{}]:{}", url.host, url.port) : fmt::format("::{}:{}", url.host, url.port);
  if (find_header(request_.headers, "Host").empty()) request_.headers.emplace_back("Host", url.authority());
  Url verified = url;
  verified.host = request_.tls.server_name;
  connect_to_.reset(curl_slist_append(nullptr, dial.c_str()));
  curl_easy_setopt(easy_.get(), CURLOPT_CONNECT_TO, connect_to_.get());
  set_text(CURLOPT_URL, verified.to_string());
}

void CurlTransfer::prepare_callbacks() {
  CURL* easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::on_open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
}

void CurlTransfer::prepare_method() {
  const std::string& method = request_.method;
  if (method == "HEAD") {
    set_long(CURLOPT_NOBODY, 1);
  } else if (method == "POST" || method == "PUT" || method == "PATCH" || !request_.body.empty()) {
    // Of these methods servers expect a length, even of nothing (RFC 9110, section 8.6).
    curl_easy_setopt(easy_.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy_.get(), CURLOPT_POSTFIELDS, request_.body.c_str());
  } else {
    set_long(CURLOPT_HTTPGET, 1);
  }
  const bool plain = method == "HEAD" || method == "POST" || (method == "GET" && request_.body.empty());
  if (!plain) set_text(CURLOPT_CUSTOMREQUEST, method);
}

void CurlTransfer::prepare_tls() {
  const TlsOptions& tls = request_.tls;
  const long least = tls.least == TlsVersion::kTls13 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;
  const long most = tls.most == TlsVersion::kTls12 ? CURL_SSLVERSION_MAX_TLSv1_2 : CURL_SSLVERSION_MAX_DEFAULT;
  set_long(CURLOPT_SSLVERSION, least | most);
  set_long(CURLOPT_SSL_VERIFYPEER, tls.insecure_skip_verify ? 0 : 1);
  set_long(CURLOPT_SSL_VERIFYHOST, tls.insecure_skip_verify ? 0 : 2);
  if (!tls.ca_file.empty()) {
    set_text(CURLOPT_CAINFO, tls.ca_file);
    // Else the system's folder of authorities would be trusted beside the one that was named.
    curl_easy_setopt(easy_.get(), CURLOPT_CAPATH, nullptr);
  }
  if (!tls.cert_file.empty()) set_text(CURLOPT_SSLCERT, tls.cert_file);
  if (!tls.key_file.empty()) set_text(CURLOPT_SSLKEY, tls.key_file);
  const auto set_blob = [this](CURLoption option, const std::string& pem) {
    if (pem.empty()) return;
    // The request keeps the text for as long as the handle may look at it.
    curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_NOCOPY};
    curl_easy_setopt(easy_.get(), option, &blob);
  };
  if (!tls.ca.empty()) curl_easy_setopt(easy_.get(), CURLOPT_CAPATH, nullptr);
  set_blob(CURLOPT_CAINFO_BLOB, tls.ca);
  set_blob(CURLOPT_SSLCERT_BLOB, tls.cert);
  set_blob(CURLOPT_SSLKEY_BLOB, tls.key);
}

bool CurlTransfer::add_header(const std::string& line) {
  curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
  if (longer == nullptr) return false;
  static_cast<void>(headers_.release());
  headers_.reset(longer);
  return true;
}

Result<void> CurlTransfer::prepare_headers(const std::string& user_agent) {
  for (const auto& [name, value] : request_.headers) {
    add_header(trimmed(value).empty() ? name + ";" : name + ": " + value);
  }
  const auto has = [this](std::string_view wanted) {
    return std::any_of(request_.headers.begin(), request_.headers.end(),
                       [wanted](const auto& header) { return equals_ignoring_case(header.first, wanted); });
  };
  if (!has("User-Agent")) set_text(CURLOPT_USERAGENT, user_agent);
  if (const std::string coding = accept_encoding(request_); !coding.empty() && !has("Accept-Encoding")) {
    add_header("Accept-Encoding: " + coding);
  }
  if (request_.aws_signature) {
    const std::string& token = request_.aws_signature->session_token;
    if (breaks_line(token)) {
      return fail(Errc::kInvalid, "the AWS session token has a line break in it");
    }
    if (!token.empty()) add_header("X-Amz-Security-Token: " + token);
    // A header that is taken out would be signed all the same. What is signed names its type, and is small.
    return {};
  }
  // libcurl would guess a form, and would wait for permission before it sends a large body.
  if (!has("Content-Type")) add_header("Content-Type:");
  if (!has("Expect")) add_header("Expect:");
  if (request_.observation != nullptr) {
    if (!has("Accept")) add_header("Accept:");
    if (!has("Connection") && !request_.http2_without_tls) add_header("Connection: close");
  }
  return {};
}

Result<void> CurlTransfer::prepare_credentials() {
  if (request_.aws_signature) {
    prepare_signature(*request_.aws_signature);
    curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, headers_.get());
    return {};
  }
  auto resolved = resolve_credentials(request_.credentials);
  if (!resolved) return fail(described(resolved.error().code, resolved.error().message));
  // libcurl sends both kinds, and any Authorization or Cookie header, to the first host only.
  if (!resolved->authorization.empty()) {
    add_header("Authorization: " + resolved->authorization);
  } else if (resolved->basic) {
    set_long(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set_text(CURLOPT_USERNAME, resolved->username);
    set_text(CURLOPT_PASSWORD, resolved->password);
  }
  curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, headers_.get());
  return {};
}

curl_socket_t CurlTransfer::on_open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  std::memcpy(&transfer.dialled_, &address->addr, std::min<std::size_t>(address->addrlen, sizeof transfer.dialled_));
  const curl_socket_t opened = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  transfer.open_error_ = opened < 0 ? errno : 0;
  return opened;
}

std::size_t CurlTransfer::on_header(char* bytes, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  return transfer.take_header_line({bytes, size * count}) ? size * count : 0;
}

bool CurlTransfer::take_header_line(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kHeaderBytesMax) {
    stop_ = Stop::kHeaderLimit;
    return false;
  }
  if (body_.begun() && request_.observation == nullptr) return true;  // a trailer after a chunked body
  if (line.starts_with("HTTP/")) {
    // A new answer begins: after 100 Continue, or after a redirect.
    response_.headers.clear();
    response_.reason.clear();
    headers_done_ = false;
    const std::size_t code = line.find(' ');
    const std::string_view rest = code == std::string_view::npos ? "" : trimmed(line.substr(code));
    std::from_chars(rest.data(), rest.data() + rest.size(), response_.status);
    if (const std::size_t reason = rest.find(' '); reason != std::string_view::npos) {
      response_.reason = trimmed(rest.substr(reason));
    }
    return true;
  }
  const std::string_view text = trimmed(line);
  if (text.empty()) {
    const bool goes_on = response_.status < 200 || (request_.follow_redirects && response_.status < 400 &&
                                                    !find_header(response_.headers, "Location").empty());
    headers_done_ = !goes_on;
    if (!ends_at_redirect()) return true;
    stop_ = Stop::kRedirect;
    return false;
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    response_.headers.emplace_back(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }
  return true;
}

std::size_t CurlTransfer::on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  return transfer.take_body({bytes, size * count}) ? size * count : 0;
}

bool CurlTransfer::take_body(std::string_view piece) {
  const bool was_large = body_.is_large();
  if (!body_.take(piece)) return false;
  // From here on not as fast as it comes: a few that send for ever would take all of this thread.
  if (body_.is_large() && !was_large) {
    curl_easy_setopt(easy_.get(), CURLOPT_MAX_RECV_SPEED_LARGE, kLargeBytesPerSecond);
  }
  return true;
}

Timings CurlTransfer::timings() const {
  const auto at = [this](CURLINFO info) {
    curl_off_t microseconds = 0;
    curl_easy_getinfo(easy_.get(), info, &microseconds);
    return Duration(std::chrono::microseconds(microseconds));
  };
  const auto between = [](Duration from, Duration to) { return std::max(to - from, Duration::zero()); };
  const Duration resolved = at(CURLINFO_NAMELOOKUP_TIME_T);
  const Duration connected = at(CURLINFO_CONNECT_TIME_T);
  const Duration secured = at(CURLINFO_APPCONNECT_TIME_T);
  const Duration first_byte = at(CURLINFO_STARTTRANSFER_TIME_T);
  Timings times;
  times.total = at(CURLINFO_TOTAL_TIME_T);
  times.resolve = resolved;
  times.connect = between(resolved, connected);
  times.tls = secured == Duration::zero() ? secured : between(connected, secured);
  times.processing = between(at(CURLINFO_PRETRANSFER_TIME_T), first_byte);
  times.transfer = between(first_byte, times.total);
  return times;
}

Result<Response> CurlTransfer::finish(CURLcode code) {
  if (request_.observation != nullptr) {
    observe(code);
    // All that is wanted of it is in the observation.
    if (stop_ == Stop::kRedirect || code == CURLE_OK) return std::move(response_);
  }
  const bool is_cut = body_.stop() == AnswerBody::Stop::kCut;
  const bool is_all = is_cut || (headers_done_ && body_.wants_status_only());
  if (code != CURLE_OK && !is_all) return fail(failure(code));
  if (!body_.finish() && !is_all) return fail(Errc::kUnavailable, "unexpected EOF");
  response_.timings = timings();
  const char* ip = nullptr;
  long port = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_PRIMARY_IP, &ip);
  curl_easy_getinfo(easy_.get(), CURLINFO_PRIMARY_PORT, &port);
  if (ip != nullptr && *ip != '\0') {
    const bool v6 = std::strchr(ip, ':') != nullptr;
    response_.remote_address = v6 ? fmt::format("[{}]:{}", ip, port) : fmt::format("{}:{}", ip, port);
  }
  return std::move(response_);
}

}  // namespace core::net
