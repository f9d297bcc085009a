// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>

namespace collector::probe {
namespace {

constexpr std::uint16_t kAnyPort = 9;  // discard: nothing is sent to it

// Asks the kernel's routing table: connecting a datagram socket sends nothing.
bool has_route(const Address& address) {
  const int fd = ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;  // nobody knows; the caller's own error stands
  sockaddr_storage peer{};
  const socklen_t size = address.to_sockaddr(kAnyPort, peer);
  const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&peer), size);
  const int number = errno;
  ::close(fd);
  return result == 0 || (number != ENETUNREACH && number != EHOSTUNREACH && number != EADDRNOTAVAIL);
}

Reason reason_of_errno(int number, const Address* address) {
  switch (number) {
    case ECONNREFUSED:
      return Reason::kRefused;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return Reason::kReset;
    case ETIMEDOUT:
      return Reason::kTimeout;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENONET:
    case EMSGSIZE:  // larger than the path carries, and must not be fragmented
      return address != nullptr && !has_route(*address) ? Reason::kNoRoute : Reason::kUnreachable;
    case EADDRNOTAVAIL:
      return Reason::kNoSourceAddress;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return Reason::kNoDescriptors;
    case EPERM:
    case EACCES:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
      return Reason::kForbidden;
    default:
      return Reason::kInternal;
  }
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
  std::string plain(text);
  std::string zone;
  if (const std::size_t percent = plain.find('%'); percent != std::string::npos) {
    zone = plain.substr(percent + 1);
    plain.resize(percent);
    if (zone.empty()) return std::nullopt;
  }
  in_addr four{};
  if (zone.empty() && ::inet_pton(AF_INET, plain.c_str(), &four) == 1) return v4(four);
  in6_addr six{};
  if (::inet_pton(AF_INET6, plain.c_str(), &six) != 1) return std::nullopt;
  Address address = v6(six);
  if (!zone.empty()) {
    const auto [end, problem] = std::from_chars(zone.data(), zone.data() + zone.size(), address.scope_);
    if (problem != std::errc() || end != zone.data() + zone.size()) address.scope_ = ::if_nametoindex(zone.c_str());
  }
  return address;
}

Address Address::v4(const in_addr& bytes) {
  Address address;
  address.v4_ = bytes;
  return address;
}

Address Address::v6(const in6_addr& bytes) {
  Address address;
  if (IN6_IS_ADDR_V4MAPPED(&bytes)) {
    std::memcpy(&address.v4_, &bytes.s6_addr[12], sizeof address.v4_);
    return address;
  }
  address.v6_ = true;
  address.v6_bytes_ = bytes;
  return address;
}

std::string Address::to_string() const {
  if (!v6_) {
    // inet_ntop() goes through sprintf(), and this is done for every probe.
    const auto* const bytes = reinterpret_cast<const unsigned char*>(&v4_);
    return fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET6, &v6_bytes_, text.data(), text.size());
  return scope_ == 0 ? std::string(text.data()) : fmt::format("{}%{}", text.data(), scope_);
}

std::uint32_t Address::hash() const {
  std::uint32_t value = 2166136261U;
  const auto* bytes = v6_ ? v6_bytes_.s6_addr : reinterpret_cast<const unsigned char*>(&v4_);
  for (const unsigned char byte : std::span(bytes, v6_ ? sizeof v6_bytes_ : sizeof v4_)) {
    value = (value ^ byte) * 16777619U;
  }
  return value;
}

socklen_t Address::to_sockaddr(std::uint16_t port, sockaddr_storage& out) const {
  out = {};
  if (v6_) {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    six.sin6_addr = v6_bytes_;
    six.sin6_scope_id = scope_;
    std::memcpy(&out, &six, sizeof six);
    return sizeof six;
  }
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  four.sin_addr = v4_;
  std::memcpy(&out, &four, sizeof four);
  return sizeof four;
}

bool Address::same_as(const sockaddr_storage& other) const {
  if (other.ss_family != family()) return false;
  if (v6_) {
    sockaddr_in6 six{};
    std::memcpy(&six, &other, sizeof six);
    return std::memcmp(&six.sin6_addr, &v6_bytes_, sizeof v6_bytes_) == 0;
  }
  sockaddr_in four{};
  std::memcpy(&four, &other, sizeof four);
  return four.sin_addr.s_addr == v4_.s_addr;
}

std::optional<std::pair<std::string, std::string>> split_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  return std::pair(std::string(host), std::string(text.substr(colon + 1)));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::string join_host_port(std::string_view host, std::uint16_t port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                  : fmt::format("[{}]:{}", host, port);
}

Failure failure_of_errno(int number, std::string_view doing, const Address* address) {
  return {reason_of_errno(number, address), fmt::format("{}: {}", doing, std::strerror(number))};
}

}  // namespace collector::probe
