// SPDX-License-Identifier: Apache-2.0
#include "agent/api/replace_api.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "actions/replace/rollouts.h"
#include "agent/api/envelope.h"
#include "core/time/duration.h"

namespace agent {
namespace {

using actions::replace::GroupConfig;
using actions::replace::GroupStatus;
using actions::replace::Host;
using actions::replace::Rollout;
using nlohmann::json;

ApiResponse answer(const json& data) { return success(data.dump(-1, ' ', false, json::error_handler_t::replace)); }

json json_of(const Host& host) {
  json out = json::object();
  for (const auto& label : host) out[label.name] = label.value;
  return out;
}

json json_of(const std::optional<std::vector<Host>>& hosts) {
  if (!hosts) return nullptr;
  json list = json::array();
  for (const Host& host : *hosts) list.push_back(json_of(host));
  return list;
}

json json_of(const std::optional<Rollout>& rollout) {
  if (!rollout) return nullptr;
  json replaced = json::array();
  for (const auto& each : rollout->replaced) {
    replaced.push_back({{"host", json_of(each.host)}, {"run", each.run}, {"at", core::format_rfc3339(each.at)}});
  }
  json current = nullptr;
  if (rollout->current) {
    current = {{"host", json_of(rollout->current->host)},
               {"run", actions::replace::run_of(rollout->group, *rollout->current)},
               {"since", core::format_rfc3339(rollout->current->since)}};
  }
  return {{"state", actions::replace::to_string(rollout->state)},
          {"reason", rollout->reason},
          {"who", rollout->who},
          {"started", core::format_rfc3339(rollout->started)},
          {"membersAtStart", rollout->members},
          {"outdatedAtStart", rollout->outdated},
          {"current", std::move(current)},
          {"replaced", std::move(replaced)}};
}

json json_of(const GroupStatus& group) {
  return {{"name", group.name},
          {"driver", core::config::Codec<actions::replace::Driver>::print(group.driver)},
          {"level", core::config::Codec<actions::remedy::Level>::print(group.level)},
          {"canRoll", group.has_rollout},
          {"members", json_of(group.members)},
          {"outdated", json_of(group.outdated)},
          {"problem", group.problem},
          {"rollout", json_of(group.last)}};
}

// The plan for one host, by the very function that makes the engine's.
json plan_json(const actions::remedy::RemediationConfig& remediation, const std::string& group, const Host& host) {
  json out = {{"host", json_of(host)}, {"steps", json::array()}, {"plan", ""}, {"problem", ""}};
  const auto plan = actions::remedy::make_plan(remediation, actions::replace::alert_of(group, host));
  if (!plan) {
    out["problem"] = plan.error().message;
    return out;
  }
  for (const auto& step : plan->steps) {
    out["steps"].push_back({{"step", step.to_string()}, {"repeat", actions::remedy::to_string(step.repeat())}});
  }
  out["plan"] = plan->hash;
  return out;
}

}  // namespace

ApiResponse answer_replacements(const AgentView& agent) {
  json groups = json::array();
  for (const GroupStatus& group : agent.replacements()) groups.push_back(json_of(group));
  return answer({{"groups", std::move(groups)}});
}

ApiResponse answer_replacement_plan(const AgentView& agent, std::string_view path) {
  const std::string name = decode_path(path);
  const std::vector<GroupStatus> groups = agent.replacements();
  const auto status = std::ranges::find(groups, name, &GroupStatus::name);
  if (status == groups.end()) {
    return failure(ErrorType::kNotFound, "no group is named \"" + name + "\" in replace");
  }
  const LoadedConfigPtr config = agent.config();
  const auto* remediation = config->policy->find(name + actions::replace::kRolloutSuffix);
  if (remediation == nullptr) return failure(ErrorType::kBadData, "the group " + name + " has no rollout");
  if (!status->members || !status->outdated) {
    return failure(ErrorType::kUnavailable, "which hosts are outdated is not known: " + status->problem);
  }
  json needs = json::array();
  for (const auto& question : actions::remedy::questions_of(*config->policy, *remediation))
    needs.push_back(question.name);
  json hosts = json::array();
  for (const Host& host : actions::replace::in_order(*status->outdated)) {
    hosts.push_back(plan_json(*remediation, name, host));
  }
  return answer({{"group", name},
                 {"level", core::config::Codec<actions::remedy::Level>::print(remediation->level)},
                 {"members", status->members->size()},
                 {"needs", std::move(needs)},
                 {"ready", remediation->verify->expr},
                 {"readyWithin", core::format_duration(remediation->verify->within)},
                 {"hosts", std::move(hosts)}});
}

ApiResponse answer_rollout_order(AgentView& agent, std::string_view group, actions::replace::Order order,
                                 const ApiRequest& request) {
  const std::string_view who = request.parameters.get("who");
  const auto done = agent.order_rollout(order, decode_path(group), who.empty() ? "api" : std::string(who),
                                        std::string(request.parameters.get("reason")));
  if (done) return success("{}");
  switch (done.error().code) {
    case core::Errc::kNotFound:
      return failure(ErrorType::kNotFound, done.error().message);
    case core::Errc::kInvalid:
      return failure(ErrorType::kBadData, done.error().message);
    default:
      return failure(ErrorType::kUnavailable, done.error().message);
  }
}

}  // namespace agent
