// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/icmp_message.h"

namespace collector::probe::icmp {
namespace {

constexpr std::uint8_t kEchoRequest = 8;
constexpr std::uint8_t kEchoReply = 0;
constexpr std::uint8_t kEchoRequestV6 = 128;
constexpr std::uint8_t kEchoReplyV6 = 129;
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kIpHeaderBytesMin = 20;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

std::uint16_t u16_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

void put_u16(std::string& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<char>(value >> 8);
  bytes[at + 1] = static_cast<char>(value & 0xff);
}

}  // namespace

std::uint16_t checksum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += u16_at(bytes, i);
  if (bytes.size() % 2 != 0) sum += static_cast<std::uint32_t>(byte_at(bytes, bytes.size() - 1)) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::string encode_request(const Echo& echo, bool v6) {
  std::string message(kHeaderBytes, '\0');
  message[0] = static_cast<char>(v6 ? kEchoRequestV6 : kEchoRequest);
  put_u16(message, 4, echo.id);
  put_u16(message, 6, echo.sequence);
  message += echo.payload;
  if (!v6) put_u16(message, 2, checksum(message));
  return message;
}

std::optional<Echo> decode_reply(std::string_view message, bool v6) {
  if (message.size() < kHeaderBytes) return std::nullopt;
  if (byte_at(message, 0) != (v6 ? kEchoReplyV6 : kEchoReply) || byte_at(message, 1) != 0) return std::nullopt;
  return Echo{u16_at(message, 4), u16_at(message, 6), std::string(message.substr(kHeaderBytes))};
}

std::optional<std::string_view> without_ip_header(std::string_view packet) {
  if (packet.empty() || byte_at(packet, 0) >> 4 != 4) return std::nullopt;
  const std::size_t size = static_cast<std::size_t>(byte_at(packet, 0) & 0x0f) * 4;
  if (size < kIpHeaderBytesMin || size > packet.size()) return std::nullopt;
  return packet.substr(size);
}

}  // namespace collector::probe::icmp
