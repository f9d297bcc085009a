// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "actions/remedy/run.h"
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

// Keys are sorted and there is no white space: the form that is hashed. What a program printed may not be UTF-8:
// replaced.
std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json labels_json(const core::ring::Labels& labels) {
  json object = json::object();
  for (const core::ring::Label& label : labels) object[label.name] = label.value;
  return object;
}

json step_json(const Step& step) {
  json value = {{"kind", step.kind()},
                {"description", step.to_string()},
                {"repeat", to_string(step.repeat())},
                {"repeatable", step.repeat() == Repeat::kIdempotent}};
  if (const auto* backup = std::get_if<BackupStep>(&step.action)) value["backup"] = backup->backup;
  if (const auto* exec = std::get_if<ExecStep>(&step.action)) {
    value["argv"] = exec->argv;
    value["timeout_ms"] = exec->timeout.count();
    value["output_limit_bytes"] = exec->output_limit.bytes;
    if (!exec->check.empty()) value["check"] = exec->check;
  }
  if (const auto* http = std::get_if<HttpStep>(&step.action)) {
    value["method"] = http->method;
    value["url"] = http->url;
    value["headers"] = http->headers;
    value["body"] = http->body;
    value["expect_status"] = http->expect_status;
    value["timeout_ms"] = http->timeout.count();
    value["bearer_token_file"] = http->bearer_token_file.path;
    value["ca_file"] = http->ca_file.path;
  }
  if (const auto* systemd = std::get_if<SystemdStep>(&step.action)) {
    value["unit"] = systemd->unit;
    value["action"] = core::config::Codec<UnitAction>::print(systemd->action);
    value["timeout_ms"] = systemd->timeout.count();
  }
  if (const auto* wait = std::get_if<WaitStep>(&step.action)) value["wait_ms"] = wait->time.count();
  if (const auto* notify = std::get_if<NotifyStep>(&step.action)) value["text"] = notify->text;
  if (!step.rollback.empty()) {
    value["rollback"] = json::array();
    for (const Step& undo : step.rollback) value["rollback"].push_back(step_json(undo));
  }
  return value;
}

json step_run_json(const StepRun& step) {
  json value = step_json(step.step);
  value.update({{"state", to_string(step.state)},
                {"attempts", step.attempts},
                {"started", time_json(step.started)},
                {"finished", time_json(step.finished)},
                {"result", step.result},
                {"output", step.output}});
  return value;
}

// Reading: exceptions of the JSON library (a missing key, a wrong type) stop in run_from_json_text.

std::optional<WallTime> time_at(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  const Result<WallTime> time = core::parse_rfc3339(found->get<std::string>());
  if (!time) throw std::invalid_argument(time.error().message);
  return *time;
}

core::Millis millis_at(const json& object, const char* key) { return core::Millis(object.at(key).get<std::int64_t>()); }

HttpStep read_http(const json& object) {
  HttpStep http;
  http.method = object.at("method");
  http.url = object.at("url");
  http.headers = object.at("headers").get<std::map<std::string, std::string>>();
  http.body = object.at("body");
  http.expect_status = object.at("expect_status").get<std::vector<std::uint16_t>>();
  http.timeout = millis_at(object, "timeout_ms");
  http.repeatable = object.at("repeatable").get<bool>();
  http.bearer_token_file.path = object.at("bearer_token_file");
  http.ca_file.path = object.at("ca_file");
  return http;
}

SystemdStep read_systemd(const json& object) {
  SystemdStep systemd;
  systemd.unit = object.at("unit");
  systemd.timeout = millis_at(object, "timeout_ms");
  const std::string action = object.at("action");
  for (const auto& each : kUnitActionNames) {
    if (each.name == action) systemd.action = each.value;
  }
  return systemd;
}

