// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "actions/remedy/journal.h"
#include "core/time/duration.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;
using nlohmann::json;

json time_json(const std::optional<WallTime>& time) {
  return time ? json(core::format_rfc3339(std::chrono::floor<core::Millis>(*time))) : json(nullptr);
}

json step_json(const StepRun& step) {
  json value = {{"kind", step.step.kind()},
                {"description", step.step.to_string()},
                {"repeatable", step.step.repeatable()},
                {"state", to_string(step.state)},
                {"attempts", step.attempts},
                {"started", time_json(step.started)},
                {"finished", time_json(step.finished)},
                {"result", step.result},
                {"output", step.output}};
  if (const auto* backup = std::get_if<BackupStep>(&step.step.action)) value["backup"] = backup->backup;
  if (const auto* exec = std::get_if<ExecStep>(&step.step.action)) {
    value["argv"] = exec->argv;
    value["timeout_ms"] = exec->timeout.count();
    value["output_limit_bytes"] = exec->output_limit.bytes;
  }
  return value;
}

// Reading: exceptions of the JSON library (a missing key, a wrong type) stop in run_from_json_text.

std::optional<WallTime> time_at(const json& object, const char* key) {
  const json& value = object.at(key);
  if (value.is_null()) return std::nullopt;
  const Result<WallTime> time = core::parse_rfc3339(value.get<std::string>());
  if (!time) throw std::invalid_argument(time.error().message);
  return *time;
}

StepRun read_step(const json& object) {
  StepRun step;
  const std::string kind = object.at("kind");
  if (kind == "backup") {
    step.step.action = BackupStep{object.at("backup")};
  } else if (kind == "exec") {
    ExecStep exec;
    exec.argv = object.at("argv").get<std::vector<std::string>>();
    exec.timeout = core::Millis(object.at("timeout_ms").get<std::int64_t>());
    exec.output_limit.bytes = object.at("output_limit_bytes");
    exec.repeatable = object.at("repeatable");
    step.step.action = std::move(exec);
  } else {
    throw std::invalid_argument("unknown step kind " + kind);
  }
  const std::optional<StepState> state = step_state_from(object.at("state").get<std::string>());
  if (!state) throw std::invalid_argument("unknown step state");
  step.state = *state;
  step.attempts = object.at("attempts");
  step.started = time_at(object, "started");
  step.finished = time_at(object, "finished");
  step.result = object.at("result");
  step.output = object.at("output");
  return step;
}

Run read_run(const json& object) {
  Run run;
  run.id = object.at("id");
  run.remediation = object.at("name");
  std::vector<core::ring::Label> labels;
  for (const auto& [name, value] : object.at("alert").items()) labels.push_back({name, value.get<std::string>()});
  run.alert = core::ring::Labels(std::move(labels));
  run.fired_at = time_at(object, "fired_at").value_or(WallTime{});
  const std::string level = object.at("level");
  for (const auto& each : kLevelNames) {
    if (each.name == level) run.level = each.value;
  }
  const std::optional<RunState> state = run_state_from(object.at("state").get<std::string>());
  if (!state) throw std::invalid_argument("unknown run state");
  run.state = *state;
  run.final = object.at("final");
  run.reason = object.at("reason");
  run.decided_by = object.at("decided_by");
  run.created = time_at(object, "created").value_or(WallTime{});
  run.started = time_at(object, "started");
  run.finished = time_at(object, "finished");
  for (const json& step : object.at("steps")) run.steps.push_back(read_step(step));
  return run;
}

}  // namespace

std::string to_json_text(const Run& run) {
  json alert = json::object();
  for (const core::ring::Label& label : run.alert) alert[label.name] = label.value;
  json steps = json::array();
  for (const StepRun& step : run.steps) steps.push_back(step_json(step));
  const json value = {{"id", run.id},
                      {"name", run.remediation},
                      {"alert", std::move(alert)},
                      {"fired_at", time_json(run.fired_at)},
                      {"level", core::config::Codec<Level>::print(run.level)},
                      {"state", to_string(run.state)},
                      {"final", run.final},
                      {"reason", run.reason},
                      {"decided_by", run.decided_by},
                      {"created", time_json(run.created)},
                      {"started", time_json(run.started)},
                      {"finished", time_json(run.finished)},
                      {"steps", std::move(steps)}};
  // Keys are sorted and there is no white space: the form that the audit log hashes. What a program printed may not be
  // UTF-8: replaced.
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Run> run_from_json_text(std::string_view text) {
  try {
    return read_run(json::parse(text));
  } catch (const std::exception& problem) {
    return fail(Errc::kInvalid, "a run in the journal cannot be read: {}", problem.what());
  }
}

}  // namespace actions::remedy
