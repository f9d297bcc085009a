// SPDX-License-Identifier: Apache-2.0
#include "core/net/http_client_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "core/net/url.h"

namespace core::net {
namespace {

using config::Node;
using config::Table;

// A secret is a line or two; anything larger is the wrong file.
constexpr std::size_t kSecretFileBytesMax = 1 << 20;
constexpr std::string_view kThisMachine = "localhost,127.0.0.0/8,::1";

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// Headers that the client itself sets (prometheus/common config/headers.go).
constexpr std::array<std::string_view, 21> kReservedHeaders = {"authorization",
                                                               "host",
                                                               "content-encoding",
                                                               "content-length",
                                                               "content-type",
                                                               "user-agent",
                                                               "connection",
                                                               "keep-alive",
                                                               "proxy-authenticate",
                                                               "proxy-authorization",
                                                               "www-authenticate",
                                                               "accept-encoding",
                                                               "x-amz-date",
                                                               "x-amz-security-token",
                                                               "x-amz-content-sha256",
                                                               "x-prometheus-remote-write-version",
                                                               "x-prometheus-remote-read-version",
                                                               "x-prometheus-scrape-timeout-seconds",
                                                               "transfer-encoding",
                                                               "te",
                                                               "upgrade"};

bool is_reserved(std::string_view name) {
  const std::string folded = lower(name);
  return std::find(kReservedHeaders.begin(), kReservedHeaders.end(), folded) != kReservedHeaders.end();
}

// RFC 9110, section 5.6.2: a header name is a token.
bool is_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string::npos;
  });
}

