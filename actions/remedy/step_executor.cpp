// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/step_executor.h"

#include <algorithm>
#include <utility>

namespace actions::remedy {
namespace {

using core::Result;
using core::process::Exit;

// The end of what a step printed: errors last.
std::string tail_of(const Exit& exit) {
  std::string all = exit.output;
  if (!all.empty() && !exit.errors.empty() && !all.ends_with('\n')) all += '\n';
  all += exit.errors;
  if (all.size() > kOutputTail) all.erase(0, all.size() - kOutputTail);
  return all;
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

}  // namespace

StepFinished StepExecutor::run(const StartStep& start, std::stop_token stop) {
  const Step& step = start.snapshot->steps[start.step].step;
  StepFinished finished;
  if (const auto* backup = std::get_if<BackupStep>(&step.action)) {
    finished = take_backup(start, *backup, stop);
  } else {
    finished = execute(start, std::get<ExecStep>(step.action), stop);
  }
  finished.run = start.run;
  finished.step = start.step;
  return finished;
}

StepFinished StepExecutor::take_backup(const StartStep& start, const BackupStep& step, std::stop_token stop) {
  const Result<backup::Record> record = backups_.take(step.backup, start.run, stop);
  StepFinished finished;
  finished.outcome = Outcome::kSucceeded;
  if (record && record->succeeded) {
    finished.result = fmt::format("snapshot {}, {} bytes", record->snapshot.id, record->snapshot.bytes);
    finished.output = record->note;
    return finished;
  }
  finished.outcome = stop.stop_requested() ? Outcome::kStopped : Outcome::kFailed;
  finished.result = record ? record->error : record.error().message;
  return finished;
}

StepFinished StepExecutor::execute(const StartStep& start, const ExecStep& step, std::stop_token stop) {
  core::process::Command command;
  command.argv = step.argv;
  command.timeout = step.timeout;
  command.output_limit = static_cast<std::size_t>(step.output_limit.bytes);
  for (const core::ring::Label& label : start.snapshot->alert) {
    command.environment[variable_of(label.name)] = label.value;
  }
  command.environment["WATCHKEEPER_ALERTNAME"] = start.snapshot->alert.get("alertname");
  command.environment["WATCHKEEPER_REMEDIATION"] = start.snapshot->remediation;
  command.environment["WATCHKEEPER_RUN"] = start.run;
  const Result<Exit> exit = commands_.run(command, stop);
  StepFinished finished;
  if (!exit) {
    finished.result = exit.error().message;
    return finished;
  }
  finished.outcome = exit->succeeded() ? Outcome::kSucceeded : Outcome::kFailed;
  if (exit->stopped) finished.outcome = Outcome::kStopped;
  finished.result = exit->to_string();
  finished.output = tail_of(*exit);
  return finished;
}

}  // namespace actions::remedy
