// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actions/remedy/run.h"
#include "sample_remediations.h"

namespace actions::remedy {
namespace {

using ::testing::HasSubstr;

core::ring::Labels alert(const std::string& instance) {
  return core::ring::Labels({{"alertname", "Stuck"}, {"instance", instance}, {"job", "geth"}});
}

TEST(Step, RendersTheAlertsLabels) {
  const auto step = render(exec_step({"/bin/restart", "{{ .Labels.instance }}", "--job={{ $labels.job }}", "plain"}),
                           alert("a:9100"));
  ASSERT_TRUE(step) << step.error().message;
  EXPECT_EQ(step->to_string(), "exec /bin/restart a:9100 --job=geth plain");
  const Step http{
      HttpStep{.url = "http://x/{{ .Labels.instance }}", .headers = {{"H", "{{ .Labels.job }}"}}, .body = "{}"},
      {Step{NotifyStep{"undone at {{ .Labels.instance }}"}, {}}}};
  const auto sent = render(http, alert("a"));
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->to_string(), "http POST http://x/a");
  EXPECT_EQ(std::get<HttpStep>(sent->action).headers.at("H"), "geth");
  EXPECT_EQ(sent->rollback[0].to_string(), "notify \"undone at a\"");
}

TEST(Step, WhatALabelCouldTurnIntoSomethingElseIsNoPlan) {
  struct Case {
    const char* argument;
    const char* instance;
    const char* expected;
  };
  const Case cases[] = {
      {"{{ .Labels.instance }}", "--force", "becomes an option"},
      {"{{ .Labels.instance }}", "-rf", "becomes an option"},
      {"{{ .Labels.instance }}", "a\nb", "control characters"},
      {"{{ .Labels.host }}", "a", "the alert has no label host"},
      {"/data/{{ .Labels.host }}", "a", "the alert has no label host"},
      {"{{ $labels.host }}x", "a", "the alert has no label host"},
      {"{{ if eq .Labels.instance \"b\" }}x{{ end }}", "a", "is empty for this alert"},
  };
  for (const Case& each : cases) {
    const auto step = render(exec_step({"/bin/x", each.argument}), alert(each.instance));
    ASSERT_FALSE(step) << each.argument;
    EXPECT_THAT(step.error().message, HasSubstr(each.expected));
  }
  EXPECT_TRUE(render(exec_step({"/bin/x", "--to={{ .Labels.instance }}"}), alert("-rf")));
}

TEST(Step, SaysWhatMayBeRepeated) {
  ExecStep checked{.argv = {"x"}};
  checked.check = {"y"};
  const std::pair<Step, Repeat> cases[] = {
      {exec_step({"x"}), Repeat::kNeedsPerson},
      {exec_step({"x"}, true), Repeat::kIdempotent},
      {Step{checked, {}}, Repeat::kVerifiable},
      {Step{HttpStep{.method = "POST"}, {}}, Repeat::kNeedsPerson},
      {Step{HttpStep{.method = "DELETE"}, {}}, Repeat::kNeedsPerson},
      {Step{HttpStep{.method = "GET"}, {}}, Repeat::kIdempotent},
      {Step{HttpStep{.method = "GET", .repeatable = false}, {}}, Repeat::kNeedsPerson},
      {Step{HttpStep{.method = "PUT", .repeatable = true}, {}}, Repeat::kIdempotent},
      {Step{SystemdStep{"a.service", UnitAction::kStart}, {}}, Repeat::kIdempotent},
      {Step{SystemdStep{"a.service", UnitAction::kStop}, {}}, Repeat::kIdempotent},
      {Step{SystemdStep{"a.service", UnitAction::kRestart}, {}}, Repeat::kVerifiable},
      {Step{WaitStep{core::Millis(5)}, {}}, Repeat::kIdempotent},
      {Step{NotifyStep{"x"}, {}}, Repeat::kIdempotent},
      {Step{BackupStep{"x"}, {}}, Repeat::kIdempotent},
  };
  for (const auto& [step, expected] : cases) EXPECT_EQ(step.repeat(), expected) << step.to_string();
}

TEST(Plan, HashIsOfEverythingThatWouldBeDone) {
  const RemediationConfig config = remediation("r", Level::kApprove, {exec_step({"/bin/x", "{{ .Labels.instance }}"})});
  const auto hash = [](const RemediationConfig& each, const core::ring::Labels& labels) {
    return make_plan(each, labels)->hash;
  };
  const std::string base = hash(config, alert("a"));
  EXPECT_EQ(base.size(), 64U);
  EXPECT_EQ(base, hash(config, alert("a")));
  EXPECT_NE(base, hash(config, alert("b")));
  const auto changed = [&](auto change) {
    RemediationConfig other = config;
    change(other);
    return hash(other, alert("a"));
  };
  EXPECT_NE(base, changed([](auto& c) { std::get<ExecStep>(c.steps[0].action).timeout *= 2; }));
  EXPECT_NE(base, changed([](auto& c) { c.steps[0].rollback = {exec_step({"/bin/undo"})}; }));
  EXPECT_NE(base, changed([](auto& c) { c.verify = VerifyConfig{"up == 1"}; }));
  EXPECT_NE(base, changed([](auto& c) { c.on_failure.then = "other"; }));
  EXPECT_NE(base, changed([](auto& c) { c.approval.required = 2; }));
  EXPECT_NE(base, changed([](auto& c) { c.approval.approvers = {"ann"}; }));
  EXPECT_EQ(base, changed([](auto& c) { c.limits.runs = 9; }));
}

TEST(RunJson, EveryKindOfStepComesBack) {
  remedy::Run run;
  run.id = "id";
  run.remediation = "r";
  run.phase = Phase::kRollingBack;
  run.plan = "hash";
  run.budget = "b";
  run.escalated_from = "parent";
  run.failure = "broke";
  run.approvals = {{"ann", core::from_unix_ms(5)}};
  run.findings = {{"require x", "no", "does not hold"}};
  ExecStep exec{.argv = {"x"}};
  exec.check = {"y", "z"};
  AwsStep aws;
  aws.action = AwsAction::kCompleteLifecycleAction;
  aws.instance = "i-1";
  aws.group = "g";
  aws.volume = "v";
  aws.hook = "h";
  aws.result = "ABANDON";
  aws.launch_template = "lt";
  aws.state = "stopped";
  aws.decrement = aws.force = aws.allow_validators = true;
  aws.timeout = core::Millis(3);
  aws.account = {"r", "p", "role", "x", "http://e", "http://a", {"/c"}, core::Millis(250)};
  KubernetesStep kubernetes;
  kubernetes.action = KubernetesAction::kScale;
  kubernetes.node = "n";
  kubernetes.name_space = "ns";
  kubernetes.pod = "p";
  kubernetes.workload = "deployment/x";
  kubernetes.taint = "a:NoExecute";
  kubernetes.replicas = 4;
  kubernetes.grace_period = core::Millis(7000);
  kubernetes.force = kubernetes.delete_emptydir_data = kubernetes.allow_validators = true;
  kubernetes.timeout = core::Millis(4);
  kubernetes.cluster = {"https://k", {"/t"}, {"/c"}, "name"};
  VaultStep vault;
  vault.action = VaultAction::kRaftSnapshot;
  vault.name_space = "admin";
  vault.file = "/f";
  vault.timeout = core::Millis(5);
  vault.cluster = {{"https://v"}, {"/t"}, {"/c"}, "name"};
  for (Step step : {Step{aws, {}}, Step{kubernetes, {}}, Step{vault, {}}, Step{RestoreDrillStep{"k"}, {}},
                    Step{BackupStep{"k"}, {}}, Step{exec, {exec_step({"undo"})}},
                    Step{HttpStep{.method = "PUT",
                                  .url = "https://x/",
                                  .headers = {{"a", "b"}},
                                  .body = "c",
                                  .expect_status = {201},
                                  .repeatable = true,
                                  .bearer_token_file = {"/t"},
                                  .ca_file = {"/c"}},
                         {}},
                    Step{SystemdStep{"a.service", UnitAction::kStop, core::Millis(7)}, {}},
                    Step{WaitStep{core::Millis(9)}, {}}, Step{NotifyStep{"text"}, {}}}) {
    run.steps.emplace_back().step = std::move(step);
  }
  const auto back = run_from_json_text(to_json_text(run));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(to_json_text(*back), to_json_text(run));
  for (std::size_t i = 0; i < run.steps.size(); ++i) EXPECT_EQ(back->steps[i].step, run.steps[i].step) << i;
}

}  // namespace
}  // namespace actions::remedy
