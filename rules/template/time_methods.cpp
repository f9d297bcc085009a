// SPDX-License-Identifier: Apache-2.0
#include "rules/template/time_methods.h"

#include <array>
#include <chrono>

#include <fmt/format.h>

namespace rules::templates {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

// A time taken apart, UTC.
struct Calendar {
  std::int64_t year, month, day, hour, minute, second, millisecond, weekday, year_day;
};

Calendar calendar_of(TimePoint time) {
  const auto point = std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(time.time_ms));
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(point - day);
  const std::chrono::sys_days new_year = date.year() / std::chrono::January / 1;
  return {static_cast<int>(date.year()),     static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()), clock.hours().count(),
          clock.minutes().count(),           clock.seconds().count(),
          clock.subseconds().count(),        std::chrono::weekday(day).c_encoding(),
          (day - new_year).count() + 1};
}

// Longest first where one starts with another.
constexpr std::array<std::string_view, 23> kLayoutWords = {
    "January", "Monday", "2006", "-07:00", "-0700", "Z07:00", ".000", "Jan", "Mon", "MST", "01", "02",
    "03",      "04",     "05",   "06",     "15",    "PM",     "1",    "2",   "3",   "4",   "5"};

std::string layout_value(std::string_view word, const Calendar& time) {
  const std::int64_t hour12 = time.hour % 12 == 0 ? 12 : time.hour % 12;
  const auto month = static_cast<std::size_t>(time.month - 1);
  const auto weekday = static_cast<std::size_t>(time.weekday);
  if (word == "January") return std::string(kMonths[month]);
  if (word == "Jan") return std::string(kMonths[month].substr(0, 3));
  if (word == "Monday") return std::string(kDays[weekday]);
  if (word == "Mon") return std::string(kDays[weekday].substr(0, 3));
  if (word == "2006") return fmt::format("{:04}", time.year);
  if (word == "06") return fmt::format("{:02}", time.year % 100);
  if (word == "01") return fmt::format("{:02}", time.month);
  if (word == "1") return fmt::format("{}", time.month);
  if (word == "02") return fmt::format("{:02}", time.day);
  if (word == "2") return fmt::format("{}", time.day);
  if (word == "15") return fmt::format("{:02}", time.hour);
  if (word == "03") return fmt::format("{:02}", hour12);
  if (word == "3") return fmt::format("{}", hour12);
  if (word == "PM") return time.hour >= 12 ? "PM" : "AM";
  if (word == "04") return fmt::format("{:02}", time.minute);
  if (word == "4") return fmt::format("{}", time.minute);
  if (word == "05") return fmt::format("{:02}", time.second);
  if (word == "5") return fmt::format("{}", time.second);
  if (word == ".000") return fmt::format(".{:03}", time.millisecond);
  if (word == "MST") return "UTC";
  if (word == "Z07:00") return "Z";
  return word == "-07:00" ? "+00:00" : "+0000";
}

std::optional<Value> point_member(TimePoint point, std::string_view name) {
  const Calendar time = calendar_of(point);
  if (name == "Year") return Value(time.year);
  if (name == "Month") return Value(std::string(kMonths[static_cast<std::size_t>(time.month - 1)]));
  if (name == "Day") return Value(time.day);
  if (name == "Hour") return Value(time.hour);
  if (name == "Minute") return Value(time.minute);
  if (name == "Second") return Value(time.second);
  if (name == "Weekday") return Value(std::string(kDays[static_cast<std::size_t>(time.weekday)]));
  if (name == "YearDay") return Value(time.year_day);
  if (name == "Unix")
    return Value(std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds(point.time_ms)).count());
  if (name == "UnixMilli") return Value(point.time_ms);
  if (name == "String") return Value(time_text(point));
  if (name == "UTC") return Value(point);
  return std::nullopt;
}

std::optional<Value> span_member(TimeSpan span, std::string_view name) {
  const auto nanoseconds = static_cast<double>(span.nanoseconds);
  if (name == "Seconds") return Value(nanoseconds / 1e9);
  if (name == "Minutes") return Value(nanoseconds / 6e10);
  if (name == "Hours") return Value(nanoseconds / 3.6e12);
  if (name == "Milliseconds") return Value(span.nanoseconds / 1'000'000);
  if (name == "Nanoseconds") return Value(span.nanoseconds);
  if (name == "String") return Value(span_text(span));
  return std::nullopt;
}

}  // namespace

std::optional<Value> time_member(const Value& value, std::string_view name) {
  if (const auto* point = value.as<TimePoint>()) return point_member(*point, name);
  if (const auto* span = value.as<TimeSpan>()) return span_member(*span, name);
  return std::nullopt;
}

bool takes_arguments(std::string_view name) { return name == "Format"; }

core::Result<Value> call_time_method(const Value& value, std::string_view name, const Arguments& arguments) {
  const auto* point = value.as<TimePoint>();
  if (point == nullptr) {
    return core::fail(core::Errc::kFailed, "can't evaluate field {} in type {}", name, type_name(value));
  }
  if (arguments.size() != 1) {
    return core::fail(core::Errc::kFailed, "wrong number of args for {}: want 1 got {}", name, arguments.size());
  }
  const auto layout = string_argument(arguments[0]);
  if (!layout) return core::fail(layout.error());
  return Value(format_time(*point, *layout));
}

std::string format_time(TimePoint time, std::string_view layout) {
  const Calendar calendar = calendar_of(time);
  std::string text;
  while (!layout.empty()) {
    std::string_view word;
    for (const std::string_view known : kLayoutWords) {
      if (layout.starts_with(known)) {
        word = known;
        break;
      }
    }
    if (word.empty()) {
      text += layout.front();
      layout.remove_prefix(1);
    } else {
      text += layout_value(word, calendar);
      layout.remove_prefix(word.size());
    }
  }
  return text;
}

}  // namespace rules::templates
