// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/time_interval.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <stdexcept>
#include <string_view>

#include <date/tz.h>

namespace actions::notify {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

constexpr int kMinutesOfDay = 24 * 60;
constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"january",   "february", "march",    "april",
                                                      "may",       "june",     "july",     "august",
                                                      "september", "october",  "november", "december"};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

// The index of `name` in `names`, any case; -1 if it is none of them.
template <std::size_t kCount>
int index_of(const std::array<std::string_view, kCount>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), lower(name));
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

std::optional<int> read_int(std::string_view text) {
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

using ReadUnit = std::function<Result<int>(const std::string&)>;

// "a" or "a:b".
Result<UnitRange> read_range(const std::string& text, const ReadUnit& read_unit) {
  const std::size_t colon = text.find(':');
  if (colon != std::string::npos && text.find(':', colon + 1) != std::string::npos) {
    return fail(Errc::kInvalid, "couldn't parse range {}, invalid format", text);
  }
  auto first = read_unit(text.substr(0, colon));
  if (!first) return fail(first.error());
  if (colon == std::string::npos) return UnitRange{*first, *first};
  auto last = read_unit(text.substr(colon + 1));
  if (!last) return fail(last.error());
  return UnitRange{*first, *last};
}

Result<int> read_minute(const std::string& text) {
  const auto hour = text.size() == 5 && text[2] == ':' ? read_int(text.substr(0, 2)) : std::nullopt;
  const auto minute = hour ? read_int(text.substr(3)) : std::nullopt;
  if (!minute || *hour < 0 || *minute < 0 || *minute > 59 || *hour * 60 + *minute > kMinutesOfDay) {
    return fail(Errc::kInvalid, "couldn't parse timestamp {}, invalid format", text);
  }
  return *hour * 60 + *minute;
}

Result<UnitRange> read_times(const ClockRangeConfig& times) {
  if (times.start_time.empty() || times.end_time.empty()) {
    return fail(Errc::kInvalid, "both start and end times must be provided");
  }
  auto start = read_minute(times.start_time);
  if (!start) return fail(start.error());
  auto end = read_minute(times.end_time);
  if (!end) return fail(end.error());
  if (*start >= *end) return fail(Errc::kInvalid, "start time cannot be equal or greater than end time");
  return UnitRange{*start, *end - 1};
}

Result<UnitRange> read_weekdays(const std::string& text) {
  auto range = read_range(text, [](const std::string& name) -> Result<int> {
    const int day = index_of(kWeekdays, name);
    if (day < 0) return fail(Errc::kInvalid, "{} is not a valid weekday", name);
    return day;
  });
  if (range && range->first > range->second) return fail(Errc::kInvalid, "start day cannot be before end day");
  return range;
}

Result<UnitRange> read_days(const std::string& text) {
  auto range = read_range(text, [](const std::string& number) -> Result<int> {
    const auto day = read_int(number);
    if (!day || *day == 0 || *day < -31 || *day > 31) {
      return fail(Errc::kInvalid, "{} is not a valid day of the month: out of range", number);
    }
    return *day;
  });
  if (!range) return range;
  const auto [first, last] = *range;
  if (first < 0 && last > 0) return fail(Errc::kInvalid, "end day must be negative if start day is negative");
  // The shortest month tells whether the range could ever be in order.
  constexpr int kShortestMonth = 28;
  const int first_day = first < 0 ? kShortestMonth + first : first;
  const int last_day = last < 0 ? kShortestMonth + last : last;
  if (first_day > last_day) return fail(Errc::kInvalid, "end day {} is always before start day {}", last, first);
  return range;
}

Result<UnitRange> read_months(const std::string& text) {
  auto range = read_range(text, [](const std::string& name) -> Result<int> {
    if (const int month = index_of(kMonths, name); month >= 0) return month + 1;
    const auto number = read_int(name);
    if (!number || *number < 1 || *number > 12) return fail(Errc::kInvalid, "{} is not a valid month", name);
    return *number;
  });
  if (range && range->first > range->second) {
    const std::size_t colon = text.find(':');
    return fail(Errc::kInvalid, "end month {} is before start month {}", text.substr(colon + 1), text.substr(0, colon));
  }
  return range;
}

Result<UnitRange> read_years(const std::string& text) {
  auto range = read_range(text, [](const std::string& number) -> Result<int> {
    const auto year = read_int(number);
    if (!year) return fail(Errc::kInvalid, "{} is not a year", number);
    return *year;
  });
  if (range && range->first > range->second) {
    return fail(Errc::kInvalid, "end year {} is before start year {}", range->second, range->first);
  }
  return range;
}

template <class T>
Result<std::optional<std::vector<UnitRange>>> read_all(const std::optional<std::vector<T>>& given,
                                                       Result<UnitRange> (*read)(const T&)) {
  if (!given) return std::nullopt;
  std::vector<UnitRange> ranges;
  for (const T& each : *given) {
    auto range = read(each);
    if (!range) return fail(range.error());
    ranges.push_back(*range);
  }
  return ranges;
}

bool in_any(const std::optional<std::vector<UnitRange>>& ranges, int value) {
  return !ranges || std::any_of(ranges->begin(), ranges->end(), [value](const UnitRange& range) {
    return range.first <= value && value <= range.second;
  });
}

bool day_in_any(const std::optional<std::vector<UnitRange>>& ranges, int day, int days_in_month) {
  return !ranges || std::any_of(ranges->begin(), ranges->end(), [&](const UnitRange& range) {
    const int first = range.first < 0 ? days_in_month + range.first + 1 : range.first;
    const int last = range.second < 0 ? days_in_month + range.second + 1 : range.second;
    return first <= day && day <= last;
  });
}

// Null if there is no such zone. The library throws for that.
const date::time_zone* find_zone(const std::string& name) {
  try {
    if (name == "Local") return date::current_zone();
    return date::locate_zone(name.empty() ? "UTC" : name);
  } catch (const std::exception&) {
    return nullptr;
  }
}

}  // namespace

