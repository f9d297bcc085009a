// SPDX-License-Identifier: Apache-2.0
#include "core/time/duration.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

namespace core {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
  bool only_if_exact;  // y and w are printed only when nothing is left over
};

// Largest first: the order a literal must have.
constexpr std::array<Unit, 7> kUnits = {{{"y", 365LL * 86'400'000, true},
                                         {"w", 7LL * 86'400'000, true},
                                         {"d", 86'400'000, false},
                                         {"h", 3'600'000, false},
                                         {"m", 60'000, false},
                                         {"s", 1'000, false},
                                         {"ms", 1, false}}};

constexpr std::int64_t kMaxMs = std::numeric_limits<std::int64_t>::max() / 1'000'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text.empty()) return fail(Errc::kInvalid, "empty duration string");
  if (text == "0") return std::chrono::milliseconds(0);
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  for (std::string_view rest = text; !rest.empty();) {
    std::size_t digits = 0;
    while (digits < rest.size() && is_digit(rest[digits])) ++digits;
    std::int64_t number = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + digits, number);
    std::size_t letters = digits;
    while (letters < rest.size() && !is_digit(rest[letters])) ++letters;
    const std::string_view name = rest.substr(digits, letters - digits);
    std::size_t unit = next_unit;
    while (unit < kUnits.size() && kUnits[unit].name != name) ++unit;
    if (digits == 0 || unit == kUnits.size()) {
      return fail(Errc::kInvalid, "not a valid duration string: \"{}\"", text);
    }
    std::int64_t part = 0;
    if (parsed.ec != std::errc() || __builtin_mul_overflow(number, kUnits[unit].ms, &part) ||
        __builtin_add_overflow(total, part, &total) || total > kMaxMs) {
      return fail(Errc::kInvalid, "duration out of range: \"{}\"", text);
    }
    next_unit = unit + 1;
    rest.remove_prefix(letters);
  }
  return std::chrono::milliseconds(total);
}

std::string format_duration(std::chrono::milliseconds duration) {
  if (duration.count() == 0) return "0s";
  std::string text = duration.count() < 0 ? "-" : "";
  // Unsigned, so that the most negative value has a magnitude.
  std::uint64_t rest = duration.count() < 0 ? 0 - static_cast<std::uint64_t>(duration.count())
                                            : static_cast<std::uint64_t>(duration.count());
  for (const Unit& unit : kUnits) {
    const auto size = static_cast<std::uint64_t>(unit.ms);
    if (rest / size == 0 || (unit.only_if_exact && rest % size != 0)) continue;
    text += fmt::format("{}{}", rest / size, unit.name);
    rest %= size;
  }
  return text;
}

std::string format_rfc3339(std::chrono::system_clock::time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                 clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(clock.subseconds()).count();
  if (nanos != 0) {
    text += fmt::format(".{:09}", nanos);
    while (text.back() == '0') text.pop_back();
  }
  return text + "Z";
}

namespace {

// Reads exactly `width` digits at `position` and moves past them.
bool take_number(std::string_view text, std::size_t& position, std::size_t width, int& value) {
  if (position + width > text.size()) return false;
  value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const char c = text[position + i];
    if (!is_digit(c)) return false;
    value = value * 10 + (c - '0');
  }
  position += width;
  return true;
}

bool take_char(std::string_view text, std::size_t& position, char expected) {
  if (position >= text.size() || text[position] != expected) return false;
  ++position;
  return true;
}

// ".5" .. ".123456789": nanoseconds; absent is zero.
bool take_fraction(std::string_view text, std::size_t& position, std::int64_t& nanos) {
  nanos = 0;
  if (!take_char(text, position, '.')) return true;
  std::int64_t scale = 100'000'000;
  const std::size_t start = position;
  for (; position < text.size() && is_digit(text[position]); ++position, scale /= 10) {
    nanos += (text[position] - '0') * scale;
  }
  return position > start && position - start <= 9;
}

bool take_offset(std::string_view text, std::size_t& position, int& offset_minutes) {
  offset_minutes = 0;
  if (take_char(text, position, 'Z')) return true;
  const int sign = take_char(text, position, '-') ? -1 : (take_char(text, position, '+') ? 1 : 0);
  int hours = 0;
  int minutes = 0;
  if (sign == 0 || !take_number(text, position, 2, hours) || !take_char(text, position, ':') ||
      !take_number(text, position, 2, minutes) || hours > 23 || minutes > 59) {
    return false;
  }
  offset_minutes = sign * (hours * 60 + minutes);
  return true;
}

}  // namespace

Result<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text) {
  std::size_t at = 0;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset_minutes = 0;
  std::int64_t nanos = 0;
  const bool shaped = take_number(text, at, 4, year) && take_char(text, at, '-') && take_number(text, at, 2, month) &&
                      take_char(text, at, '-') && take_number(text, at, 2, day) && take_char(text, at, 'T') &&
                      take_number(text, at, 2, hour) && take_char(text, at, ':') && take_number(text, at, 2, minute) &&
                      take_char(text, at, ':') && take_number(text, at, 2, second) && take_fraction(text, at, nanos) &&
                      take_offset(text, at, offset_minutes) && at == text.size();
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  // time_point counts nanoseconds in 64 bits, which end in 2262.
  if (!shaped || !date.ok() || hour > 23 || minute > 59 || second > 59 || year < 1678 || year > 2261) {
    return fail(Errc::kInvalid, "not an RFC 3339 time: \"{}\"", text);
  }
  return std::chrono::system_clock::time_point(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute - offset_minutes) + std::chrono::seconds(second) + std::chrono::nanoseconds(nanos);
}

}  // namespace core
