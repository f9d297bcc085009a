// SPDX-License-Identifier: Apache-2.0
// The shipped rule packs: they load, say what a person needs, and are what Prometheus takes for rule files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "rules/alert/rule_file.h"
#include "test/support/background_process.h"

namespace rules {
namespace {

const std::filesystem::path kPacksRoot = WATCHKEEPER_SOURCE_DIR;

std::vector<std::string> pack_paths() {
  const auto found = find_rule_files({(kPacksRoot / "rules/packs/*.yml").string()});
  return found ? found->paths : std::vector<std::string>{};
}

std::string page_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Pack : public testing::TestWithParam<std::string> {};

TEST_P(Pack, EachAlertSaysHowBadWhatAndWhatToDo) {
  const auto groups = read_rule_file(GetParam());
  ASSERT_TRUE(groups) << groups.error().front().message;
  const std::set<std::string> severities = {"critical", "warning"};
  for (const RuleGroupSpec& group : *groups) {
    for (const RuleSpec& rule : group.rules) {
      if (rule.kind == RuleKind::kRecording) continue;
      SCOPED_TRACE(rule.position.to_string() + " " + rule.name);
      EXPECT_TRUE(rule.labels.contains("severity") && severities.contains(rule.labels.at("severity")));
      for (const char* annotation : {"summary", "description", "runbook_url"}) {
        ASSERT_TRUE(rule.annotations.contains(annotation)) << annotation;
        EXPECT_FALSE(rule.annotations.at(annotation).empty()) << annotation;
      }
      EXPECT_EQ(rule.annotations.at("runbook_url"), "docs/runbooks/" + rule.name + ".md");
      const std::string runbook = page_text(kPacksRoot / rule.annotations.at("runbook_url"));
      EXPECT_THAT(runbook, testing::StartsWith("# " + rule.name + "\n"));
      for (const char* part : {"\n## Affected\n", "\n## Check\n", "\n## Mend\n", "\n## Noise\n", "\n## Never\n"}) {
        EXPECT_THAT(runbook, testing::HasSubstr(part));
      }
    }
  }
}

TEST_P(Pack, PromtoolAcceptsIt) {
  const std::filesystem::path log = test_support::fresh_folder("promtool_check_rules") / "log";
  test_support::BackgroundProcess promtool({"promtool", "check", "rules", GetParam()}, log);
  EXPECT_EQ(promtool.wait(std::chrono::seconds(30)), 0) << promtool.log_text();
}

TEST_P(Pack, CheckFindsNothingToSay) {
  const RuleFileCheck check = check_rule_file(GetParam());
  EXPECT_THAT(check.errors, testing::IsEmpty());
  EXPECT_THAT(check.warnings, testing::IsEmpty());
  EXPECT_GT(check.alerting_rules + check.recording_rules, 0U);
}

INSTANTIATE_TEST_SUITE_P(Packs, Pack, testing::ValuesIn(pack_paths()),
                         [](const auto& each) { return std::filesystem::path(each.param).stem().string(); });

TEST(Packs, NamesAreUniqueAndEachRunbookHasItsAlert) {
  std::map<std::string, std::string> seen;
  for (const std::string& path : pack_paths()) {
    const auto groups = read_rule_file(path);
    ASSERT_TRUE(groups) << groups.error().front().message;
    for (const RuleGroupSpec& group : *groups) {
      for (const RuleSpec& rule : group.rules) {
        EXPECT_TRUE(seen.emplace(rule.name, path).second)
            << rule.name << " is in " << path << " and " << seen[rule.name];
      }
    }
  }
  EXPECT_GE(seen.size(), 20U);
  for (const auto& entry : std::filesystem::directory_iterator(kPacksRoot / "docs/runbooks")) {
    EXPECT_TRUE(seen.contains(entry.path().stem().string())) << entry.path() << " has no alert";
  }
}

// Where a mistake could cost the stake, the runbook must say what not to do.
TEST(Packs, RunbooksOfValidatorsForbidASecondOne) {
  for (const char* alert : {"ValidatorNotAttesting", "ValidatorNoBeaconNode", "ValidatorSlashableSigningRefused",
                            "BeaconNodeNotSynced", "BeaconHeadStalled", "TargetDown"}) {
    EXPECT_THAT(page_text(kPacksRoot / "docs/runbooks" / (std::string(alert) + ".md")),
                testing::ContainsRegex("[Nn]ever start (a second|another)"))
        << alert;
  }
}

}  // namespace
}  // namespace rules