const Table<ClockRangeConfig>& ClockRangeConfig::fields() {
  static const auto table =
      Table<ClockRangeConfig>("time_range", "A part of each day.")
          .field("start_time", &ClockRangeConfig::start_time, {.help = "HH:MM, inclusive."})
          .field("end_time", &ClockRangeConfig::end_time, {.help = "HH:MM up to 24:00, exclusive."});
  return table;
}

const Table<IntervalSpecConfig>& IntervalSpecConfig::fields() {
  using Self = IntervalSpecConfig;
  static const auto table =
      Table<Self>("time_interval_spec", "Instants for which every field that is given holds.")
          .field("times", &Self::times, {.help = "Parts of the day."})
          .field("weekdays", &Self::weekdays, {.help = "Names or ranges of them: monday:friday."})
          .field("days_of_month", &Self::days_of_month, {.help = "Numbers or ranges; -1 is the last day."})
          .field("months", &Self::months, {.help = "Names, numbers or ranges."})
          .field("years", &Self::years, {.help = "Numbers or ranges."})
          .field("location", &Self::location, {.help = "An IANA time zone, UTC or Local; UTC if absent."})
          .check([](const Self& config, const Node& node) -> Result<void> {
            if (auto built = build_interval(config); !built) return fail(node.error("{}", built.error().message));
            return {};
          });
  return table;
}

const Table<TimeIntervalConfig>& TimeIntervalConfig::fields() {
  using Self = TimeIntervalConfig;
  static const auto table =
      Table<Self>("time_interval", "A named set of instants that routes refer to.")
          .field("name", &Self::name, {.help = "What routes call it."})
          .field("time_intervals", &Self::time_intervals, {.help = "An instant in any of these is in the interval."})
          .check([](const Self& config, const Node& node) -> Result<void> {
            if (config.name.empty()) return fail(node.error("missing name in time interval"));
            return {};
          });
  return table;
}

Result<IntervalSpec> build_interval(const IntervalSpecConfig& config) {
  IntervalSpec spec;
  auto times = read_all(config.times, &read_times);
  auto weekdays = read_all(config.weekdays, &read_weekdays);
  auto days = read_all(config.days_of_month, &read_days);
  auto months = read_all(config.months, &read_months);
  auto years = read_all(config.years, &read_years);
  for (const auto* const each : {&times, &weekdays, &days, &months, &years}) {
    if (!*each) return fail(each->error());
  }
  if (find_zone(config.location) == nullptr) return fail(Errc::kInvalid, "unknown time zone {}", config.location);
  spec.minutes_of_day = std::move(*times);
  spec.weekdays = std::move(*weekdays);
  spec.days_of_month = std::move(*days);
  spec.months = std::move(*months);
  spec.years = std::move(*years);
  spec.location = config.location;
  return spec;
}

bool IntervalSpec::contains(core::WallTime instant) const {
  const date::time_zone* const zone = find_zone(location);
  if (zone == nullptr) return false;
  const auto local = date::floor<std::chrono::minutes>(zone->to_local(instant));
  const auto midnight = date::floor<date::days>(local);
  const date::year_month_day day(midnight);
  const date::year_month_day_last month_end(day.year(), date::month_day_last(day.month()));
  return in_any(minutes_of_day, static_cast<int>((local - midnight).count())) &&
         in_any(weekdays, static_cast<int>(date::weekday(midnight).c_encoding())) &&
         day_in_any(days_of_month, static_cast<int>(static_cast<unsigned>(day.day())),
                    static_cast<int>(static_cast<unsigned>(month_end.day()))) &&
         in_any(months, static_cast<int>(static_cast<unsigned>(day.month()))) &&
         in_any(years, static_cast<int>(day.year()));
}

bool contains(const std::vector<IntervalSpec>& specs, core::WallTime instant) {
  return std::any_of(specs.begin(), specs.end(), [&](const IntervalSpec& spec) { return spec.contains(instant); });
}

}  // namespace actions::notify
