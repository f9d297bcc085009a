// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/schedule.h"

#include <date/tz.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/time/duration.h"

namespace actions::backup {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;
using std::chrono::days;
using std::chrono::sys_days;

constexpr core::Millis kShortestInterval = std::chrono::minutes(1);
constexpr days kSearched{8 * 366};

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

// As cron implementations have it (cronie's crontab(5)).
constexpr std::string_view kZonePrefix = "CRON_TZ=";

struct Field {
  std::string_view name;
  unsigned least;
  unsigned most;
  std::span<const std::string_view> names = {};  // the first one stands for `least`
};

constexpr Field kMinute = {"minute", 0, 59};
constexpr Field kHour = {"hour", 0, 23};
constexpr Field kDay = {"day of month", 1, 31};
constexpr Field kMonth = {"month", 1, 12, kMonths};
constexpr Field kWeekday = {"day of week", 0, 7, kWeekdays};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(separator, start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

std::optional<unsigned> number(std::string_view text, const Field& field) {
  for (unsigned i = 0; i < field.names.size(); ++i) {
    const auto same = [](char a, char b) { return (a | 0x20) == b; };
    if (std::equal(text.begin(), text.end(), field.names[i].begin(), field.names[i].end(), same)) {
      return field.least + i;
    }
  }
  unsigned value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  if (value < field.least || value > field.most) return std::nullopt;
  return value;
}

// One element of a list: * or N or N-M, each with an optional /STEP.
std::optional<std::uint64_t> bits_of(std::string_view item, const Field& field) {
  unsigned step = 1;
  const std::size_t slash = item.find('/');
  const std::string_view range = item.substr(0, slash);
  if (slash != std::string_view::npos) {
    const std::optional<unsigned> given = number(item.substr(slash + 1), {"step", 1, field.most});
    if (!given) return std::nullopt;
    step = *given;
  }
  unsigned first = field.least;
  unsigned last = field.most;
  if (range != "*") {
    const std::size_t dash = range.find('-');
    const std::optional<unsigned> from = number(range.substr(0, dash), field);
    std::optional<unsigned> to = from;
    if (dash != std::string_view::npos) to = number(range.substr(dash + 1), field);
    if (!from || !to || *to < *from) return std::nullopt;
    first = *from;
    // N/STEP means from N to the end.
    last = dash == std::string_view::npos && slash != std::string_view::npos ? field.most : *to;
  }
  std::uint64_t bits = 0;
  for (unsigned value = first; value <= last; value += step) bits |= std::uint64_t{1} << value;
  return bits;
}

Result<std::uint64_t> parse_field(std::string_view text, const Field& field) {
  std::uint64_t bits = 0;
  for (const std::string_view item : split(text, ',')) {
    const std::optional<std::uint64_t> more = bits_of(item, field);
    if (!more) {
      return fail(Errc::kInvalid, "{} \"{}\" of the cron line: expected *, or numbers from {} to {} as N, N-M, */STEP",
                  field.name, text, field.least, field.most);
    }
    bits |= *more;
  }
  return bits;
}

bool has(std::uint64_t bits, unsigned value) { return (bits >> value & 1) != 0; }

}  // namespace

Result<Schedule> Schedule::parse(std::string_view text) {
  Schedule schedule;
  schedule.text_ = text;
  if (text.find(' ') == std::string_view::npos) {
    const Result<core::Millis> interval = core::parse_duration(text);
    if (!interval) {
      return fail(Errc::kInvalid, "expected a duration such as \"6h\" or a cron line of five fields, got \"{}\"", text);
    }
    if (*interval < kShortestInterval) return fail(Errc::kInvalid, "\"{}\" is shorter than a minute", text);
    schedule.interval_ = *interval;
    return schedule;
  }
  std::string_view line = text;
  if (line.starts_with(kZonePrefix)) {
    line.remove_prefix(kZonePrefix.size());
    const std::string zone(line.substr(0, line.find(' ')));
    line.remove_prefix(zone.size());
    try {
      schedule.zone_ = date::locate_zone(zone);
    } catch (const std::runtime_error&) {
      return fail(Errc::kInvalid, "no time zone is named \"{}\" here: expected one such as Europe/Berlin", zone);
    }
  }
  Result<Cron> cron = parse_cron(line);
  if (!cron) return fail(cron.error());
  schedule.cron_ = *cron;
  // Any moment does to find out whether the line ever comes.
  if (!schedule.next_minute(WallTime{})) return fail(Errc::kInvalid, "the cron line \"{}\" never comes", text);
  return schedule;
}

Result<Schedule::Cron> Schedule::parse_cron(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const std::string_view field : split(text, ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  if (fields.size() != 5) {
    return fail(Errc::kInvalid, "a cron line has five fields (minute hour day month weekday), \"{}\" has {}", text,
                fields.size());
  }
  Cron cron;
  const std::array<std::pair<const Field*, std::uint64_t*>, 5> targets = {{{&kMinute, &cron.minutes},
                                                                           {&kHour, &cron.hours},
                                                                           {&kDay, &cron.days},
                                                                           {&kMonth, &cron.months},
                                                                           {&kWeekday, &cron.weekdays}}};
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Result<std::uint64_t> bits = parse_field(fields[i], *targets[i].first);
    if (!bits) return fail(bits.error());
    *targets[i].second = *bits;
  }
  if (has(cron.weekdays, 7)) cron.weekdays |= 1;
  cron.any_day = fields[2].starts_with('*');
  cron.any_weekday = fields[4].starts_with('*');
  return cron;
}

bool Schedule::matches_day(const Cron& cron, sys_days day) {
  const std::chrono::year_month_day date(day);
  if (!has(cron.months, static_cast<unsigned>(date.month()))) return false;
  const bool by_date = has(cron.days, static_cast<unsigned>(date.day()));
  const bool by_weekday = has(cron.weekdays, std::chrono::weekday(day).c_encoding());
  return cron.any_day || cron.any_weekday ? by_date && by_weekday : by_date || by_weekday;
}

std::optional<WallTime> Schedule::next_minute(WallTime after) const {
  // Days and minutes are the zone's; what is due is compared as moments.
  const auto local = zone_ == nullptr ? after.time_since_epoch() : zone_->to_local(after).time_since_epoch();
  const sys_days start = std::chrono::floor<days>(WallTime(local));
  for (sys_days day = start; day <= start + kSearched; day += days(1)) {
    if (!matches_day(cron_, day)) continue;
    for (unsigned hour = 0; hour < 24; ++hour) {
      if (!has(cron_.hours, hour)) continue;
      for (unsigned minute = 0; minute < 60; ++minute) {
        if (!has(cron_.minutes, minute)) continue;
        const auto time = day.time_since_epoch() + std::chrono::hours(hour) + std::chrono::minutes(minute);
        const WallTime due =
            zone_ == nullptr
                ? WallTime(time)
                : WallTime(zone_->to_sys(date::local_time<std::chrono::minutes>(time), date::choose::earliest));
        if (due > after) return due;
      }
    }
  }
  return std::nullopt;
}

WallTime Schedule::next(std::optional<WallTime> last, WallTime since, core::Duration delay) const {
  const auto later = std::chrono::duration_cast<WallTime::duration>(delay);
  if (interval_.count() != 0) return last ? *last + interval_ : since + later;
  const auto due = next_minute(last.value_or(since) - later);
  return due ? *due + later : WallTime::max();
}

}  // namespace actions::backup

namespace core::config {

Result<actions::backup::Schedule> Codec<actions::backup::Schedule>::read(const Node& node) {
  if (!node.is_scalar()) return fail(node.error("expected a duration or a cron line, got {}", node.describe()));
  Result<actions::backup::Schedule> schedule = actions::backup::Schedule::parse(node.scalar());
  if (!schedule) return fail(node.error("{}", schedule.error().message));
  return schedule;
}

}  // namespace core::config
