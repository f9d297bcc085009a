// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/time_interval.h"

#include <gmock/gmock.h>

#include "core/time/duration.h"

namespace actions::notify {
namespace {

using testing::HasSubstr;

core::Result<IntervalSpec> spec(const std::string& yaml) {
  const auto node = core::config::Node::parse(yaml, "f.yml");
  if (!node) return core::fail(node.error());
  const auto config = IntervalSpecConfig::fields().read(*node);
  if (!config) return core::fail(config.error());
  return build_interval(*config);
}

TEST(TimeIntervalTest, ContainsTable) {
  struct Case {
    std::string spec;
    std::string instant;
    bool in;
  };
  const std::string evening = "{times: [{start_time: '22:00', end_time: '24:00'}]}";
  const std::string vienna = "{times: [{start_time: '09:00', end_time: '17:00'}], location: Europe/Vienna}";
  for (const Case& each : std::vector<Case>{
           {evening, "2026-11-22T21:59:59Z", false},
           {evening, "2026-11-22T22:00:00Z", true},
           {evening, "2026-11-22T23:59:59Z", true},
           {evening, "2026-11-23T00:00:00Z", false},
           {"{weekdays: ['monday:friday']}", "2026-11-22T12:00:00Z", false},  // a Sunday
           {"{weekdays: ['monday:friday']}", "2026-11-23T12:00:00Z", true},
           {"{weekdays: [Sunday]}", "2026-11-22T12:00:00Z", true},
           {"{days_of_month: ['1:5', '-1']}", "2026-02-28T12:00:00Z", true},
           {"{days_of_month: ['1:5', '-1']}", "2026-03-28T12:00:00Z", false},
           {"{days_of_month: ['1:5', '-1']}", "2026-03-31T12:00:00Z", true},
           {"{months: ['november:december']}", "2026-11-22T12:00:00Z", true},
           {"{months: ['1', '2:3']}", "2026-11-22T12:00:00Z", false},
           {"{years: ['2026:2028']}", "2029-01-01T00:00:00Z", false},
           {"{years: ['2026']}", "2026-12-31T23:59:59Z", true},
           {vienna, "2026-07-01T07:00:00Z", true},   // summer time: UTC+2
           {vienna, "2026-12-01T07:30:00Z", false},  // winter time: UTC+1
           {vienna, "2026-12-01T08:00:00Z", true},
           {"{weekdays: [monday], months: [may]}", "2026-11-23T12:00:00Z", false},
           {"{weekdays: []}", "2026-11-23T12:00:00Z", false},
       }) {
    const auto built = spec(each.spec);
    ASSERT_TRUE(built) << each.spec << built.error().message;
    EXPECT_EQ(built->contains(*core::parse_rfc3339(each.instant)), each.in) << each.spec << " " << each.instant;
  }
}

TEST(TimeIntervalTest, BadTable) {
  for (const auto& [yaml, error] : std::vector<std::pair<std::string, std::string>>{
           {"{times: [{start_time: '22:00'}]}", "both start and end times must be provided"},
           {"{times: [{start_time: '22:00', end_time: '06:00'}]}", "start time cannot be equal or greater"},
           {"{times: [{start_time: '9:00', end_time: '10:00'}]}", "couldn't parse timestamp 9:00, invalid format"},
           {"{times: [{start_time: '09:00', end_time: '24:01'}]}", "couldn't parse timestamp 24:01"},
           {"{weekdays: [mon]}", "mon is not a valid weekday"},
           {"{weekdays: ['friday:monday']}", "start day cannot be before end day"},
           {"{days_of_month: ['0']}", "0 is not a valid day of the month: out of range"},
           {"{days_of_month: ['-3:3']}", "end day must be negative if start day is negative"},
           {"{days_of_month: ['30:-5']}", "end day -5 is always before start day 30"},
           {"{months: [foo]}", "foo is not a valid month"},
           {"{months: ['13']}", "13 is not a valid month"},
           {"{months: ['may:january']}", "end month january is before start month may"},
           {"{years: ['2021:2020']}", "end year 2020 is before start year 2021"},
           {"{days_of_month: ['1:2:3']}", "couldn't parse range 1:2:3, invalid format"},
           {"{location: Mars/Phobos}", "unknown time zone Mars/Phobos"},
       }) {
    const auto built = spec(yaml);
    ASSERT_FALSE(built) << yaml;
    EXPECT_THAT(built.error().message, HasSubstr(error)) << yaml;
  }
}

}  // namespace
}  // namespace actions::notify
