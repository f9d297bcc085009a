// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "core/net/http_client.h"
#include "core/net/http_client_config.h"
#include "core/result.h"

namespace core::kubernetes {

// Where a pod finds what proves who it is: token, ca.crt and namespace.
inline constexpr const char* kServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

// How the API server is reached.
struct ApiServer {
  std::string url;  // without a slash at the end
  net::HttpClientConfig http;

  // One that asks for `path`, and is told no other place. kFailed: what proves who asks cannot be read.
  Result<net::Request> request(std::string method, const std::string& path) const;
};

// What an answer other than the one that was wanted says, for messages: "HTTP status 403: pods is forbidden".
std::string answer_text(const net::Response& response);

// The API server of the cluster that the agent runs in, with its service account; the token is read again for every
// request, since it is rotated. kFailed outside of a cluster.
Result<ApiServer> in_cluster(const std::function<std::string(const char*)>& environment,
                             const std::string& service_account = kServiceAccountFolder);

}  // namespace core::kubernetes
