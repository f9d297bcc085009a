// SPDX-License-Identifier: Apache-2.0
#include "agent/api/guard.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>

namespace agent {
namespace {

std::string_view host_without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(1, end - 1);
  }
  const std::size_t colon = host.rfind(':');
  return colon == std::string_view::npos ? host : host.substr(0, colon);
}

bool is_ip_address(std::string_view text) {
  std::array<unsigned char, 16> address{};
  const std::string terminated(text);
  return inet_pton(AF_INET, terminated.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1;
}

}  // namespace

bool is_own_host(std::string_view host_header) {
  const std::string_view host = host_without_port(host_header);
  // A name without a dot is no public site's; it is how hosts of one network call each other.
  return is_ip_address(host) || (!host.empty() && host.find('.') == std::string_view::npos);
}

std::optional<std::string> refusal_of_change(const ApiRequest& request, RemoteChanges remote) {
  if (!request.from_loopback && remote == RemoteChanges::kRefused) {
    return "changes are taken from this host only (api: allow_remote_changes)";
  }
  const std::string_view site = request.header("Sec-Fetch-Site");
  const std::string_view origin = request.header("Origin");
  if (site.empty() && origin.empty()) return std::nullopt;  // no browser: every one of them sends at least one
  if (!site.empty() && site != "same-origin" && site != "none") {
    return fmt::format("a request of another site (Sec-Fetch-Site: {}) changes nothing here", site);
  }
  const std::string host(request.header("Host"));
  if (!origin.empty() && origin != "http://" + host && origin != "https://" + host) {
    return fmt::format("a request of another site (Origin: {}) changes nothing here", origin);
  }
  if (!is_own_host(host)) {
    return fmt::format("\"{}\" may be another site's name for this host: use its address or localhost", host);
  }
  return std::nullopt;
}

}  // namespace agent
