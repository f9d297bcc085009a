// SPDX-License-Identifier: Apache-2.0
#include "agent/api/parameters.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "core/time/duration.h"
#include "rules/promql/number_text.h"
#include "rules/promql/parser.h"

namespace agent {
namespace {

using core::Errc;
using core::fail;
using core::Result;

// Times a double can hold to the millisecond and RFC 3339 can print.
constexpr double kMaxSeconds = 9e12;

Result<std::int64_t> optional_time(const Parameters& parameters, std::string_view name, std::int64_t absent) {
  if (parameters.get(name).empty()) return absent;
  auto time = parse_time_ms(parameters.get(name));
  if (!time) {
    return fail(Errc::kInvalid, "invalid parameter \"{}\": invalid time value for '{}': {}", name, name,
                time.error().message);
  }
  return *time;
}

}  // namespace

Result<std::int64_t> parse_time_ms(std::string_view text) {
  const auto bad = [text] { return fail(Errc::kInvalid, "cannot parse \"{}\" to a valid timestamp", text); };
  if (const auto seconds = rules::promql::parse_float(text)) {
    if (!std::isfinite(*seconds) || std::fabs(*seconds) > kMaxSeconds) return bad();
    return static_cast<std::int64_t>(std::round(*seconds * 1000));
  }
  // What Prometheus's own client library sends for "unbounded": Go's first and last time, past what RFC 3339 can say.
  if (text == "-292273086-05-16T16:47:06Z") return std::numeric_limits<std::int64_t>::min();
  if (text == "292277025-08-18T07:12:54.999999999Z") return std::numeric_limits<std::int64_t>::max();
  if (const auto time = core::parse_rfc3339(text)) return core::to_unix_ms(*time);
  return bad();
}

Result<core::Millis> parse_step(std::string_view text) {
  if (const auto seconds = rules::promql::parse_float(text)) {
    // As Go's time.Duration, which counts nanoseconds in 63 bits.
    if (!std::isfinite(*seconds) || std::fabs(*seconds) * 1e9 > 0x1p63) {
      return fail(Errc::kInvalid, "cannot parse \"{}\" to a valid duration. It overflows int64", text);
    }
    return core::Millis(static_cast<std::int64_t>(*seconds * 1000));
  }
  if (const auto duration = core::parse_duration(text)) return *duration;
  return fail(Errc::kInvalid, "cannot parse \"{}\" to a valid duration", text);
}

Result<TimeWindow> window_of(const Parameters& parameters) {
  const auto start = optional_time(parameters, "start", std::numeric_limits<std::int64_t>::min());
  if (!start) return fail(start.error());
  const auto end = optional_time(parameters, "end", std::numeric_limits<std::int64_t>::max());
  if (!end) return fail(end.error());
  if (*end < *start) {
    return fail(Errc::kInvalid, "invalid parameter \"end\": end timestamp must not be before start timestamp");
  }
  return TimeWindow{*start, *end};
}

Result<std::uint64_t> limit_of(const Parameters& parameters) {
  const std::string_view text = parameters.get("limit");
  if (text.empty()) return 0U;
  std::int64_t limit = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (problem != std::errc() || end != text.data() + text.size()) {
    return fail(Errc::kInvalid, "invalid parameter \"limit\": cannot parse \"{}\" to a whole number", text);
  }
  if (limit < 0) return fail(Errc::kInvalid, "invalid parameter \"limit\": limit must be non-negative");
  return static_cast<std::uint64_t>(limit);
}

Result<std::vector<std::vector<core::ring::Matcher>>> selectors_of(const Parameters& parameters) {
  std::vector<std::vector<core::ring::Matcher>> selectors;
  for (const std::string& text : parameters.all("match[]")) {
    auto matchers = rules::promql::parse_series_selector(text);
    if (!matchers) return fail(Errc::kInvalid, "invalid parameter \"match[]\": {}", matchers.error().message);
    bool selective = false;
    for (const core::ring::Matcher& matcher : *matchers) selective = selective || !matcher.matches("");
    if (!selective) {
      return fail(Errc::kInvalid, "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher");
    }
    selectors.push_back(std::move(*matchers));
  }
  return selectors;
}

}  // namespace agent
