// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/remediation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using core::config::Node;
using ::testing::HasSubstr;

core::Result<Policy> read_policy(const std::string& yaml) {
  const auto root = Node::parse(yaml, "w.yml");
  if (!root) return core::fail(root.error());
  auto backups = core::config::Codec<std::vector<backup::BackupConfig>>::read(root->find("backups"));
  if (!backups) return core::fail(backups.error());
  if (auto checked = backup::check_backups(*backups, *root); !checked) return core::fail(checked.error());
  Policy policy;
  auto remediations = core::config::Codec<std::vector<RemediationConfig>>::read(root->find("remediations"));
  if (!remediations) return core::fail(remediations.error());
  policy.remediations = std::move(*remediations);
  auto budgets = core::config::Codec<std::vector<BudgetConfig>>::read(root->find("remediation_budgets"));
  if (!budgets) return core::fail(budgets.error());
  policy.budgets = std::move(*budgets);
  auto gates = core::config::Codec<std::vector<GateConfig>>::read(root->find("remediation_gates"));
  if (!gates) return core::fail(gates.error());
  policy.gates = std::move(*gates);
  auto intervals = core::config::Codec<std::vector<notify::TimeIntervalConfig>>::read(root->find("time_intervals"));
  if (!intervals) return core::fail(intervals.error());
  if (auto checked = check_policy(policy, *backups, *intervals, *root); !checked) return core::fail(checked.error());
  return policy;
}

core::Result<std::vector<RemediationConfig>> read(const std::string& yaml) {
  return read_policy(yaml).map([](Policy policy) { return std::move(policy.remediations); });
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
  EXPECT_EQ(first.steps[0], (Step{BackupStep{"keys"}, {}}));
  EXPECT_EQ(first.steps[1].to_string(), "exec /bin/echo \"a b\"");
  EXPECT_EQ(first.steps[1].repeat(), Repeat::kIdempotent);
  EXPECT_EQ(std::get<ExecStep>(first.steps[1].action).output_limit.bytes, 1024U);
  EXPECT_EQ(remediations->at(1).level, Level::kPropose);  // nothing acts unless it was told to
  EXPECT_EQ(remediations->at(1).steps[0].repeat(), Repeat::kNeedsPerson);
}

TEST(RemediationConfig, RefusesWithAPlace) {
  const std::string head = "remediations:\n- name: r\n  match: ['a=\"b\"']\n";
  const std::pair<std::string, std::string> cases[] = {
      {"remediations: [{name: r, steps: [{exec: {argv: [x]}}]}]", "it would act on every alert"},
      {"remediations: [{name: r, match: [], steps: [{exec: {argv: [x]}}]}]", "it would act on every alert"},
      {"remediations: [{name: r, match: ['a'], steps: [{backup: keys}]}]", "w.yml:1:34: bad matcher format: a"},
      {head + "  steps: []", "expected 1 to 32 steps"},
      {head + "  steps: [{failover: {}}]", "w.yml:4:12: steps of kind \"failover\" are not supported yet"},
      {head + "  steps: [{shell: rm}]", "unknown step \"shell\": expected one of backup, exec"},
      {head + "  steps: [{backup: a, exec: {argv: [x]}}]", "a map with one key"},
      {head + "  steps: [{rollback: {notify: x}}]", "a map with one key"},
      {head + "  steps: [{notify: x, rollback: {notify: y, rollback: {notify: z}}}]", "no rollback of its own"},
      {head + "  steps: [{wait: 0s}]", "wait: expected a time up to 6h"},
      {head + "  steps: [{systemd: {unit: geth}}]", "expected a unit such as geth.service"},
      {head + "  steps: [{systemd: {unit: geth.service, action: kill}}]", "expected one of start, stop, restart"},
      {head + "  steps: [{http: {url: 'ftp://x/'}}]", "expected an http or https URL"},
      {head + "  steps: [{http: {url: 'http://{{ .Labels.instance }}/x'}}]", "the host"},
      {head + "  steps: [{http: {url: 'http://x', method: BREW}}]", "expected the method"},
      {head + "  steps: [{notify: 'at {{ now }}'}]", "may depend on the alert's labels only, not on now"},
      {head + "  steps: [{notify: '{{ .Value }}'}]", "not on Value"},
      {head + "  steps: [{notify: '{{ .Labels.a'}]", "template"},
      {head + "  steps: [{exec: {argv: []}}]", "argv is empty"},
      {head + "  steps: [{exec: {argv: ['{{ .Labels.a }}']}}]", "cannot be a template"},
      {head + "  steps: [{exec: {argv: [x], timeout: 0s}}]", "timeout must be more than zero"},
      {head + "  steps: [{exec: {argv: [x], shell: true}}]", "shell"},
      {head + "  steps: [{backup: nowhere}]", "w.yml:2:3: remediation \"r\": no backup is named \"nowhere\""},
      {head + "  level: yolo\n  steps: [{exec: {argv: [x]}}]", "expected one of observe, propose, approve, auto"},
      {head + "  cooldown: 5m\n  steps: [{exec: {argv: [x]}}]", "limits: {cooldown: ...}"},
      {head + "  verify: {}\n  steps: [{exec: {argv: [x]}}]", "missing key \"expr\""},
      {head + "  verify: {expr: 'up =='}\n  steps: [{notify: x}]", "w.yml:4:11: \"up ==\": 1:6: parse error"},
      {head + "  require: ['up[5m]']\n  steps: [{notify: x}]", "a condition is a number or an instant vector"},
      {head + "  gates: [calm]\n  steps: [{notify: x}]", "no gate is named \"calm\""},
      {head + "  limits: {budget: b}\n  steps: [{notify: x}]", "no budget is named \"b\""},
      {head + "  backup_fresh: {name: b, max_age: 1h}\n  steps: [{notify: x}]", "no backup is named \"b\""},
      {head + "  mute_time_intervals: [night]\n  steps: [{notify: x}]", "no time interval is named \"night\""},
      {head + "  on_failure: {then: x}\n  steps: [{notify: x}]", "no remediation is named \"x\""},
      {head + "  on_failure: {then: r}\n  steps: [{notify: x}]",
       "w.yml:4:15: on_failure leads back to where it began: r -> r"},
      {head +
           "  on_failure: {then: s}\n  steps: [{notify: x}]\n- {name: s, steps: [{notify: x}], on_failure: {then: r}}",
       "r -> s -> r"},
      {head + "  approval: {required: 2, approvers: [ann]}\n  steps: [{notify: x}]", "can never agree"},
      {head + "  steps: [{notify: x}]\nremediation_budgets: [{name: b, min_healthy: 1}]", "need each other"},
      {head + "  steps: [{notify: x}]\nremediation_gates: [{name: g, expr: 'x('}]", "w.yml:5:37"},
      {head + "  steps: [{notify: x}]\nremediation_gates: [{name: g, expr: x}, {name: g, expr: x}]", "not unique"},
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
      {head + "  source: {vault_raft: {}}", "vault_raft: missing key"},
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
