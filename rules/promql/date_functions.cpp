// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/date_functions.h"

#include <cmath>
#include <cstdint>
#include <optional>

#include "core/ring/sample.h"

namespace rules::promql {

namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int64_t kDaysPerEra = 146'097;  // 400 years
// Seconds up to here convert to a year without overflow anywhere below; std::chrono's calendar ends at year 32767.
constexpr double kLargestTime = 9.2e18;

struct Date {
  std::int64_t year = 0;
  std::int64_t month = 0;
  std::int64_t day = 0;
};

std::int64_t floor_divide(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

bool is_leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// Civil date of a day number since 1970-01-01 in the proleptic Gregorian calendar; years of the computation begin in
// March, so that the leap day comes last.
Date civil_date(std::int64_t days) {
  days += 719'468;  // since 0000-03-01
  const std::int64_t era = floor_divide(days, kDaysPerEra);
  const std::int64_t day_of_era = days - era * kDaysPerEra;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_shifted_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_shifted_year + 2) / 153;
  const std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_shifted_year - (153 * shifted_month + 2) / 5 + 1};
}

std::int64_t month_length(const Date& date) {
  if (date.month == 2) return is_leap(date.year) ? 29 : 28;
  return date.month == 4 || date.month == 6 || date.month == 9 || date.month == 11 ? 30 : 31;
}

template <class Part>
double part_of(double seconds, Part part) {
  if (!(std::fabs(seconds) < kLargestTime)) return core::ring::normal_nan();
  return static_cast<double>(part(static_cast<std::int64_t>(seconds)));
}

template <class Part>
double part_of_date(double seconds, Part part) {
  return part_of(seconds, [part](std::int64_t time) { return part(civil_date(floor_divide(time, kSecondsPerDay))); });
}

std::int64_t second_of_day(std::int64_t time) { return time - floor_divide(time, kSecondsPerDay) * kSecondsPerDay; }

}  // namespace

double day_of_month(double seconds) {
  return part_of_date(seconds, [](const Date& date) { return date.day; });
}

double day_of_week(double seconds) {
  return part_of(seconds, [](std::int64_t time) {
    const std::int64_t days = floor_divide(time, kSecondsPerDay) + 4;  // the epoch was a Thursday
    return days - floor_divide(days, 7) * 7;
  });
}

double day_of_year(double seconds) {
  return part_of_date(seconds, [](const Date& date) {
    std::int64_t days = date.day;
    for (std::int64_t before = 1; before < date.month; ++before) days += month_length({date.year, before, 1});
    return days;
  });
}

double days_in_month(double seconds) { return part_of_date(seconds, month_length); }

double hour(double seconds) {
  return part_of(seconds, [](std::int64_t time) { return second_of_day(time) / 3600; });
}

double minute(double seconds) {
  return part_of(seconds, [](std::int64_t time) { return second_of_day(time) / 60 % 60; });
}

double month(double seconds) {
  return part_of_date(seconds, [](const Date& date) { return date.month; });
}

double year(double seconds) {
  return part_of_date(seconds, [](const Date& date) { return date.year; });
}

}  // namespace rules::promql
