// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/grpc_message.h"

#include <cstdint>

namespace collector::probe::grpc {
namespace {

constexpr std::size_t kFrameHeaderBytes = 5;
constexpr std::uint64_t kStatusField = 1;

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7f) | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[0]);
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

// Moves past a field of one of protobuf's wire types that is not wanted.
bool skip_field(std::string_view& bytes, std::uint64_t wire_type) {
  std::uint64_t size = 0;
  if (wire_type == 0) return take_varint(bytes).has_value();
  if (wire_type == 1) size = 8;
  if (wire_type == 5) size = 4;
  if (wire_type == 2) {
    const auto length = take_varint(bytes);
    if (!length) return false;
    size = *length;
  } else if (size == 0) {
    return false;
  }
  if (size > bytes.size()) return false;
  bytes.remove_prefix(size);
  return true;
}

}  // namespace

std::string encode_request(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message += '\x0a';  // field 1, length-delimited
    put_varint(message, service.size());
    message += service;
  }
  std::string frame(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(message.size() >> shift & 0xff);
  return frame + message;
}

std::optional<int> decode_response(std::string_view body) {
  if (body.size() < kFrameHeaderBytes || body[0] != '\0') return std::nullopt;
  std::uint64_t size = 0;
  for (std::size_t i = 1; i < kFrameHeaderBytes; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
  std::string_view message = body.substr(kFrameHeaderBytes);
  if (message.size() < size) return std::nullopt;
  message = message.substr(0, size);
  int status = 0;
  while (!message.empty()) {
    const auto key = take_varint(message);
    if (!key) return std::nullopt;
    if (*key != (kStatusField << 3)) {
      if (!skip_field(message, *key & 7)) return std::nullopt;
      continue;
    }
    const auto value = take_varint(message);
    if (!value) return std::nullopt;
    status = *value < kServingStatus.size() ? static_cast<int>(*value) : 0;
  }
  return status;
}

int status_of_http(int http_status) {
  switch (http_status) {
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return kUnavailable;
    default:
      return kUnknown;
  }
}

}  // namespace collector::probe::grpc
