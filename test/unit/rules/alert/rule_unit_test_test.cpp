// SPDX-License-Identifier: Apache-2.0
// Rule unit tests have the verdicts of promtool, which runs beside ours on the same files.
#include "rules/alert/rule_unit_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "rules/alert/rule_file.h"
#include "test/support/background_process.h"

namespace rules {
namespace {

const std::filesystem::path kCasesRoot = WATCHKEEPER_SOURCE_DIR;

std::vector<std::string> test_files() {
  const auto found = find_rule_files(
      {(kCasesRoot / "test/golden/rules/*_test.yml").string(), (kCasesRoot / "rules/packs/tests/*.yml").string()});
  return found ? found->paths : std::vector<std::string>{};
}

struct Verdict {
  bool passed;
  std::string text;
};

Verdict promtool(const std::string& path) {
  const std::filesystem::path log = test_support::fresh_folder("promtool_test_rules") / "log";
  test_support::BackgroundProcess process({"promtool", "test", "rules", path}, log);
  const std::optional<int> status = process.wait(std::chrono::seconds(60));
  EXPECT_TRUE(status == 0 || status == 1) << process.log_text();
  return {status == 0, process.log_text()};
}

class RuleUnitTest : public testing::TestWithParam<std::string> {};

TEST_P(RuleUnitTest, HasPromtoolsVerdict) {
  const core::SystemClock clock;
  const RuleTestReport ours = run_rule_tests(GetParam(), clock);
  const Verdict theirs = promtool(GetParam());
  EXPECT_EQ(ours.passed(), theirs.passed) << testing::PrintToString(ours.failures) << theirs.text;
  const bool meant_to_pass = std::filesystem::path(GetParam()).filename().string().starts_with("bad_") == false;
  EXPECT_EQ(ours.passed(), meant_to_pass) << testing::PrintToString(ours.failures);
}

INSTANTIATE_TEST_SUITE_P(Files, RuleUnitTest, testing::ValuesIn(test_files()),
                         [](const auto& each) { return std::filesystem::path(each.param).stem().string(); });

class RuleUnitTestText : public testing::TestWithParam<const char*> {};

TEST_P(RuleUnitTestText, IsPromtoolsText) {
  const std::string path = (kCasesRoot / "test/golden/rules" / GetParam()).string();
  const core::SystemClock clock;
  const RuleTestReport ours = run_rule_tests(path, clock);
  ASSERT_EQ(ours.failures.size(), 1U);
  EXPECT_THAT(promtool(path).text, testing::HasSubstr(ours.failures.front()));
}

INSTANTIATE_TEST_SUITE_P(Files, RuleUnitTestText,
                         testing::Values("bad_missing_alert_test.yml", "bad_annotation_test.yml", "bad_value_test.yml",
                                         "bad_nan_test.yml", "bad_late_samples_test.yml"),
                         [](const auto& each) { return std::filesystem::path(each.param).stem().string(); });

TEST(RuleUnitTestErrors, NameThePlace) {
  const core::SystemClock clock;
  const auto failure = [&clock](const char* file) {
    return run_rule_tests((kCasesRoot / "test/golden/rules" / file).string(), clock).failures.at(0);
  };
  EXPECT_THAT(failure("bad_unknown_key_test.yml"), testing::HasSubstr("bad_unknown_key_test.yml:3:5: "));
  EXPECT_THAT(failure("bad_rules_test.yml"),
              testing::HasSubstr("broken.yml:5:20: group \"g\", rule 1, \"r\": could not parse"));
  EXPECT_THAT(failure("bad_rule_error_test.yml"),
              testing::HasSubstr("rule: same, time: 0s, err: vector contains metrics"));
  EXPECT_THAT(failure("bad_no_alertname_test.yml"),
              testing::HasSubstr("misses required attribute alertname at eval_time 5m"));
  EXPECT_THAT(failure("no_such_file.yml"), testing::HasSubstr("no_such_file.yml"));
}

}  // namespace
}  // namespace rules
