// SPDX-License-Identifier: Apache-2.0
#include "agent/api/drill_api.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "actions/drill/drill_runner.h"
#include "agent/api/envelope.h"
#include "core/time/duration.h"

namespace agent {
namespace {

using actions::drill::DrillConfig;
using actions::drill::DrillSnapshot;
using nlohmann::json;

constexpr const char* kPath = "/api/watchkeeper/v1/drills";

json json_of(const actions::drill::RunPtr& run) {
  return run == nullptr ? json(nullptr) : json::parse(actions::drill::to_json_text(*run));
}

json json_of(const DrillConfig& drill) {
  json expectations = json::array();
  for (const auto& each : actions::drill::expectations_of(drill)) {
    expectations.push_back({{"kind", to_string(each.kind)}, {"what", each.what}, {"withinMs", each.within.count()}});
  }
  return {{"name", drill.name},
          {"component", drill.component},
          {"fault", drill.inject.to_string()},
          {"restore", drill.inject.restoring()},
          {"expectations", std::move(expectations)},
          {"maxDurationMs", drill.max_duration.count()},
          {"allowValidators", drill.allow_validators},
          {"schedule", drill.schedule ? json(drill.schedule->to_string()) : json(nullptr)}};
}

ApiResponse answer(const json& data) { return success(data.dump(-1, ' ', false, json::error_handler_t::replace)); }

ApiResponse refusal(const core::Error& error) {
  switch (error.code) {
    case core::Errc::kNotFound:
      return failure(ErrorType::kNotFound, error.message);
    case core::Errc::kInvalid:
      return failure(ErrorType::kBadData, error.message);
    case core::Errc::kUnavailable:
      return failure(ErrorType::kUnavailable, error.message);
    default:
      return failure(ErrorType::kInternal, error.message);
  }
}

ApiResponse answer_drills(AgentView& agent) {
  const auto snapshot = agent.drills().snapshot();
  json drills = json::array();
  for (const DrillConfig& drill : snapshot->plan->drills) {
    json value = json_of(drill);
    value["last"] = json_of(snapshot->last(drill.name));
    value["lastPassed"] = json_of(snapshot->last_passed(drill.name));
    const auto next = snapshot->next.find(drill.name);
    value["next"] = next == snapshot->next.end() ? json(nullptr) : json(core::format_rfc3339(next->second));
    const auto refusal = snapshot->refusals.find(drill.name);
    value["lastRefusal"] = nullptr;
    if (refusal != snapshot->refusals.end()) {
      value["lastRefusal"] = {
          {"at", core::format_rfc3339(refusal->second.at)}, {"who", refusal->second.who}, {"why", refusal->second.why}};
    }
    drills.push_back(std::move(value));
  }
  return answer(
      {{"drills", std::move(drills)}, {"running", json_of(snapshot->current)}, {"degraded", snapshot->degraded}});
}

ApiResponse answer_plan(AgentView& agent, std::string_view name) {
  const auto outlook = agent.drills().outlook(decode_path(name));
  if (!outlook) return refusal(outlook.error());
  json findings = json::array();
  for (const auto& each : outlook->findings) {
    findings.push_back({{"name", each.name}, {"verdict", each.verdict}, {"why", each.why}});
  }
  json value = json_of(outlook->drill);
  value["units"] = outlook->units;
  value["pod"] = outlook->pods.empty() ? json(nullptr) : json(outlook->pods.front().name);
  value["labels"] = outlook->component.labels;
  value["findings"] = std::move(findings);
  value["objections"] = outlook->objections;
  value["validators"] = outlook->validators;
  return answer(value);
}

ApiResponse answer_report(AgentView& agent, std::string_view name, const ApiRequest& request) {
  const auto snapshot = agent.drills().snapshot();
  const std::string drill = decode_path(name);
  const std::string_view wanted = request.parameters.get("run");
  actions::drill::RunPtr run = wanted.empty() ? snapshot->last(drill) : nullptr;
  if (!wanted.empty()) {
    if (snapshot->current != nullptr && snapshot->current->id == wanted) run = snapshot->current;
    for (const auto& each : snapshot->history) {
      if (each->id == wanted && each->drill == drill) run = each;
    }
  }
  if (run == nullptr) {
    return failure(ErrorType::kNotFound, wanted.empty() ? fmt::format("the drill \"{}\" has not run", drill)
                                                        : fmt::format("no run of it is \"{}\"", wanted));
  }
  return answer(json_of(run));
}

std::string who_asks(const ApiRequest& request) {
  const std::string_view who = request.parameters.get("who");
  return who.empty() ? "api" : std::string(who);
}

ApiResponse answer_run(AgentView& agent, std::string_view name, const ApiRequest& request) {
  const auto run = agent.drills().run(decode_path(name), who_asks(request), request.parameters.get("yes") == "true");
  return run ? answer({{"run", *run}}) : refusal(run.error());
}

ApiResponse answer_cancel(AgentView& agent, std::string_view name, const ApiRequest& request) {
  const auto done = agent.drills().cancel(decode_path(name), who_asks(request));
  return done ? success("{}") : refusal(done.error());
}

}  // namespace

void add_drill_routes(Router& router, AgentView& agent) {
  const std::string one = std::string(kPath) + "/*";
  router.add({"GET"}, kPath, Effect::kReads,
             [&agent](const ApiRequest&, std::string_view) { return answer_drills(agent); });
  router.add({"GET"}, one + "/plan", Effect::kReads,
             [&agent](const ApiRequest&, std::string_view name) { return answer_plan(agent, name); });
  router.add({"GET"}, one + "/report", Effect::kReads, [&agent](const ApiRequest& request, std::string_view name) {
    return answer_report(agent, name, request);
  });
  router.add({"POST"}, one + "/run", Effect::kChanges,
             [&agent](const ApiRequest& request, std::string_view name) { return answer_run(agent, name, request); });
  router.add({"POST"}, one + "/cancel", Effect::kChanges, [&agent](const ApiRequest& request, std::string_view name) {
    return answer_cancel(agent, name, request);
  });
}

}  // namespace agent
