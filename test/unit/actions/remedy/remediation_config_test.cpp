// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/remediation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using core::config::Node;
using ::testing::HasSubstr;

core::Result<std::vector<RemediationConfig>> read(const std::string& yaml) {
  const auto root = Node::parse(yaml, "w.yml");
  if (!root) return core::fail(root.error());
  auto backups = core::config::Codec<std::vector<backup::BackupConfig>>::read(root->find("backups"));
  if (!backups) return core::fail(backups.error());
  if (auto checked = backup::check_backups(*backups, *root); !checked) return core::fail(checked.error());
  auto remediations = core::config::Codec<std::vector<RemediationConfig>>::read(root->find("remediations"));
  if (!remediations) return remediations;
  if (auto checked = check_remediations(*remediations, *backups, *root); !checked) return core::fail(checked.error());
  return remediations;
}

constexpr const char* kBackups = R"(backups:
- name: keys
  source: {paths: [/etc/hostname]}
  repository: /tmp/r
  password_file: password
  schedule: "15 * * * *"
)";

TEST(RemediationConfig, ReadsTheWholeShape) {
  const auto remediations = read(std::string(kBackups) + R"(remediations:
- name: restart-geth
  match: ['alertname="GethStuck"', 'severity=~"critical|page"']
  level: auto
  limits: {cooldown: 10m, runs: 2, window: 6h}
  steps:
  - backup: keys
  - exec: {argv: [/bin/echo, "a b"], timeout: 5s, output_limit: 1KB, repeatable: true}
- name: careful
  match: ['alertname="X"']
  steps: [{exec: {argv: [x]}}]
)");
  ASSERT_TRUE(remediations) << remediations.error().message;
  const RemediationConfig& first = remediations->at(0);
  EXPECT_EQ(first.match.size(), 2U);
  EXPECT_EQ(first.level, Level::kAuto);
  EXPECT_EQ(first.limits.cooldown, std::chrono::minutes(10));
  EXPECT_EQ(first.limits.runs, 2U);
  EXPECT_EQ(first.limits.window, std::chrono::hours(6));
  ASSERT_EQ(first.steps.size(), 2U);
  EXPECT_EQ(first.steps[0], Step{BackupStep{"keys"}});
  EXPECT_EQ(first.steps[1].to_string(), "exec /bin/echo \"a b\"");
  EXPECT_TRUE(first.steps[1].repeatable());
  EXPECT_EQ(std::get<ExecStep>(first.steps[1].action).output_limit.bytes, 1024U);
  EXPECT_EQ(remediations->at(1).level, Level::kPropose);  // nothing acts unless it was told to
  EXPECT_FALSE(remediations->at(1).steps[0].repeatable());
}

TEST(RemediationConfig, RefusesWithAPlace) {
  const std::string head = "remediations:\n- name: r\n  match: ['a=\"b\"']\n";
  const std::pair<std::string, std::string> cases[] = {
      {"remediations: [{name: r, steps: [{backup: keys}]}]", "missing key \"match\""},
      {"remediations: [{name: r, match: [], steps: [{backup: keys}]}]", "it would act on every alert"},
      {"remediations: [{name: r, match: ['a'], steps: [{backup: keys}]}]", "w.yml:1:34: bad matcher format: a"},
      {head + "  steps: []", "expected 1 to 32 steps"},
      {head + "  steps: [{systemd: {}}]", "w.yml:4:12: steps of kind \"systemd\" are not supported yet"},
      {head + "  steps: [{shell: rm}]", "unknown step \"shell\": expected backup or exec"},
      {head + "  steps: [{exec: {argv: []}}]", "argv is empty"},
      {head + "  steps: [{exec: {argv: [x, '{{ .Labels.a }}']}}]", "templates in argv"},
      {head + "  steps: [{exec: {argv: [x], timeout: 0s}}]", "timeout must be more than zero"},
      {head + "  steps: [{exec: {argv: [x], shell: true}}]", "shell"},
      {head + "  steps: [{backup: nowhere}]", "w.yml:2:3: remediation \"r\": no backup is named \"nowhere\""},
      {head + "  level: yolo\n  steps: [{exec: {argv: [x]}}]", "expected one of observe, propose, approve, auto"},
      {head + "  cooldown: 5m\n  steps: [{exec: {argv: [x]}}]", "limits: {cooldown: ...}"},
      {head + "  verify: {}\n  steps: [{exec: {argv: [x]}}]", "not supported yet"},
      {head + "  limits: {runs: 0}\n  steps: [{exec: {argv: [x]}}]", "runs must be at least 1"},
      {head + "  steps: [{exec: {argv: [x]}}]\n- name: r\n  match: ['a=b']\n  steps: [{exec: {argv: [x]}}]",
       "w.yml:5:3: remediation name \"r\" is not unique"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto remediations = read(yaml);
    ASSERT_FALSE(remediations) << yaml;
    EXPECT_THAT(remediations.error().message, HasSubstr(expected)) << yaml;
    EXPECT_THAT(remediations.error().message, HasSubstr("w.yml:")) << yaml;
  }
}

TEST(BackupConfig, RefusesWithAPlace) {
  const std::string head = "backups:\n- name: b\n  repository: /r\n  password_file: p\n";
  const std::pair<std::string, std::string> cases[] = {
      {head, "missing key \"source\""},
      {head + "  source: {paths: []}", "source: expected one of paths, with a path in it"},
      {head + "  source: {paths: [etc]}", "expected an absolute path, got \"etc\""},
      {head + "  source: {vault_raft: {}}", "not supported yet"},
      {head + "  source: {paths: [/etc]}\n  schedule: sometimes", "w.yml:6:13: expected a duration"},
      {head + "  source: {paths: [/etc]}\n  schedule: 61 * * * *", "w.yml:6:13: minute \"61\""},
      {head + "  source: {paths: [/etc]}\n  retention: 5", "retention"},
      {head + "  source: {paths: [/etc]}\n" + head.substr(9) + "  source: {paths: [/etc]}", "is not unique"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto read_back = read(yaml);
    ASSERT_FALSE(read_back) << yaml;
    EXPECT_THAT(read_back.error().message, HasSubstr(expected)) << yaml;
    EXPECT_THAT(read_back.error().message, HasSubstr("w.yml:")) << yaml;
  }
}

}  // namespace
}  // namespace actions::remedy
