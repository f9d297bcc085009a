// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

#include "core/net/http_client.h"

namespace core::net {

// Retry-After in seconds or as an HTTP date (RFC 9110, section 10.2.3); nothing if absent or unreadable, and at most
// kRetryAfterMax.
inline constexpr Millis kRetryAfterMax = std::chrono::hours(24);
std::optional<Millis> retry_after(const Headers& headers, WallTime now);

}  // namespace core::net
