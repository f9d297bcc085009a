// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/grpc_message.h"

#include <cstdint>

#include "collector/probe/protobuf.h"

namespace collector::probe::grpc {

std::string frame(std::string_view message) {
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) framed += static_cast<char>(message.size() >> shift & 0xff);
  return framed.append(message);
}

std::optional<std::string_view> unframe(std::string_view body) {
  if (body.size() < kFrameHeaderBytes || body[0] != '\0') return std::nullopt;
  std::uint64_t size = 0;
  for (std::size_t i = 1; i < kFrameHeaderBytes; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
  body.remove_prefix(kFrameHeaderBytes);
  if (body.size() < size) return std::nullopt;
  return body.substr(0, size);
}

std::string encode_request(std::string_view service) {
  std::string message;
  if (!service.empty()) protobuf::put_bytes(message, 1, service);
  return frame(message);
}

std::optional<int> decode_response(std::string_view body) {
  const auto message = unframe(body);
  if (!message) return std::nullopt;
  int status = 0;
  protobuf::FieldReader reader(*message);
  while (reader.next()) {
    if (!reader.is_number(1)) continue;
    status = reader.number() < kServingStatus.size() ? static_cast<int>(reader.number()) : 0;
  }
  if (reader.broken()) return std::nullopt;
  return status;
}

int status_of_http(int http_status) {
  switch (http_status) {
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return kUnimplemented;
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
