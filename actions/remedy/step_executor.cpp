// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/step_executor.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "actions/remedy/aws_step_run.h"
#include "actions/remedy/kubernetes_step_run.h"
#include "actions/remedy/vault_step_run.h"
#include "core/net/send_and_wait.h"
#include "core/process/unit_wait.h"
#include "core/time/duration.h"
#include "core/time/stoppable_wait.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::process::Exit;
using core::process::UnitStatus;

constexpr std::uint64_t kAnswerBytesMax = 1 << 20;

// The end of what a step printed: errors last.
std::string tail_of(const Exit& exit) {
  std::string all = exit.output;
  if (!all.empty() && !exit.errors.empty() && !all.ends_with('\n')) all += '\n';
  return tail(all + exit.errors);
}

// Label names hold no other characters in classic exporters; a UTF-8 name keeps its shape.
std::string variable_of(const std::string& label) {
  std::string name = "WATCHKEEPER_LABEL_";
  for (const char c : label) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    name += plain ? c : '_';
  }
  return name;
}

// More than slewing (500 parts in a million) makes of the quarter of an hour for which outcomes are looked for.
constexpr auto kClockTolerance = std::chrono::seconds(2);

// Whether wall time has not gone as steady time has since the step began. Not known counts as so.
bool clock_was_set_since(const StepRun& step, const core::Clock& clock) {
  if (!step.started || !step.started_steady) return true;
  const core::Duration wall = clock.wall_now() - *step.started;
  const core::Duration steady = clock.steady_now() - *step.started_steady;
  const core::Duration apart = wall - steady;
  return apart > kClockTolerance || apart < -kClockTolerance;
}

}  // namespace

Task StepExecutor::task_of(const StartStep& start, std::stop_token stop) const {
  const StepRun& step = start.snapshot->steps[start.step];
  Task task;
  task.name = fmt::format("{}/{}", start.run, start.step + 1);
  task.attempt = step.attempts;
  task.started = step.started;
  task.stop = std::move(stop);
  const std::scoped_lock lock(mutex_);
  task.protection = protection_;
  return task;
}

void StepExecutor::protect(ProtectionPtr protection) {
  const std::scoped_lock lock(mutex_);
  protection_ = std::move(protection);
}

StepFinished StepExecutor::run(const StartStep& start, std::stop_token stop) {
  StepFinished finished = std::visit([&](const auto& step) { return carry_out(start, step, stop); },
                                     start.snapshot->steps[start.step].step.action);
  finished.run = start.run;
  finished.step = start.step;
  return finished;
}

StepSeen StepExecutor::look(const StartStep& start, std::stop_token stop) {
  const StepRun& step = start.snapshot->steps[start.step];
  StepSeen seen{start.run, start.step, Verdict::kUnknown, "there is no way to tell"};
  if (const auto* exec = std::get_if<ExecStep>(&step.step.action); exec != nullptr && !exec->check.empty()) {
    const Result<Exit> exit = with_.commands.run(command_of(start, *exec, exec->check), stop);
    seen.why = exit ? "check " + exit->to_string() : exit.error().message;
    const bool told = exit && exit->status && !exit->timed_out && !exit->stopped;
    if (told && *exit->status == 0) seen.happened = Verdict::kYes;
    if (told && *exit->status == 1) seen.happened = Verdict::kNo;
  }
  if (const auto* systemd = std::get_if<SystemdStep>(&step.step.action)) {
    const Result<UnitStatus> unit = settled(*systemd, stop);
    seen.why = unit ? fmt::format("{} is {} since {}", systemd->unit, unit->active_state,
                                  core::format_rfc3339(unit->active_since))
                    : unit.error().message;
    if (unit && unit->active_state == "active" && step.started) {
      if (clock_was_set_since(step, with_.around.clock)) {
        seen.why +=
            "; the clock was set since, or the machine slept or was started anew, so that times cannot be compared";
      } else {
        seen.happened = unit->active_since >= *step.started ? Verdict::kYes : Verdict::kNo;
      }
    }
  }
  if (const auto* aws = std::get_if<AwsStep>(&step.step.action)) {
    seen = AwsStepRun(with_.around, *aws, task_of(start, stop)).look();
  }
  if (const auto* kubernetes = std::get_if<KubernetesStep>(&step.step.action)) {
    seen = KubernetesStepRun(with_.around, *kubernetes, task_of(start, stop)).look();
  }
  if (const auto* vault = std::get_if<VaultStep>(&step.step.action)) {
    seen = VaultStepRun(with_.around, *vault, task_of(start, stop)).look();
  }
  seen.run = start.run;
  seen.step = start.step;
  return seen;
}

StepFinished StepExecutor::carry_out(const StartStep& start, const BackupStep& step, std::stop_token stop) {
  const Result<backup::Record> record = with_.backups.take(step.backup, start.run, stop);
  if (record && record->succeeded) {
    StepFinished finished =
        succeeded(fmt::format("snapshot {}, {} bytes", record->snapshot.id, record->snapshot.bytes));
    finished.output = record->note;
    return finished;
  }
  StepFinished finished = stop.stop_requested() ? stopped() : failed("");
  finished.result = record ? record->error : record.error().message;
  return finished;
}

