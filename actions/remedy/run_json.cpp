// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "actions/protection/validator_words.h"
#include "actions/remedy/protection.h"
#include "actions/remedy/run.h"
#include "actions/remedy/step_json.h"
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

json step_json(const Step& step) { return json::parse(step_json_text(step)); }

json step_run_json(const StepRun& step) {
  json value = step_json(step.step);
  value.update({{"state", to_string(step.state)},
                {"attempts", step.attempts},
                {"started", time_json(step.started)},
                {"finished", time_json(step.finished)},
                {"result", step.result},
                {"output", step.output}});
  if (step.started_steady) value["started_steady_ns"] = step.started_steady->time_since_epoch().count();
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

StepRun read_step_run(const json& object) {
  StepRun step;
  Result<Step> read = step_from_json_text(object.dump());
  if (!read) throw std::invalid_argument(read.error().message);
  step.step = std::move(*read);
  const std::optional<StepState> state = step_state_from(object.at("state").get<std::string>());
  if (!state) throw std::invalid_argument("unknown step state");
  step.state = *state;
  step.attempts = object.at("attempts");
  step.started = time_at(object, "started");
  if (const auto steady = object.find("started_steady_ns"); steady != object.end()) {
    step.started_steady = core::SteadyTime(std::chrono::nanoseconds(steady->get<std::int64_t>()));
  }
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
  if (remediation.spares_validators) {
    for (const core::ring::Label& label : alert) {
      if (!protection::names_a_validator(label.value)) continue;
      return fail(Errc::kInvalid, "{}={} says that the host holds validators, which are not replaced", label.name,
                  label.value);
    }
  }
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
