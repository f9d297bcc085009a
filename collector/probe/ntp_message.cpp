// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/ntp_message.h"

#include <fmt/format.h>

#include <algorithm>

namespace collector::probe::ntp {
namespace {

constexpr std::size_t kMessageBytes = 48;
constexpr int kModeServer = 4;
constexpr std::uint64_t kUnixEpochInNtp = 2'208'988'800;  // seconds from 1900 to 1970

std::uint64_t unsigned_at(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (const char c : bytes.substr(at, count)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

double short_seconds(std::uint64_t value) { return static_cast<double>(value) / 65536.0; }

}  // namespace

std::string encode_request(std::uint64_t token) {
  std::string message(kMessageBytes, '\0');
  message[0] = 0x23;  // no leap warning, version 4, client
  for (int i = 0; i < 8; ++i)
    message[kMessageBytes - 1 - static_cast<std::size_t>(i)] = static_cast<char>(token >> (8 * i) & 0xff);
  return message;
}

tl::expected<Reply, std::string> decode_reply(std::string_view bytes, std::uint64_t token) {
  if (bytes.size() < kMessageBytes) return tl::unexpected(fmt::format("{} bytes are too few", bytes.size()));
  const auto first = static_cast<unsigned char>(bytes[0]);
  const int mode = first & 7;
  if (mode != kModeServer) return tl::unexpected(fmt::format("mode {} is not that of a server's answer", mode));
  if (unsigned_at(bytes, 24, 8) != token) return tl::unexpected(std::string("it answers another question"));
  Reply reply;
  reply.leap = first >> 6;
  reply.version = first >> 3 & 7;
  reply.stratum = static_cast<unsigned char>(bytes[1]);
  reply.root_delay_seconds = short_seconds(unsigned_at(bytes, 4, 4));
  reply.root_dispersion_seconds = short_seconds(unsigned_at(bytes, 8, 4));
  reply.reference_id = bytes.substr(12, 4);
  reply.reference = unsigned_at(bytes, 16, 8);
  reply.received = unsigned_at(bytes, 32, 8);
  reply.transmitted = unsigned_at(bytes, 40, 8);
  return reply;
}

double seconds_from(core::WallTime wall, std::uint64_t timestamp) {
  const auto since_epoch = std::chrono::duration_cast<core::Duration>(wall.time_since_epoch());
  const auto whole = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto local = static_cast<std::uint32_t>(static_cast<std::uint64_t>(whole.count()) + kUnixEpochInNtp);
  // The difference modulo 2^32, as a signed number: RFC 5905, section 6.
  const auto seconds = static_cast<std::int32_t>(static_cast<std::uint32_t>(timestamp >> 32) - local);
  const double fraction = static_cast<double>(timestamp & 0xffffffff) / 4294967296.0;
  return seconds + (fraction - static_cast<double>((since_epoch - whole).count()) / 1e9);
}

std::string reference_text(const Reply& reply) {
  const std::string text = reply.reference_id.substr(0, reply.reference_id.find('\0'));
  const bool letters = !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  if (reply.stratum <= 1 && letters) return text;
  return fmt::format("{:08X}", unsigned_at(reply.reference_id, 0, 4));
}

}  // namespace collector::probe::ntp
