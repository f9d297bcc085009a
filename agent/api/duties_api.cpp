// SPDX-License-Identifier: Apache-2.0
#include "agent/api/duties_api.h"

#include <nlohmann/json.hpp>

#include "agent/api/envelope.h"
#include "agent/api/parameters.h"
#include "core/time/duration.h"

namespace agent {
namespace {

using nlohmann::json;

json number_or_null(const std::optional<std::uint64_t>& value) { return value ? json(*value) : json(nullptr); }

json json_of(const collector::staking::DutyEvent& event, const collector::staking::DutySnapshot& duties) {
  json labels = json::object();
  if (event.validator && event.label_set < duties.label_sets.size()) {
    for (const auto& [name, value] : duties.label_sets[event.label_set]) labels[name] = value;
  }
  return {{"time", core::format_rfc3339(core::from_unix_ms(event.time_ms))},
          {"epoch", event.epoch},
          {"slot", number_or_null(event.slot)},
          {"kind", event.kind},
          {"validator", number_or_null(event.validator)},
          {"pubkey", event.key ? json(collector::staking::to_string(*event.key)) : json(nullptr)},
          {"labels", std::move(labels)},
          {"reason", event.reason}};
}

}  // namespace

ApiResponse answer_duties(const AgentView& agent, const ApiRequest& request) {
  const auto limit = limit_of(request.parameters);
  if (!limit) return failure(ErrorType::kBadData, limit.error().message);
  const auto duties = agent.duties();
  json events = json::array();
  for (const auto& event : duties->events) {
    if (*limit > 0 && events.size() == *limit) break;
    events.push_back(json_of(event, *duties));
  }
  const json data = {{"watching", duties->watching},
                     {"unknown", duties->unknown},
                     {"cause", duties->cause},
                     {"keys", duties->keys},
                     {"keysKnown", duties->keys_known},
                     {"headSlot", number_or_null(duties->head_slot)},
                     {"judgedEpoch", number_or_null(duties->judged_epoch)},
                     {"eventsDropped", duties->events_dropped},
                     {"events", std::move(events)}};
  return success(data.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace agent
