// SPDX-License-Identifier: Apache-2.0
#include "core/net/exchange_errors.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cctype>
#include <cstring>

#include "core/net/url.h"

namespace core::net {
namespace {

// "GET" -> "Get"
std::string verb(const std::string& method) {
  std::string text = method;
  for (std::size_t i = 1; i < text.size(); ++i) {
    text[i] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
  }
  return text;
}

}  // namespace

Error request_error(const Request& request, Errc code, std::string_view reason) {
  return error(code, "{} \"{}\": {}", verb(request.method), redact_url(request.url), reason);
}

std::string errno_text(long number) {
  std::string text = std::strerror(static_cast<int>(number));
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string address_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(v4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return fmt::format("[{}]:{}", text.data(), ntohs(v6.sin6_port));
  }
  return {};
}

}  // namespace core::net
