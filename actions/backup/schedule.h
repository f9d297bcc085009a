// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/config/codec.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace date {
class time_zone;
}

namespace actions::backup {

// When something is due: every so often ("6h"), or at the minutes of a cron line ("15 */4 * * mon-fri"), in UTC or in
// the zone that is named before it ("CRON_TZ=Europe/Berlin 15 4 * * *").
// Cron: minute hour day-of-month month day-of-week; `*`, lists, ranges, steps; months and days also by their English
// three-letter names; 7 is Sunday; when both day fields are restricted either is enough (POSIX crontab). Where a zone's
// clock goes forward, what would be due in the hour that is skipped is due at its end, once; where it goes back, what
// is due in the hour that comes twice is due in the first of the two.
//
// Thread safety: a value.
class Schedule {
 public:
  // kInvalid says which field is wrong and what it may hold; a line that never comes (30 February) is refused.
  static core::Result<Schedule> parse(std::string_view text);

  // The first due time after `last`, the start of the last run. None has been: an interval is due at once, a cron line
  // at its first minute after `since`.
  // Everything comes `delay` later than it says, but for an interval after the last run, which has had it already.
  core::WallTime next(std::optional<core::WallTime> last, core::WallTime since,
                      core::Duration delay = core::Duration::zero()) const;

  const std::string& to_string() const { return text_; }
  bool operator==(const Schedule& other) const { return text_ == other.text_; }

 private:
  // Bit n set: the value n matches.
  struct Cron {
    std::uint64_t minutes = 0;
    std::uint64_t hours = 0;
    std::uint64_t days = 0;
    std::uint64_t months = 0;
    std::uint64_t weekdays = 0;
    bool any_day = false;      // the field is `*`
    bool any_weekday = false;  // likewise
  };

  static core::Result<Cron> parse_cron(std::string_view text);
  static bool matches_day(const Cron& cron, std::chrono::sys_days day);
  // None within eight years: the longest gap between two 29 Februaries.
  std::optional<core::WallTime> next_minute(core::WallTime after) const;

  std::string text_;
  core::Millis interval_{};  // zero: cron_ counts
  Cron cron_;
  const date::time_zone* zone_ = nullptr;  // none is UTC
};

}  // namespace actions::backup

namespace core::config {

template <>
struct Codec<actions::backup::Schedule> {
  static Result<actions::backup::Schedule> read(const Node& node);
  static std::string print(const actions::backup::Schedule& value) { return value.to_string(); }
  static TypeDescription describe() { return {"duration or cron line", {}}; }
};

}  // namespace core::config
