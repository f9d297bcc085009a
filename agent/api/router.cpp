// SPDX-License-Identifier: Apache-2.0
#include "agent/api/router.h"

#include <algorithm>
#include <optional>

#include "agent/api/envelope.h"

namespace agent {
namespace {

// What stands for the `*`; nullopt if the path does not fit.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == path ? std::optional(std::string_view()) : std::nullopt;
  const std::string_view before = pattern.substr(0, star);
  const std::string_view after = pattern.substr(star + 1);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view segment = path.substr(before.size(), path.size() - before.size() - after.size());
  return segment.find('/') == std::string_view::npos ? std::optional(segment) : std::nullopt;
}

std::string joined(const std::vector<std::string>& methods) {
  std::string text;
  for (const std::string& method : methods) text += (text.empty() ? "" : ", ") + method;
  return text;
}

}  // namespace

void Router::add(std::vector<std::string> methods, std::string pattern, Effect effect, Endpoint endpoint) {
  routes_.push_back({std::move(methods), std::move(pattern), effect, std::move(endpoint)});
}

Router::Answer Router::handle(const ApiRequest& request) const {
  const std::string& method = request.method == "HEAD" ? std::string("GET") : request.method;
  std::string allowed;
  for (const Route& route : routes_) {
    const auto segment = match(route.pattern, request.path);
    if (!segment) continue;
    if (std::ranges::find(route.methods, method) == route.methods.end()) {
      allowed += (allowed.empty() ? "" : ", ") + joined(route.methods);
      continue;
    }
    if (route.effect == Effect::kChanges) {
      if (const auto refusal = refusal_of_change(request, remote_))
        return {plain_text(403, *refusal + "\n"), route.pattern};
    }
    return {route.endpoint(request, *segment), route.pattern};
  }
  if (!allowed.empty()) {
    ApiResponse response =
        plain_text(method == "OPTIONS" ? 204 : 405, method == "OPTIONS" ? "" : "method not allowed\n");
    response.headers.emplace_back("Allow", allowed + ", OPTIONS");
    return {std::move(response), "other"};
  }
  if (request.path.starts_with("/api/")) {
    return {failure(ErrorType::kNotFound, "no such endpoint: " + request.path), "other"};
  }
  return {plain_text(404, "404 page not found\n"), "other"};
}

}  // namespace agent
