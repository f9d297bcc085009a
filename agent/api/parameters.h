// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/api/http_message.h"
#include "core/result.h"
#include "core/ring/matcher.h"
#include "core/time/clock.h"

namespace agent {

// The parameter types of Prometheus's API. Errors are kInvalid and carry the text the API answers with.

// Unix seconds (a float, rounded to milliseconds) or RFC 3339.
core::Result<std::int64_t> parse_time_ms(std::string_view text);
// Float seconds or a duration literal.
core::Result<core::Millis> parse_step(std::string_view text);

// start and end, unbounded where absent: `invalid parameter "start": invalid time value for 'start': ...`.
struct TimeWindow {
  std::int64_t start_ms;
  std::int64_t end_ms;
};
core::Result<TimeWindow> window_of(const Parameters& parameters);

// 0 is no limit.
core::Result<std::uint64_t> limit_of(const Parameters& parameters);

// The selectors of match[]; a series is meant if one of them accepts it.
core::Result<std::vector<std::vector<core::ring::Matcher>>> selectors_of(const Parameters& parameters);

}  // namespace agent
