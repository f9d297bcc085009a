// SPDX-License-Identifier: Apache-2.0
// What is said about the shipped packs: every alert has a unit test that shows it firing and one that shows it silent,
// and docs/alerts.md lists them all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/time/duration.h"
#include "rules/alert/rule_file.h"
#include "rules/alert/rule_unit_test_file.h"

namespace rules {
namespace {

const std::filesystem::path kRoot = WATCHKEEPER_SOURCE_DIR;

std::vector<std::string> paths_of(const char* pattern) {
  const auto found = find_rule_files({(kRoot / pattern).string()});
  return found ? found->paths : std::vector<std::string>{};
}

std::vector<RuleGroupSpec> groups_of(const std::string& path) {
  const auto groups = read_rule_file(path);
  EXPECT_TRUE(groups) << groups.error().front().message;
  return groups ? *groups : std::vector<RuleGroupSpec>{};
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

TEST(PackCoverage, EachAlertIsShownFiringAndShownSilent) {
  std::set<std::string> firing;
  std::set<std::string> silent;
  for (const std::string& path : paths_of("rules/packs/tests/*.yml")) {
    const auto file = RuleTestFile::read(path);
    ASSERT_TRUE(file) << file.error().message;
    for (const RuleTestGroup& group : file->tests) {
      for (const AlertTestCase& each : group.alert_rule_test) {
        (each.exp_alerts.empty() ? silent : firing).insert(each.alertname);
      }
    }
  }
  std::set<std::string> alerts;
  for (const std::string& path : paths_of("rules/packs/*.yml")) {
    for (const RuleGroupSpec& group : groups_of(path)) {
      for (const RuleSpec& rule : group.rules) {
        if (rule.kind == RuleKind::kRecording) continue;
        alerts.insert(rule.name);
        EXPECT_TRUE(firing.contains(rule.name)) << rule.name << " (" << path << ") is never expected to fire";
        EXPECT_TRUE(silent.contains(rule.name)) << rule.name << " (" << path << ") is never expected to be silent";
      }
    }
  }
  EXPECT_GE(alerts.size(), 150U);
  for (const std::string& name : firing) EXPECT_TRUE(alerts.contains(name)) << name << " is tested and in no pack";
}

constexpr std::string_view kAboutTheAlerts = R"(# Alerts

Every alert of the shipped rule packs (`rules/packs`), with its runbook. This page is made from the packs and
checked by a test, as is that each alert has a runbook and a unit test (`rules/packs/tests`, promtool's format)
that shows it firing and one that shows it silent. The packs are plain Prometheus rule files: `watchkeeper check
rules`, `watchkeeper test rules` and promtool take them as they are.

What holds for all of them:

- *critical* is for a person now, *warning* for a person today. `summary` says what, `description` why it matters,
  `runbook_url` what to do.
- Rules join on `job` and `instance`, as scraping sets them. Give the nodes of one network one job: some rules compare
  the nodes of a job. Nodes of several networks get a label `network`.
- Where one cause explains another the consequence is held back in its rule (`unless`), so that it works without any
  inhibition in the configuration.
- A counter of rare events may have no series before its first event, which `increase()` cannot see. Such rules also
  fire when a count is there that was not there before, while the target was. The few that guard against slashing do
  not ask for the latter: when the watch itself starts anew, they may repeat what happened before.
- A rule over a series that is gone never fires. A target that does not answer is `TargetDown`; one that answers
  without what its alerts need is one of the `...SeriesMissing` alerts, or `VaultSealStateUnknown`.
- Rules look back about six hours at most. A ring that holds less makes them see less;
  `WatchkeeperRingRetentionShort` tells when it holds less than two.
- `observers.yml` needs labels `target` and `observer` on the series of probes; its comment says what they mean.
)";

// What a template says to somebody who reads the rule and not the alert: labels and values by their names.
std::string readable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = text.find("{{");
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) break;
    const std::size_t end = text.find("}}", begin);
    std::string_view inside = text.substr(begin + 2, end - begin - 2);
    text.remove_prefix(std::min(end, text.size() - 2) + 2);
    constexpr std::string_view kLabel = "$labels.";
    const std::size_t label = inside.find(kLabel);
    if (inside.find("if ") != std::string_view::npos || inside.find("end") != std::string_view::npos) continue;
    if (label == std::string_view::npos) {
      out += "*value*";
    } else {
      inside.remove_prefix(label + kLabel.size());
      out.append("*").append(inside.substr(0, inside.find(' '))).append("*");
    }
  }
  return out;
}

// The comment at the head of a pack, which says what it is for.
std::string comment_of(const std::string& path) {
  std::istringstream lines(text_of(path));
  std::string text;
  for (std::string line; std::getline(lines, line) && line.starts_with("# ");) {
    if (!line.starts_with("# SPDX")) text += line.substr(2) + "\n";
  }
  return text;
}

std::string alerts_page() {
  std::string page(kAboutTheAlerts);
  for (const std::string& path : paths_of("rules/packs/*.yml")) {
    page += "\n## " + std::filesystem::path(path).filename().string() + "\n\n" + comment_of(path);
    std::string rows;
    for (const RuleGroupSpec& group : groups_of(path)) {
      for (const RuleSpec& rule : group.rules) {
        if (rule.kind == RuleKind::kRecording) continue;
        const std::string hold = rule.hold_for.count() == 0 ? "" : core::format_duration(rule.hold_for);
        rows.append("| [").append(rule.name).append("](runbooks/").append(rule.name).append(".md) | ");
        rows.append(rule.labels.at("severity")).append(" | ").append(hold).append(" | ");
        rows.append(readable(rule.annotations.at("summary"))).append(" |\n");
      }
    }
    // gates.yml only records.
    if (!rows.empty()) page += "\n| alert | severity | for | what it says |\n|---|---|---|---|\n" + rows;
  }
  return page;
}

TEST(PackCoverage, ThePageOfAlertsIsCurrent) {
  const std::string page = alerts_page();
  const std::filesystem::path file = kRoot / "docs/alerts.md";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(file) << page;
  EXPECT_EQ(text_of(file), page) << file << " is stale: run this test with UPDATE_GOLDEN=1";
}

}  // namespace
}  // namespace rules
