// SPDX-License-Identifier: Apache-2.0
#include "remote_write.h"

#include <algorithm>
#include <bit>
#include <string_view>

namespace oracle {
namespace {

std::string varint(std::uint64_t value) {
  std::string bytes;
  while (value >= 0x80) {
    bytes += static_cast<char>(static_cast<unsigned char>(value | 0x80));
    value >>= 7;
  }
  return bytes + static_cast<char>(value);
}

// A field of protobuf's wire type 2: text, bytes or a message.
std::string field(char number, std::string_view content) {
  std::string bytes(1, static_cast<char>(number << 3 | 2));
  bytes += varint(content.size());
  return bytes.append(content);
}

// Sample { double value = 1; int64 timestamp = 2; }
std::string sample_message(const core::ring::Sample& sample) {
  std::string bytes = "\x09";
  const auto bits = std::bit_cast<std::uint64_t>(sample.value);
  for (unsigned shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(bits >> shift & 0xff);
  return bytes + '\x10' + varint(static_cast<std::uint64_t>(sample.time_ms));
}

// Uncompressed literals only, which every snappy reader takes.
std::string snappy_block(std::string_view content) {
  constexpr std::size_t kLongestLiteral = 1 << 16;
  std::string block = varint(content.size());
  while (!content.empty()) {
    const std::string_view part = content.substr(0, kLongestLiteral);
    content.remove_prefix(part.size());
    const std::size_t length = part.size() - 1;
    block += static_cast<char>(61 << 2);  // a literal whose length has two bytes
    block += static_cast<char>(length & 0xff);
    block += static_cast<char>(length >> 8);
    block += part;
  }
  return block;
}

}  // namespace

std::string write_request(std::span<const MadeSeries> series, std::int64_t from_ms, std::int64_t to_ms) {
  std::string request;
  for (const MadeSeries& each : series) {
    std::string message;
    for (const auto& label : each.labels) message += field(1, field(1, label.name) + field(2, label.value));
    bool any = false;
    for (const core::ring::Sample& sample : each.samples) {
      if (sample.time_ms < from_ms || sample.time_ms >= to_ms) continue;
      any = true;
      message += field(2, sample_message(sample));
    }
    if (any) request += field(1, message);
  }
  return snappy_block(request);
}

}  // namespace oracle
