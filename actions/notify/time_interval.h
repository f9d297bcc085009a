// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config/table.h"
#include "core/time/clock.h"

namespace actions::notify {

// From `start_time` (HH:MM, inclusive) to `end_time` (exclusive, up to 24:00); never past midnight.
struct ClockRangeConfig {
  std::string start_time;
  std::string end_time;

  bool operator==(const ClockRangeConfig&) const = default;
  static const core::config::Table<ClockRangeConfig>& fields();
};

// One specification: an instant is in it if every field that is given has a range with the instant in it.
struct IntervalSpecConfig {
  std::optional<std::vector<ClockRangeConfig>> times;
  std::optional<std::vector<std::string>> weekdays;       // monday:friday
  std::optional<std::vector<std::string>> days_of_month;  // 1:5, -3:-1
  std::optional<std::vector<std::string>> months;         // january:march, 12
  std::optional<std::vector<std::string>> years;          // 2026:2028
  std::string location;                                   // empty: UTC

  bool operator==(const IntervalSpecConfig&) const = default;
  static const core::config::Table<IntervalSpecConfig>& fields();
};

// `time_intervals`: a named set of instants, in any of the specifications.
struct TimeIntervalConfig {
  std::string name;
  std::vector<IntervalSpecConfig> time_intervals;

  bool operator==(const TimeIntervalConfig&) const = default;
  static const core::config::Table<TimeIntervalConfig>& fields();
};

// Bounds in whole units, both inclusive. Days of a month may be negative: -1 is the last.
using UnitRange = std::pair<int, int>;

// A specification with its ranges read.
//
// Thread safety: immutable after construction.
struct IntervalSpec {
  std::optional<std::vector<UnitRange>> minutes_of_day;
  std::optional<std::vector<UnitRange>> weekdays;  // Sunday is 0
  std::optional<std::vector<UnitRange>> days_of_month;
  std::optional<std::vector<UnitRange>> months;
  std::optional<std::vector<UnitRange>> years;
  std::string location;

  bool contains(core::WallTime instant) const;
};

// kInvalid, in Alertmanager's words.
core::Result<IntervalSpec> build_interval(const IntervalSpecConfig& config);

bool contains(const std::vector<IntervalSpec>& specs, core::WallTime instant);

}  // namespace actions::notify
