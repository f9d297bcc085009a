// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/time/duration.h"

namespace actions::backup {
namespace {

using ::testing::HasSubstr;

std::string next_of(std::string_view schedule, std::string_view after) {
  const auto parsed = Schedule::parse(schedule);
  if (!parsed) return parsed.error().message;
  return core::format_rfc3339(parsed->next(*core::parse_rfc3339(after), {}));
}

struct Case {
  std::string_view schedule;
  std::string_view after;
  std::string_view next;
};

TEST(Schedule, FindsTheNextTime) {
  const Case cases[] = {
      {"6h", "2026-01-02T03:04:05Z", "2026-01-02T09:04:05Z"},
      {"15 * * * *", "2026-01-02T03:04:05Z", "2026-01-02T03:15:00Z"},
      {"15 * * * *", "2026-01-02T03:15:00Z", "2026-01-02T04:15:00Z"},
      {"15 * * * *", "2026-01-02T03:14:59.999Z", "2026-01-02T03:15:00Z"},
      {"*/20 * * * *", "2026-01-02T03:41:00Z", "2026-01-02T04:00:00Z"},
      {"5/20 * * * *", "2026-01-02T03:06:00Z", "2026-01-02T03:25:00Z"},
      {"0 3,15 * * *", "2026-01-02T04:00:00Z", "2026-01-02T15:00:00Z"},
      {"30 22-23 * * *", "2026-12-31T23:30:00Z", "2027-01-01T22:30:00Z"},
      {"0 0 1 jan *", "2026-01-02T00:00:00Z", "2027-01-01T00:00:00Z"},
      {"0 0 * * mon-fri", "2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z"},  // a Friday, then Monday
      {"0 0 * * 7", "2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z"},
      {"0 0 * * SUN", "2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z"},
      {"0 0 13 * fri", "2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"},  // either day field is enough
      {"0 0 31 * *", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"},
      {"0 12 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T12:00:00Z"},
      {"0 12 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T12:00:00Z"},  // 2100 has none
      {"CRON_TZ=Europe/Berlin 15 4 * * *", "2026-01-02T00:00:00Z", "2026-01-02T03:15:00Z"},
      {"CRON_TZ=Europe/Berlin 15 4 * * *", "2026-07-02T00:00:00Z", "2026-07-02T02:15:00Z"},
      {"CRON_TZ=Asia/Tokyo 0 1 * * mon", "2026-01-04T15:59:00Z", "2026-01-04T16:00:00Z"},  // Monday there
      {"CRON_TZ=America/New_York 0 20 31 12 *", "2026-12-31T23:59:00Z", "2027-01-01T01:00:00Z"},
      // Berlin goes from 2:00 to 3:00 on 29 March, and from 3:00 to 2:00 on 25 October.
      {"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
      {"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
      {"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
      {"CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
      {"CRON_TZ=UTC 15 * * * *", "2026-01-02T03:04:05Z", "2026-01-02T03:15:00Z"},
  };
  for (const Case& each : cases) EXPECT_EQ(next_of(each.schedule, each.after), each.next) << each.schedule;
}

TEST(Schedule, WithoutALastRunAnIntervalIsDueAtOnceAndACronLineAtItsMinute) {
  const auto since = *core::parse_rfc3339("2026-01-02T03:04:05Z");
  EXPECT_EQ(Schedule::parse("6h")->next(std::nullopt, since), since);
  EXPECT_EQ(core::format_rfc3339(Schedule::parse("15 * * * *")->next(std::nullopt, since)), "2026-01-02T03:15:00Z");
}

TEST(Schedule, ComesLaterByItsDelay) {
  const auto at = [](std::string_view text) { return *core::parse_rfc3339(text); };
  const auto later = std::chrono::minutes(10);
  const auto cron = *Schedule::parse("0 4 * * *");
  EXPECT_EQ(cron.next(at("2026-01-02T04:05:00Z"), {}, later), at("2026-01-02T04:10:00Z"));
  EXPECT_EQ(cron.next(at("2026-01-02T04:10:00Z"), {}, later), at("2026-01-03T04:10:00Z"));
  EXPECT_EQ(cron.next(std::nullopt, at("2026-01-02T04:11:00Z"), later), at("2026-01-03T04:10:00Z"));
  const auto interval = *Schedule::parse("6h");
  EXPECT_EQ(interval.next(std::nullopt, at("2026-01-02T04:00:00Z"), later), at("2026-01-02T04:10:00Z"));
  EXPECT_EQ(interval.next(at("2026-01-02T04:10:00Z"), {}, later), at("2026-01-02T10:10:00Z"));
}

TEST(Schedule, RefusesWhatNeverComesOrMeansNothing) {
  const std::pair<std::string_view, std::string> cases[] = {
      {"", "expected a duration such as \"6h\""},
      {"soon", "expected a duration such as \"6h\""},
      {"59s", "shorter than a minute"},
      {"* * * *", "five fields"},
      {"* * * * * *", "five fields"},
      {"60 * * * *", "minute \"60\" of the cron line: expected *, or numbers from 0 to 59"},
      {"* 24 * * *", "hour \"24\""},
      {"* * 0 * *", "day of month \"0\""},
      {"* * * 13 *", "month \"13\""},
      {"* * * * 8", "day of week \"8\""},
      {"5-1 * * * *", "minute \"5-1\""},
      {"*/0 * * * *", "minute \"*/0\""},
      {"1,,2 * * * *", "minute \"1,,2\""},
      {"0 0 30 2 *", "never comes"},
      {"CRON_TZ=Middle/Earth 0 0 * * *", "no time zone is named \"Middle/Earth\""},
      {"CRON_TZ= 0 0 * * *", "no time zone is named \"\""},
      {"CRON_TZ=UTC 0 0 * *", "five fields"},
  };
  for (const auto& [text, expected] : cases) {
    const auto parsed = Schedule::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr(expected)) << text;
  }
}

}  // namespace
}  // namespace actions::backup
