// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/net/http_client.h"

namespace core::net {

// basic_auth: at most one of each pair of keys.
struct BasicAuthConfig {
  std::string username;
  config::FilePath username_file;
  config::Secret password;
  config::FilePath password_file;

  bool operator==(const BasicAuthConfig&) const = default;
  static const config::Table<BasicAuthConfig>& fields();
};

// authorization: the header "TYPE CREDENTIALS".
struct AuthorizationConfig {
  std::string type = "Bearer";
  config::Secret credentials;
  config::FilePath credentials_file;

  bool operator==(const AuthorizationConfig&) const = default;
  static const config::Table<AuthorizationConfig>& fields();
};

struct TlsConfig {
  config::FilePath ca_file;
  config::FilePath cert_file;
  config::FilePath key_file;
  std::string ca;
  std::string cert;
  config::Secret key;
  std::string server_name;
  bool insecure_skip_verify = false;
  std::string min_version;
  std::string max_version;

  // For one who is given these settings only.
  TlsOptions options() const;

  bool operator==(const TlsConfig&) const = default;
  static const config::Table<TlsConfig>& fields();
};

// The values of one header of http_headers; several values repeat the header.
struct HttpHeaderConfig {
  std::vector<std::string> values;
  std::vector<config::Secret> secrets;
  std::vector<config::FilePath> files;

  bool operator==(const HttpHeaderConfig&) const = default;
  static const config::Table<HttpHeaderConfig>& fields();
};

// Prometheus's <http_config>: how requests of a scrape job, a receiver or a remote are authorised and secured. The keys
// stand inline in a scrape job (Table::embed) and under `http_config` elsewhere.
//
// Thread safety: a value; apply() may be called by any thread at once.
struct HttpClientConfig {
  std::optional<BasicAuthConfig> basic_auth;
  std::optional<AuthorizationConfig> authorization;
  config::Secret bearer_token;
  config::FilePath bearer_token_file;
  TlsConfig tls_config;
  bool follow_redirects = true;
  bool enable_http2 = true;
  std::map<std::string, HttpHeaderConfig> http_headers;
  config::Secret proxy_url;  // may hold a password
  std::string no_proxy;
  bool proxy_from_environment = false;

  // Adds credentials, TLS settings, a proxy and headers to a request. Files of user names and headers are read here, at
  // every request; those of passwords and tokens by the client. kFailed: `unable to read file F: ...`.
  Result<void> apply(Request& request) const;

  bool operator==(const HttpClientConfig&) const = default;
  static const config::Table<HttpClientConfig>& fields();
};

}  // namespace core::net
