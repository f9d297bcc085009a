// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/step_executor.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "core/process/unit_wait.h"
#include "core/time/duration.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::process::Exit;
using core::process::UnitStatus;

constexpr std::uint64_t kAnswerBytesMax = 1 << 20;

std::string tail(std::string text) {
  if (text.size() > kOutputTail) text.erase(0, text.size() - kOutputTail);
  return text;
}

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

StepFinished failed(std::string why) {
  StepFinished finished;
  finished.outcome = Outcome::kFailed;
  finished.result = std::move(why);
  return finished;
}

StepFinished stopped() {
  StepFinished finished;
  finished.outcome = Outcome::kStopped;
  finished.result = "the agent ended";
  return finished;
}

StepFinished succeeded(std::string what) {
  StepFinished finished;
  finished.outcome = Outcome::kSucceeded;
  finished.result = std::move(what);
  return finished;
}

// False if it was ended by the stop request.
bool wait_for(core::Duration time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

// An answer that another thread brings.
class Answered {
 public:
  void set(Result<core::net::Response> answer) {
    const std::scoped_lock lock(mutex_);
    answer_ = std::move(answer);
    set_.notify_all();
  }
  // None if the stop request came first.
  std::optional<Result<core::net::Response>> wait(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    set_.wait(lock, stop, [&] { return answer_.has_value(); });
    return answer_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any set_;
  std::optional<Result<core::net::Response>> answer_;
};

}  // namespace

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
      seen.happened = unit->active_since >= *step.started ? Verdict::kYes : Verdict::kNo;
    }
  }
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
  const auto answered = std::make_shared<Answered>();
  const auto transfer = with_.http.send(
      std::move(request), [answered](Result<core::net::Response> answer) { answered->set(std::move(answer)); });
  const auto answer = answered->wait(stop);
  if (!answer) {
    with_.http.cancel(transfer);
    return stopped();
  }
  if (!*answer) return failed((*answer).error().message);
  const core::net::Response& response = **answer;
  const bool expected = step.expect_status.empty() ? response.status / 100 == 2
                                                   : std::find(step.expect_status.begin(), step.expect_status.end(),
                                                               response.status) != step.expect_status.end();
  StepFinished finished = expected ? succeeded("") : failed("");
  finished.result = fmt::format("status {} {}", response.status, response.reason);
  finished.output = tail(response.body);
  return finished;
}

Result<UnitStatus> StepExecutor::settled(const SystemdStep& step, std::stop_token stop) const {
  return core::process::wait_until_settled(with_.services, with_.clock, step.unit, step.timeout, stop);
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
  return wait_for(step.time, stop) ? succeeded("waited " + core::format_duration(step.time)) : stopped();
}

StepFinished StepExecutor::carry_out(const StartStep& start, const NotifyStep& step, std::stop_token) {
  with_.tell(*start.snapshot, step.text);
  return succeeded("handed to the notifier");
}

}  // namespace actions::remedy
