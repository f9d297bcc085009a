// SPDX-License-Identifier: Apache-2.0
#include "core/kubernetes/api_server.h"

#include "core/kubernetes/objects.h"

namespace core::kubernetes {
namespace {

constexpr Duration kCallTimeout = std::chrono::seconds(30);
// A page of objects is a few megabytes at most.
constexpr std::uint64_t kAnswerBytesMax = 16 << 20;
// Of what a server says of an error.
constexpr std::size_t kMessageBytesMax = 500;

}  // namespace

Result<net::Request> ApiServer::request(std::string method, const std::string& path) const {
  net::Request request;
  request.method = std::move(method);
  request.url = url + path;
  request.timeout = kCallTimeout;
  request.body_limit = kAnswerBytesMax;
  if (auto applied = http.apply(request); !applied) return fail(applied.error());
  request.follow_redirects = false;
  request.headers.emplace_back("Accept", "application/json");
  return request;
}

std::string answer_text(const net::Response& response) {
  const std::string message = status_message(response.body).substr(0, kMessageBytesMax);
  return fmt::format("HTTP status {}{}{}", response.status, message.empty() ? "" : ": ", message);
}

Result<ApiServer> in_cluster(const std::function<std::string(const char*)>& environment,
                             const std::string& service_account) {
  const std::string host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return fail(Errc::kFailed,
                "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
                "must be defined");
  }
  ApiServer server;
  server.url = host.find(':') == std::string::npos ? fmt::format("https://{}:{}", host, port)
                                                   : fmt::format("https://[{}]:{}", host, port);
  net::AuthorizationConfig token;
  token.credentials_file.path = service_account + "/token";
  server.http.authorization = std::move(token);
  server.http.tls_config.ca_file.path = service_account + "/ca.crt";
  return server;
}

}  // namespace core::kubernetes