Step read_step(const json& object) {
  Step step;
  const std::string kind = object.at("kind");
  if (kind == "backup") {
    step.action = BackupStep{object.at("backup")};
  } else if (kind == "exec") {
    ExecStep exec;
    exec.argv = object.at("argv").get<std::vector<std::string>>();
    exec.timeout = millis_at(object, "timeout_ms");
    exec.output_limit.bytes = object.at("output_limit_bytes");
    exec.repeatable = object.at("repeatable");
    exec.check = object.value("check", std::vector<std::string>());
    step.action = std::move(exec);
  } else if (kind == "http") {
    step.action = read_http(object);
  } else if (kind == "systemd") {
    step.action = read_systemd(object);
  } else if (kind == "wait") {
    step.action = WaitStep{millis_at(object, "wait_ms")};
  } else if (kind == "notify") {
    step.action = NotifyStep{object.at("text")};
  } else {
    throw std::invalid_argument("unknown step kind " + kind);
  }
  if (const auto rollback = object.find("rollback"); rollback != object.end()) {
    for (const json& undo : *rollback) step.rollback.push_back(read_step(undo));
  }
  return step;
}

StepRun read_step_run(const json& object) {
  StepRun step;
  step.step = read_step(object);
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

// Keys that runs of earlier versions lack.
void read_later_keys(const json& object, Run& run) {
  const std::optional<Phase> phase = phase_from(object.value("phase", "steps"));
  if (!phase) throw std::invalid_argument("unknown phase");
  run.phase = *phase;
  run.steps_done = time_at(object, "steps_done");
  run.plan = object.value("plan", "");
  run.budget = object.value("budget", "");
  run.escalated_from = object.value("escalated_from", "");
  run.failure = object.value("failure", "");
  for (const json& each : object.value("approvals", json::array())) {
    run.approvals.push_back({each.at("who"), time_at(each, "at").value_or(WallTime{})});
  }
  for (const json& each : object.value("findings", json::array())) {
    run.findings.push_back({each.at("name"), each.at("verdict"), each.at("why")});
  }
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
  for (const json& step : object.at("steps")) run.steps.push_back(read_step_run(step));
  read_later_keys(object, run);
  return run;
}

}  // namespace

std::string to_json_text(const Run& run) {
  json steps = json::array();
  for (const StepRun& step : run.steps) steps.push_back(step_run_json(step));
  json approvals = json::array();
  for (const Approval& each : run.approvals) approvals.push_back({{"who", each.who}, {"at", time_json(each.at)}});
  json findings = json::array();
  for (const Finding& each : run.findings) {
    findings.push_back({{"name", each.name}, {"verdict", each.verdict}, {"why", each.why}});
  }
  return dump({{"id", run.id},
               {"name", run.remediation},
               {"alert", labels_json(run.alert)},
               {"fired_at", time_json(run.fired_at)},
               {"level", core::config::Codec<Level>::print(run.level)},
               {"state", to_string(run.state)},
               {"phase", to_string(run.phase)},
               {"final", run.final},
               {"reason", run.reason},
               {"decided_by", run.decided_by},
               {"created", time_json(run.created)},
               {"started", time_json(run.started)},
               {"finished", time_json(run.finished)},
               {"steps_done", time_json(run.steps_done)},
               {"plan", run.plan},
               {"budget", run.budget},
               {"escalated_from", run.escalated_from},
               {"failure", run.failure},
               {"approvals", std::move(approvals)},
               {"findings", std::move(findings)},
               {"steps", std::move(steps)}});
}

Result<Run> run_from_json_text(std::string_view text) {
  try {
    return read_run(json::parse(text));
  } catch (const std::exception& problem) {
    return fail(Errc::kInvalid, "a run in the journal cannot be read: {}", problem.what());
  }
}

Result<Plan> make_plan(const RemediationConfig& remediation, const core::ring::Labels& alert) {
  Plan plan;
  json steps = json::array();
  for (const Step& step : remediation.steps) {
    Result<Step> rendered = render(step, alert);
    if (!rendered) return fail(rendered.error());
    steps.push_back(step_json(*rendered));
    plan.steps.push_back(std::move(*rendered));
  }
  json verify = nullptr;
  if (remediation.verify) {
    verify = {{"expr", remediation.verify->expr}, {"within_ms", remediation.verify->within.count()}};
  }
  plan.hash = sha256_hex(dump({{"remediation", remediation.name},
                               {"alert", labels_json(alert)},
                               {"steps", std::move(steps)},
                               {"verify", std::move(verify)},
                               {"then", remediation.on_failure.then},
                               {"approvals", remediation.approval.required},
                               {"approvers", remediation.approval.approvers}}));
  return plan;
}

}  // namespace actions::remedy
