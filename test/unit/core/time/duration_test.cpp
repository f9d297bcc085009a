// SPDX-License-Identifier: Apache-2.0
#include "core/time/duration.h"

#include <gtest/gtest.h>

namespace core {
namespace {

using std::chrono::milliseconds;

TEST(ParseDuration, ReadsWhatPrometheusReads) {
  struct Case {
    std::string_view text;
    std::int64_t ms;
  };
  for (const Case& c : std::initializer_list<Case>{{"0", 0},
                                                   {"0s", 0},
                                                   {"1ms", 1},
                                                   {"15s", 15'000},
                                                   {"1m30s", 90'000},
                                                   {"1h30m", 5'400'000},
                                                   {"1d", 86'400'000},
                                                   {"1w", 604'800'000},
                                                   {"1y", 31'536'000'000},
                                                   {"1y1w1d1h1m1s1ms", 32'230'861'001}}) {
    const auto parsed = parse_duration(c.text);
    ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->count(), c.ms) << c.text;
  }
}

TEST(ParseDuration, RefusesTheRestWithTheText) {
  for (const std::string_view text : {"5", "-5s", "1.5s", "s", "1s1m", "1s1s", "1x", "1 s", " 1s", "1s ", "1m1ms1s"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().message, fmt::format("not a valid duration string: \"{}\"", text));
    EXPECT_EQ(parsed.error().code, Errc::kInvalid);
  }
  EXPECT_EQ(parse_duration("").error().message, "empty duration string");
  EXPECT_EQ(parse_duration("293y").error().message, "duration out of range: \"293y\"");
  EXPECT_EQ(parse_duration("99999999999999999999s").error().message,
            "duration out of range: \"99999999999999999999s\"");
}

TEST(FormatDuration, IsCanonical) {
  struct Case {
    std::string_view given;
    std::string_view canonical;
  };
  for (const Case& c : std::initializer_list<Case>{{"0", "0s"},
                                                   {"90s", "1m30s"},
                                                   {"14d", "2w"},
                                                   {"36h", "1d12h"},
                                                   {"400d", "400d"},
                                                   {"365d", "1y"},
                                                   {"60m", "1h"},
                                                   {"1001ms", "1s1ms"}}) {
    EXPECT_EQ(format_duration(*parse_duration(c.given)), c.canonical);
  }
  EXPECT_EQ(format_duration(milliseconds(-90'000)), "-1m30s");
  EXPECT_EQ(format_duration(milliseconds::min()).front(), '-');
}

TEST(Rfc3339, RoundTrips) {
  for (const std::string_view text : {"1970-01-01T00:00:00Z", "2026-02-28T23:59:59.5Z",
                                      "2024-02-29T12:00:00.000000001Z", "1969-12-31T23:59:59.999Z"}) {
    const auto time = parse_rfc3339(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(format_rfc3339(*time), text);
  }
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2026-01-01T01:30:00+01:30")), "2026-01-01T00:00:00Z");
}

TEST(Rfc3339, RefusesWhatIsNotATime) {
  for (const std::string_view text :
       {"", "2026-01-01", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.0000000001Z", "2026-01-01T00:00:00Zx", "3000-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

}  // namespace
}  // namespace core
