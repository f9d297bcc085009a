// SPDX-License-Identifier: Apache-2.0
#include "core/net/retry_after.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace core::net {
namespace {

// Sun, 06 Nov 1994 08:49:37 GMT: the only form that may still be sent (RFC 9110, section 5.6.7).
std::optional<WallTime> parse_http_date(const std::string& text) {
  std::array<char, 4> month_name{};
  int day = 0;
  int year = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int used = 0;
  const int fields = std::sscanf(text.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d GMT%n", &day, month_name.data(), &year,
                                 &hour, &minute, &second, &used);
  if (fields != 6 || static_cast<std::size_t>(used) != text.size()) return std::nullopt;
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* const month = std::find(kMonths.begin(), kMonths.end(), std::string_view(month_name.data()));
  if (month == kMonths.end()) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

}  // namespace

std::optional<Millis> retry_after(const Headers& headers, WallTime now) {
  const std::string text(find_header(headers, "Retry-After"));
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (problem == std::errc() && end == text.data() + text.size()) {
    if (!std::isfinite(seconds) || seconds < 0) return std::nullopt;
    seconds = std::min(seconds, std::chrono::duration<double>(kRetryAfterMax).count());
    return Millis(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
  }
  if (const auto date = parse_http_date(text)) {
    const auto wait = std::chrono::ceil<Millis>(*date - now);
    return std::clamp(wait, Millis(0), kRetryAfterMax);
  }
  return std::nullopt;
}

}  // namespace core::net
