// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/api/guard.h"
#include "agent/api/http_message.h"

namespace agent {

// What a request does to the agent.
enum class Effect { kReads, kChanges };

// Path and method to endpoint. A pattern is a path in which one segment may be `*`.
//
// Thread safety: immutable once filled; handle() from any thread.
class Router {
 public:
  // `segment` is what stood for the `*`, still percent-encoded; "" without one.
  using Endpoint = std::function<ApiResponse(const ApiRequest& request, std::string_view segment)>;

  explicit Router(RemoteChanges remote = RemoteChanges::kRefused) : remote_(remote) {}

  // `methods` in capitals; GET answers HEAD too.
  void add(std::vector<std::string> methods, std::string pattern, Effect effect, Endpoint endpoint);

  struct Answer {
    ApiResponse response;
    std::string_view route;  // the pattern that matched; "other" for none. Lives as long as the router.
  };
  // Unknown paths are 404, unknown methods 405, refused changes 403.
  Answer handle(const ApiRequest& request) const;

 private:
  struct Route {
    std::vector<std::string> methods;
    std::string pattern;
    Effect effect;
    Endpoint endpoint;
  };

  RemoteChanges remote_;
  std::vector<Route> routes_;
};

}  // namespace agent
