// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace collector::probe::grpc {

// The little of gRPC that a health check needs: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and
// grpc/health/v1/health.proto.

// Indexed by HealthCheckResponse.ServingStatus.
inline constexpr std::array<std::string_view, 4> kServingStatus = {"UNKNOWN", "SERVING", "NOT_SERVING",
                                                                   "SERVICE_UNKNOWN"};
inline constexpr int kServing = 1;

inline constexpr int kOk = 0;
inline constexpr int kUnknown = 2;
inline constexpr int kDeadlineExceeded = 4;
inline constexpr int kUnavailable = 14;

// HealthCheckRequest in its frame.
std::string encode_request(std::string_view service);

// The serving status of a HealthCheckResponse in its frame; none if it is broken or compressed.
std::optional<int> decode_response(std::string_view body);

// What stands for a missing grpc-status.
int status_of_http(int http_status);

}  // namespace collector::probe::grpc
