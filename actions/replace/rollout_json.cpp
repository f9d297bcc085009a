// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "actions/replace/rollout.h"
#include "core/time/duration.h"

namespace actions::replace {
namespace {

using core::Errc;
using core::fail;
using core::Result;
using core::WallTime;
using nlohmann::json;

json labels_json(const Host& host) {
  json object = json::object();
  for (const core::ring::Label& label : host) object[label.name] = label.value;
  return object;
}

Host labels_at(const json& object) {
  std::vector<core::ring::Label> labels;
  for (const auto& [name, value] : object.items()) labels.push_back({name, value.get<std::string>()});
  return Host(std::move(labels));
}

// Milliseconds: the run's id is made of them.
std::int64_t time_json(WallTime time) { return core::to_unix_ms(time); }
WallTime time_at(const json& object, const char* key) { return core::from_unix_ms(object.at(key).get<std::int64_t>()); }

Rollout read(const json& object) {
  Rollout rollout;
  rollout.group = object.at("group");
  const auto state = rollout_state_from(object.at("state").get<std::string>());
  if (!state) throw std::invalid_argument("unknown state");
  rollout.state = *state;
  rollout.who = object.at("who");
  rollout.reason = object.at("reason");
  rollout.started = time_at(object, "started_ms");
  rollout.members = object.at("members");
  rollout.outdated = object.at("outdated");
  if (object.contains("current")) {
    rollout.current = Current{labels_at(object["current"].at("host")), time_at(object["current"], "since_ms")};
  }
  for (const json& each : object.at("replaced")) {
    rollout.replaced.push_back({labels_at(each.at("host")), each.at("run"), time_at(each, "at_ms")});
  }
  return rollout;
}

}  // namespace

std::string to_json_text(const Rollout& rollout) {
  json object = {{"group", rollout.group},
                 {"state", to_string(rollout.state)},
                 {"who", rollout.who},
                 {"reason", rollout.reason},
                 {"started_ms", time_json(rollout.started)},
                 {"members", rollout.members},
                 {"outdated", rollout.outdated},
                 {"replaced", json::array()}};
  if (rollout.current) {
    object["current"] = {{"host", labels_json(rollout.current->host)}, {"since_ms", time_json(rollout.current->since)}};
  }
  for (const Replaced& each : rollout.replaced) {
    object["replaced"].push_back({{"host", labels_json(each.host)}, {"run", each.run}, {"at_ms", time_json(each.at)}});
  }
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Rollout> rollout_from_json_text(std::string_view text) {
  try {
    return read(json::parse(text));
  } catch (const std::exception& problem) {
    return fail(Errc::kInvalid, "a stored rolling update cannot be read: {}", problem.what());
  }
}

}  // namespace actions::replace