core::process::Command StepExecutor::command_of(const StartStep& start, const ExecStep& step,
                                                const std::vector<std::string>& argv) const {
  core::process::Command command;
  command.argv = argv;
  command.timeout = step.timeout;
  command.output_limit = static_cast<std::size_t>(step.output_limit.bytes);
  for (const core::ring::Label& label : start.snapshot->alert) {
    command.environment[variable_of(label.name)] = label.value;
  }
  command.environment["WATCHKEEPER_ALERTNAME"] = start.snapshot->alert.get("alertname");
  command.environment["WATCHKEEPER_REMEDIATION"] = start.snapshot->remediation;
  command.environment["WATCHKEEPER_RUN"] = start.run;
  return command;
}

StepFinished StepExecutor::carry_out(const StartStep& start, const ExecStep& step, std::stop_token stop) {
  const Result<Exit> exit = with_.commands.run(command_of(start, step, step.argv), stop);
  if (!exit) return failed(exit.error().message);
  StepFinished finished = exit->succeeded() ? succeeded("") : failed("");
  if (exit->stopped) finished.outcome = Outcome::kStopped;
  finished.result = exit->to_string();
  finished.output = tail_of(*exit);
  return finished;
}

StepFinished StepExecutor::carry_out(const StartStep&, const HttpStep& step, std::stop_token stop) {
  core::net::Request request;
  request.method = step.method;
  request.url = step.url;
  for (const auto& [name, value] : step.headers) request.headers.emplace_back(name, value);
  request.body = step.body;
  request.timeout = step.timeout;
  request.body_limit = kAnswerBytesMax;
  request.credentials.token_file = step.bearer_token_file.path;
  request.tls.ca_file = step.ca_file.path;
  const Result<core::net::Response> answer = core::net::send_and_wait(with_.around.http, std::move(request), stop);
  if (stop.stop_requested() && !answer) return stopped();
  if (!answer) return failed(answer.error().message);
  const core::net::Response& response = *answer;
  const bool expected = step.expect_status.empty() ? response.status / 100 == 2
                                                   : std::find(step.expect_status.begin(), step.expect_status.end(),
                                                               response.status) != step.expect_status.end();
  StepFinished finished = expected ? succeeded("") : failed("");
  finished.result = fmt::format("status {} {}", response.status, response.reason);
  finished.output = tail(response.body);
  return finished;
}

Result<UnitStatus> StepExecutor::settled(const SystemdStep& step, std::stop_token stop) const {
  return core::process::wait_until_settled(with_.services, with_.around.clock, step.unit, step.timeout, stop);
}

StepFinished StepExecutor::carry_out(const StartStep&, const SystemdStep& step, std::stop_token stop) {
  using core::process::UnitVerb;
  const UnitVerb verb = step.action == UnitAction::kStart  ? UnitVerb::kStart
                        : step.action == UnitAction::kStop ? UnitVerb::kStop
                                                           : UnitVerb::kRestart;
  if (auto asked = with_.services.ask(verb, step.unit, core::process::kUnitCallTimeout); !asked)
    return failed(asked.error().message);
  const Result<UnitStatus> unit = settled(step, stop);
  if (!unit) return unit.error().code == Errc::kCancelled ? stopped() : failed(unit.error().message);
  const bool wanted = step.action == UnitAction::kStop
                          ? unit->active_state == "inactive" || unit->active_state == "failed"
                          : unit->active_state == "active";
  const std::string text = fmt::format("{} is {} ({})", step.unit, unit->active_state, unit->sub_state);
  return wanted ? succeeded(text) : failed(text);
}

StepFinished StepExecutor::carry_out(const StartStep&, const WaitStep& step, std::stop_token stop) {
  return core::stoppable_wait(step.time, stop) ? succeeded("waited " + core::format_duration(step.time)) : stopped();
}

StepFinished StepExecutor::carry_out(const StartStep& start, const NotifyStep& step, std::stop_token) {
  with_.tell(*start.snapshot, step.text);
  return succeeded("handed to the notifier");
}

StepFinished StepExecutor::carry_out(const StartStep& start, const AwsStep& step, std::stop_token stop) {
  return AwsStepRun(with_.around, step, task_of(start, stop)).carry_out();
}

StepFinished StepExecutor::carry_out(const StartStep& start, const KubernetesStep& step, std::stop_token stop) {
  return KubernetesStepRun(with_.around, step, task_of(start, stop)).carry_out();
}

StepFinished StepExecutor::carry_out(const StartStep& start, const VaultStep& step, std::stop_token stop) {
  return VaultStepRun(with_.around, step, task_of(start, stop)).carry_out();
}

StepFinished StepExecutor::carry_out(const StartStep& start, const RestoreDrillStep& step, std::stop_token stop) {
  const Result<backup::Verification> drill =
      with_.backups.verify(step.backup, backup::VerificationKind::kDrill, start.run, stop);
  if (drill && drill->succeeded) {
    return succeeded(fmt::format("snapshot {}: {} files, {} bytes restored and looked at", drill->snapshot,
                                 drill->files, drill->bytes));
  }
  StepFinished finished = stop.stop_requested() ? stopped() : failed("");
  finished.result = drill ? drill->error : drill.error().message;
  return finished;
}

}  // namespace actions::remedy
