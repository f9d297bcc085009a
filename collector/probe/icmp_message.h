// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace collector::probe::icmp {

// An echo, of ICMP (RFC 792) or ICMPv6 (RFC 4443).
struct Echo {
  std::uint16_t id = 0;
  std::uint16_t sequence = 0;
  std::string payload;
};

// A request on the wire. The checksum of ICMPv6 is the kernel's.
std::string encode_request(const Echo& echo, bool v6);

// The reply in a message without an IP header; none if it is something else.
std::optional<Echo> decode_reply(std::string_view message, bool v6);

// What follows the header of an IPv4 packet; none if that is broken.
std::optional<std::string_view> without_ip_header(std::string_view packet);

// RFC 1071.
std::uint16_t checksum(std::string_view bytes);

}  // namespace collector::probe::icmp
