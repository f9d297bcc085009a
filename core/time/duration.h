// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/result.h"

namespace core {

// The one parser of duration literals, as Prometheus writes them (prometheus/common model/time.go):
// ([0-9]+(y|w|d|h|m|s|ms))+ with units strictly descending, each at most once, integers only; "0" alone is allowed.
// 1y = 365d, 1w = 7d. Errors: kInvalid `not a valid duration string: "x"` or `empty duration string`;
// `duration out of range` past 2^63 ns.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// The canonical form: y and w only if they divide the rest exactly, then d h m s ms; zero is "0s".
// 90 s -> "1m30s", 14 d -> "2w". A negative duration has a leading "-".
std::string format_duration(std::chrono::milliseconds duration);

// 2026-01-02T03:04:05.678Z; the fraction has no trailing zeros and is left out when zero (RFC 3339, as Go prints).
std::string format_rfc3339(std::chrono::system_clock::time_point time);

// RFC 3339 with `Z` or a numeric offset, fraction up to nanoseconds.
Result<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text);

}  // namespace core