// RFC 9110, section 5.5: a line break in a value would end the header.
bool is_header_value(std::string_view value) {
  return value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

// The file's content without surrounding blanks.
Result<std::string> read_secret(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::kFailed, "unable to read file {}: cannot open it", path);
  std::string text(kSecretFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail(Errc::kFailed, "unable to read file {}: read error", path);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kSecretFileBytesMax) {
    return fail(Errc::kLimitExceeded, "unable to read file {}: more than {} bytes", path, kSecretFileBytesMax);
  }
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return std::string();
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

Result<void> add_header(Request& request, const std::string& name, std::string value) {
  if (!is_header_value(value)) return fail(Errc::kInvalid, "the value of header {} holds a line break", name);
  request.headers.emplace_back(name, std::move(value));
  return {};
}

Result<void> check_headers(const HttpClientConfig& http, const Node& node) {
  for (const auto& [name, header] : http.http_headers) {
    if (!is_token(name)) return fail(node.error("\"{}\" is not a valid header name", name));
    if (is_reserved(name)) return fail(node.error("setting header \"{}\" is not allowed", name));
    const auto bad = [](const std::string& value) { return !is_header_value(value); };
    if (std::any_of(header.values.begin(), header.values.end(), bad) ||
        std::any_of(header.secrets.begin(), header.secrets.end(),
                    [&](const config::Secret& secret) { return bad(secret.value); })) {
      return fail(node.error("the value of header \"{}\" holds a line break", name));
    }
  }
  return {};
}

// The rules of prometheus/common config/http_config.go (Validate) in its words.
Result<void> check_credentials(const HttpClientConfig& http, const Node& node) {
  const bool token = !http.bearer_token.value.empty();
  const bool token_file = !http.bearer_token_file.empty();
  if (token && token_file) {
    return fail(node.error("at most one of bearer_token & bearer_token_file must be configured"));
  }
  if (http.basic_auth && (token || token_file)) {
    return fail(node.error("at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured"));
  }
  if (http.authorization && (token || token_file)) {
    return fail(node.error("authorization is not compatible with bearer_token & bearer_token_file"));
  }
  if (http.authorization && http.basic_auth) {
    return fail(node.error("at most one of basic_auth, oauth2 & authorization must be configured"));
  }
  return {};
}

Result<void> check_tls(const TlsConfig& tls, const Node& node) {
  if (!tls.ca.empty() && !tls.ca_file.empty()) {
    return fail(node.error("at most one of ca, ca_file & ca_ref must be configured"));
  }
  if (!tls.cert.empty() && !tls.cert_file.empty()) {
    return fail(node.error("at most one of cert, cert_file & cert_ref must be configured"));
  }
  if (!tls.key.value.empty() && !tls.key_file.empty()) {
    return fail(node.error("at most one of key and key_file must be configured"));
  }
  const bool has_cert = !tls.cert.empty() || !tls.cert_file.empty();
  const bool has_key = !tls.key.value.empty() || !tls.key_file.empty();
  if (has_cert && !has_key) {
    return fail(
        node.error("exactly one of key or key_file must be configured when a client certificate is configured"));
  }
  if (!has_cert && has_key) {
    return fail(node.error("exactly one of cert or cert_file must be configured when a client key is configured"));
  }
  constexpr std::array<std::string_view, 5> kKnown = {"", "TLS10", "TLS11", "TLS12", "TLS13"};
  for (const std::string& version : {tls.min_version, tls.max_version}) {
    if (std::find(kKnown.begin(), kKnown.end(), version) == kKnown.end()) {
      return fail(node.error("unknown TLS version: {}", version));
    }
  }
  if (tls.max_version == "TLS10" || tls.max_version == "TLS11") {
    return fail(Errc::kNotSupported, "{}",
                node.error("max_version: nothing below TLS12 is ever spoken, got {}", tls.max_version).message);
  }
  if (tls.min_version == "TLS13" && tls.max_version == "TLS12") {
    return fail(node.error("expected a min_version that is not above the max_version"));
  }
  return {};
}

Result<void> check_proxy(const HttpClientConfig& http, const Node& node) {
  const std::string& url = http.proxy_url.value;
  if (http.proxy_from_environment && !url.empty()) {
    return fail(node.error("if proxy_from_environment is configured, proxy_url must not be configured"));
  }
  if (http.proxy_from_environment && !http.no_proxy.empty()) {
    return fail(node.error("if proxy_from_environment is configured, no_proxy must not be configured"));
  }
  if (!http.no_proxy.empty() && url.empty()) {
    return fail(node.error("if no_proxy is configured, proxy_url must also be configured"));
  }
  if (url.empty()) return {};
  if (auto parsed = parse_url(url); !parsed) return fail(node.find("proxy_url").error("{}", parsed.error().message));
  return {};
}

// The upper-case name first, as Go reads them.
std::string environment(const char* upper, const char* lower_case) {
  for (const char* name : {upper, lower_case}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return {};
}

// The proxy of the environment for a URL (golang.org/x/net/http/httpproxy): none for this machine itself.
ProxyOptions environment_proxy(const std::string& url) {
  const bool https = url.starts_with("https:");
  ProxyOptions proxy;
  proxy.url = https ? environment("HTTPS_PROXY", "https_proxy") : environment("HTTP_PROXY", "http_proxy");
  proxy.no_proxy = environment("NO_PROXY", "no_proxy");
  if (proxy.no_proxy != "*") proxy.no_proxy += (proxy.no_proxy.empty() ? "" : ",") + std::string(kThisMachine);
  return proxy;
}

}  // namespace

const Table<BasicAuthConfig>& BasicAuthConfig::fields() {
  static const auto table =
      Table<BasicAuthConfig>("basic_auth", "HTTP basic authentication.")
          .field("username", &BasicAuthConfig::username, {.help = "The user name."})
          .field("username_file", &BasicAuthConfig::username_file, {.help = "A file with the user name."})
          .field("password", &BasicAuthConfig::password, {.help = "The password."})
          .field("password_file", &BasicAuthConfig::password_file,
                 {.help = "A file with the password, read at every request."})
          .refuse("username_ref", "there is no secret store; use username_file")
          .refuse("password_ref", "there is no secret store; use password_file")
          .check([](const BasicAuthConfig& auth, const Node& node) -> Result<void> {
            if (!auth.username.empty() && !auth.username_file.empty()) {
              return fail(
                  node.error("at most one of basic_auth username, username_file & username_ref must be configured"));
            }
            if (!auth.password.value.empty() && !auth.password_file.empty()) {
              return fail(
                  node.error("at most one of basic_auth password, password_file & password_ref must be configured"));
            }
            return {};
          });
  return table;
}

const Table<AuthorizationConfig>& AuthorizationConfig::fields() {
  static const auto table =
      Table<AuthorizationConfig>("authorization", "The Authorization header.")
          .field("type", &AuthorizationConfig::type, {.help = "The authentication scheme."})
          .field("credentials", &AuthorizationConfig::credentials, {.help = "The token."})
          .field("credentials_file", &AuthorizationConfig::credentials_file,
                 {.help = "A file with the token, read at every request."})
          .refuse("credentials_ref", "there is no secret store; use credentials_file")
          .check([](const AuthorizationConfig& auth, const Node& node) -> Result<void> {
            if (!auth.credentials.value.empty() && !auth.credentials_file.empty()) {
              return fail(node.error("at most one of authorization credentials & credentials_file must be configured"));
            }
            if (lower(auth.type) == "basic") {
              return fail(node.error("authorization type cannot be set to \"basic\", use \"basic_auth\" instead"));
            }
            return {};
          });
  return table;
}

const Table<TlsConfig>& TlsConfig::fields() {
  static const auto table =
      Table<TlsConfig>("tls_config", "How the server is verified and who we are to it.")
          .field("ca_file", &TlsConfig::ca_file, {.help = "PEM file of trusted authorities instead of the system's."})
          .field("cert_file", &TlsConfig::cert_file, {.help = "PEM file of the client certificate."})
          .field("key_file", &TlsConfig::key_file, {.help = "PEM file of the client certificate's key."})
          .field("server_name", &TlsConfig::server_name, {.help = "The name to verify instead of the URL's host."})
          .field("insecure_skip_verify", &TlsConfig::insecure_skip_verify, {.help = "Accepts any server certificate."})
          .field("ca", &TlsConfig::ca, {.help = "PEM text of trusted authorities, instead of ca_file."})
          .field("cert", &TlsConfig::cert, {.help = "PEM text of the client certificate, instead of cert_file."})
          .field("key", &TlsConfig::key, {.help = "PEM text of its key, instead of key_file."})
          .field("min_version", &TlsConfig::min_version,
                 {.help = "TLS10 to TLS13; nothing below TLS 1.2 is ever spoken."})
          .field("max_version", &TlsConfig::max_version, {.help = "TLS12 or TLS13."})
          .refuse("ca_ref", "there is no secret store; use ca_file")
          .refuse("cert_ref", "there is no secret store; use cert_file")
          .refuse("key_ref", "there is no secret store; use key_file")
          .check(check_tls);
  return table;
}

const Table<HttpHeaderConfig>& HttpHeaderConfig::fields() {
  static const auto table =
      Table<HttpHeaderConfig>("http_header", "The values of one header.")
          .field("values", &HttpHeaderConfig::values, {.help = "Values, one header line each."})
          .field("secrets", &HttpHeaderConfig::secrets, {.help = "Values that are never shown."})
          .field("files", &HttpHeaderConfig::files, {.help = "Files with a value each, read at every request."});
  return table;
}

const Table<HttpClientConfig>& HttpClientConfig::fields() {
  static const auto table =
      Table<HttpClientConfig>("http_config", "How HTTP requests are authorised and secured.")
          .field("basic_auth", &HttpClientConfig::basic_auth, {.help = "HTTP basic authentication."})
          .field("authorization", &HttpClientConfig::authorization, {.help = "The Authorization header."})
          .field("bearer_token", &HttpClientConfig::bearer_token,
                 {.help = "A bearer token; authorization is the newer form."})
          .field("bearer_token_file", &HttpClientConfig::bearer_token_file,
                 {.help = "A file with a bearer token; authorization is the newer form."})
          .field("tls_config", &HttpClientConfig::tls_config, {.help = "TLS settings."})
          .field("follow_redirects", &HttpClientConfig::follow_redirects, {.help = "Whether redirects are followed."})
          .field("enable_http2", &HttpClientConfig::enable_http2,
                 {.help = "Whether HTTP/2 may be negotiated over TLS."})
          .field("http_headers", &HttpClientConfig::http_headers, {.help = "Headers sent with every request."})
          .field("proxy_url", &HttpClientConfig::proxy_url,
                 {.help = "An HTTP proxy, with user and password if it wants them."})
          .field("no_proxy", &HttpClientConfig::no_proxy,
                 {.help = "Hosts, domains and networks that are asked without the proxy, separated by commas."})
          .field("proxy_from_environment", &HttpClientConfig::proxy_from_environment,
                 {.help = "Whether HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the agent's environment are used."})
          .refuse("oauth2", "OAuth 2.0 is not supported")
          .refuse("proxy_connect_header", "headers for the proxy's CONNECT are not supported")
          .check(check_credentials)
          .check(check_proxy)
          .check(check_headers);
  return table;
}

TlsOptions TlsConfig::options() const {
  return {.ca_file = ca_file.path,
          .cert_file = cert_file.path,
          .key_file = key_file.path,
          .ca = ca,
          .cert = cert,
          .key = key.value,
          .least = min_version == "TLS13" ? TlsVersion::kTls13 : TlsVersion::kTls12,
          .most = max_version == "TLS12" ? TlsVersion::kTls12 : TlsVersion::kTls13,
          .server_name = server_name,
          .insecure_skip_verify = insecure_skip_verify};
}

Result<void> HttpClientConfig::apply(Request& request) const {
  request.follow_redirects = follow_redirects;
  request.http2 = enable_http2;
  request.tls = tls_config.options();

  request.proxy = proxy_from_environment ? environment_proxy(request.url) : ProxyOptions{proxy_url.value, no_proxy};

  Credentials& credentials = request.credentials;
  if (basic_auth) {
    credentials.username = basic_auth->username;
    if (!basic_auth->username_file.empty()) {
      Result<std::string> name = read_secret(basic_auth->username_file.path);
      if (!name) return fail(name.error().with_context("unable to read basic auth username"));
      credentials.username = std::move(*name);
    }
    credentials.password = basic_auth->password.value;
    credentials.password_file = basic_auth->password_file.path;
  }
  if (authorization) {
    credentials.type = authorization->type;
    credentials.token = authorization->credentials.value;
    credentials.token_file = authorization->credentials_file.path;
  }
  if (!bearer_token.value.empty()) credentials.token = bearer_token.value;
  if (!bearer_token_file.empty()) credentials.token_file = bearer_token_file.path;

  for (const auto& [name, header] : http_headers) {
    for (const std::string& value : header.values) request.headers.emplace_back(name, value);
    for (const config::Secret& secret : header.secrets) request.headers.emplace_back(name, secret.value);
    for (const config::FilePath& file : header.files) {
      Result<std::string> value = read_secret(file.path);
      if (!value) return fail(value.error().with_context("unable to read header {}", name));
      if (auto added = add_header(request, name, std::move(*value)); !added) return added;
    }
  }
  return {};
}

}  // namespace core::net
