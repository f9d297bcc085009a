// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "collector/probe/reason.h"

namespace collector::probe {

// An IP address.
//
// Thread safety: a value.
class Address {
 public:
  Address() = default;
  // "192.0.2.1", "2001:db8::1", "fe80::1%eth0"; IPv4 written as IPv6 (::ffff:192.0.2.1) counts as IPv4.
  static std::optional<Address> parse(std::string_view text);
  static Address v4(const in_addr& bytes);
  static Address v6(const in6_addr& bytes);

  bool is_v6() const { return v6_; }
  int family() const { return v6_ ? AF_INET6 : AF_INET; }
  std::string to_string() const;
  // FNV-1a 32 over the address's bytes, as blackbox_exporter's probe_ip_addr_hash.
  std::uint32_t hash() const;

  // For the socket calls.
  socklen_t to_sockaddr(std::uint16_t port, sockaddr_storage& out) const;
  bool same_as(const sockaddr_storage& other) const;

 private:
  bool v6_ = false;
  in_addr v4_{};
  in6_addr v6_bytes_{};
  std::uint32_t scope_ = 0;
};

// "host:port" or "[v6]:port" in its parts, as Go's net.SplitHostPort takes it; none if it is not.
std::optional<std::pair<std::string, std::string>> split_host_port(std::string_view text);
// A port number; none for anything else.
std::optional<std::uint16_t> parse_port(std::string_view text);
// The inverse: brackets round IPv6.
std::string join_host_port(std::string_view host, std::uint16_t port);

// What an error of a socket call says. `address`, where there is one: whether this host has a route to it tells "it is
// not reachable" from "nothing is reachable".
Failure failure_of_errno(int number, std::string_view doing, const Address* address);

}  // namespace collector::probe
