// SPDX-License-Identifier: Apache-2.0
// What conditions say over a small ring: what is not known is never a yes.
#include "actions/remedy/condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/time/simulated_clock.h"

namespace actions::remedy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class ConditionTest : public ::testing::Test {
 protected:
  ConditionTest() {
    put({{"__name__", "up"}, {"job", "geth"}, {"instance", "a"}}, 1);
    put({{"__name__", "up"}, {"job", "geth"}, {"instance", "b"}}, 0);
    put({{"__name__", "peers"}, {"instance", "a"}}, 12);
    put({{"__name__", "ratio"}, {"instance", "a"}}, std::nan(""));
    put({{"__name__", "slashed"}}, 0);
  }

  void put(core::ring::Labels labels, double value, core::Duration ago = {}) {
    const auto timeline = *appender_->open_timeline();
    const auto series = *appender_->upsert(timeline, labels);
    appender_->begin(timeline, clock_.unix_ms() - std::chrono::duration_cast<core::Millis>(ago).count());
    appender_->append(series, value);
    appender_->publish();
  }
  Answer ask(const std::string& expr, Question::Kind kind = Question::Kind::kCondition,
             core::Duration fresh = minutes(2)) {
    return lookout_.answer({.kind = kind, .name = "it", .text = expr}, fresh, {});
  }
  std::string verdict(const std::string& expr) {
    const Answer answer = ask(expr);
    return std::string(to_string(answer.verdict)) + (answer.why.empty() ? "" : ": " + answer.why);
  }

  core::SimulatedClock clock_;
  std::unique_ptr<core::ring::Ring> ring_ = core::ring::make_memory_ring();
  std::unique_ptr<core::ring::Appender> appender_ = ring_->make_appender();
  std::optional<core::Duration> backup_age_;
  RingLookout lookout_{ring_->reader(), clock_, {}, [this](const std::string&) { return backup_age_; }};
};

TEST_F(ConditionTest, ThreeValues) {
  const std::pair<const char*, const char*> cases[] = {
      // A comparison holds for all that it compares, whatever the compared value is.
      {"up{instance=\"a\"} == 1", "yes"},
      {"up == 1", "no: does not hold"},
      {"min(up{job=\"geth\"}) == 1", "no: does not hold"},
      {"max(up{job=\"geth\"}) == 1", "yes"},
      {"slashed == 0", "yes"},
      {"(slashed) == 0", "yes"},
      {"slashed > 0", "no: does not hold"},
      {"peers > on(instance) up{instance=\"a\"}", "yes"},
      {"0 == slashed", "yes"},
      {"peers >= bool 10", "yes"},
      {"peers >= bool 13", "no: does not hold"},
      // Values: not zero is yes.
      {"up{instance=\"a\"}", "yes"},
      {"up", "no: does not hold"},
      {"absent(nothing)", "yes"},
      {"1 > bool 0", "yes"},
      {"0", "no: does not hold"},
      {"up{instance=\"a\"} == 1 and on(instance) peers > 10", "yes"},
      {"up{instance=\"b\"} == 0 and on(instance) up{instance=\"b\"}", "yes"},
      {"up{instance=\"a\"} == 1 and on(instance) peers > 100", "unknown: no samples"},
      {"slashed == 0 or peers > 100", "yes"},
      // What nobody knows.
      {"nothing", "unknown: no samples"},
      {"nothing == 0", "unknown: no samples"},
      {"peers > nothing", "unknown: no samples"},
      {"absent(up)", "unknown: no samples"},
      {"ratio", "unknown: a value is NaN"},
      {"ratio != 1", "unknown: a value is NaN"},
      {"peers != on(instance) ratio", "unknown: a value is NaN"},
      {"slashed / slashed != 1", "unknown: a value is NaN"},
      {"NaN", "unknown: a value is NaN"},
  };
  for (const auto& [expr, expected] : cases) EXPECT_EQ(verdict(expr), expected) << expr;
  EXPECT_EQ(ask("up ==").verdict, Verdict::kUnknown);
  EXPECT_EQ(ask("label_replace(up, \"instance\", \"x\", \"job\", \".*\") == 1").verdict, Verdict::kUnknown);
}

TEST_F(ConditionTest, OldSamplesAreNone) {
  clock_.advance(seconds(119));
  EXPECT_EQ(verdict("slashed == 0"), "yes");
  clock_.advance(seconds(2));
  EXPECT_EQ(verdict("slashed == 0"), "unknown: no samples");
  EXPECT_EQ(ask("slashed == 0", Question::Kind::kCondition, minutes(10)).verdict, Verdict::kYes);
  clock_.advance(minutes(4));  // the engine's own look-back bounds it
  EXPECT_EQ(ask("slashed == 0", Question::Kind::kCondition, minutes(10)).verdict, Verdict::kUnknown);
}

TEST_F(ConditionTest, AClockThatStepsMakesSamplesUnknown) {
  clock_.step_wall(std::chrono::hours(1));
  EXPECT_EQ(verdict("slashed == 0"), "unknown: no samples");
  clock_.step_wall(-std::chrono::hours(2));
  EXPECT_EQ(verdict("slashed == 0"), "unknown: no samples");
}

TEST_F(ConditionTest, Numbers) {
  EXPECT_EQ(ask("sum(up)", Question::Kind::kNumber).value, 1);
  EXPECT_EQ(ask("sum(up)", Question::Kind::kNumber).verdict, Verdict::kYes);
  EXPECT_EQ(ask("count(up == 7)", Question::Kind::kNumber).why, "no samples");
  EXPECT_EQ(ask("up", Question::Kind::kNumber).why, "more than one value");
  EXPECT_EQ(ask("ratio", Question::Kind::kNumber).why, "not a number");
  EXPECT_EQ(ask("1 / 0", Question::Kind::kNumber).why, "not a number");
}

TEST_F(ConditionTest, Backups) {
  EXPECT_EQ(ask("keys", Question::Kind::kBackupAge).verdict, Verdict::kUnknown);
  backup_age_ = seconds(90);
  EXPECT_EQ(ask("keys", Question::Kind::kBackupAge).value, 90);
}

TEST(Condition, IsCheckedWhenItIsLoaded) {
  EXPECT_TRUE(check_condition("up == 1"));
  EXPECT_TRUE(check_condition("1"));
  EXPECT_FALSE(check_condition("up[5m]"));
  EXPECT_FALSE(check_condition("\"text\""));
  EXPECT_FALSE(check_condition("up ="));
  EXPECT_FALSE(check_condition(""));
}

}  // namespace
}  // namespace actions::remedy
