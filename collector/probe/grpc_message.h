// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace collector::probe::grpc {

// The little of gRPC that a call needs: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and
// grpc/health/v1/health.proto.

// Indexed by HealthCheckResponse.ServingStatus.
inline constexpr std::array<std::string_view, 4> kServingStatus = {"UNKNOWN", "SERVING", "NOT_SERVING",
                                                                   "SERVICE_UNKNOWN"};
inline constexpr int kServing = 1;

inline constexpr int kOk = 0;
inline constexpr int kUnknown = 2;
inline constexpr int kDeadlineExceeded = 4;
inline constexpr int kUnimplemented = 12;
inline constexpr int kUnavailable = 14;

// Bytes that stand before a message.
inline constexpr std::size_t kFrameHeaderBytes = 5;

// A message in its frame.
std::string frame(std::string_view message);

// The first message of a body; none if it is cut off or compressed. A view of the body.
std::optional<std::string_view> unframe(std::string_view body);

// HealthCheckRequest in its frame.
std::string encode_request(std::string_view service);

// The serving status of a HealthCheckResponse in its frame; none if it is broken or compressed.
std::optional<int> decode_response(std::string_view body);

// What stands for a missing grpc-status.
int status_of_http(int http_status);

}  // namespace collector::probe::grpc
