// SPDX-License-Identifier: Apache-2.0
#include "actions/receivers/notification.h"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

namespace actions::receivers {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<Reason, std::string_view>, 6> kReasons = {{
    {Reason::kUnknown, "unknown"},
    {Reason::kFirst, "first notification"},
    {Reason::kNewAlerts, "new alerts added"},
    {Reason::kSomeResolved, "some alerts resolved"},
    {Reason::kAllResolved, "all alerts resolved"},
    {Reason::kRepeat, "repeat interval elapsed"},
}};

// Removes from `common` what `other` does not share.
void intersect(std::map<std::string, std::string>& common, const std::map<std::string, std::string>& other) {
  std::erase_if(common, [&](const auto& pair) {
    const auto found = other.find(pair.first);
    return found == other.end() || found->second != pair.second;
  });
}

std::map<std::string, std::string> as_map(const core::ring::Labels& labels) {
  std::map<std::string, std::string> map;
  for (const core::ring::Label& label : labels) map.emplace(label.name, label.value);
  return map;
}

json alert_json(const Alert& alert) {
  json object = {{"labels", as_map(alert.labels)},
                 {"annotations", alert.annotations},
                 {"starts_at_ms", core::to_unix_ms(alert.starts_at)},
                 {"generator_url", alert.generator_url}};
  if (alert.ends_at) object["ends_at_ms"] = core::to_unix_ms(*alert.ends_at);
  return object;
}

Alert alert_from(const json& object) {
  Alert alert;
  std::vector<core::ring::Label> labels;
  for (const auto& [name, value] : object.at("labels").items()) labels.push_back({name, value.get<std::string>()});
  alert.labels = core::ring::Labels(std::move(labels));
  alert.annotations = object.at("annotations").get<std::map<std::string, std::string>>();
  alert.starts_at = core::from_unix_ms(object.at("starts_at_ms").get<std::int64_t>());
  if (object.contains("ends_at_ms")) alert.ends_at = core::from_unix_ms(object.at("ends_at_ms").get<std::int64_t>());
  alert.generator_url = object.at("generator_url").get<std::string>();
  return alert;
}

}  // namespace

std::string_view to_string(Reason reason) {
  for (const auto& [value, name] : kReasons) {
    if (value == reason) return name;
  }
  return "unknown";
}

bool Notification::firing() const { return count_firing() > 0; }

std::size_t Notification::count_firing() const {
  return static_cast<std::size_t>(
      std::count_if(alerts.begin(), alerts.end(), [](const Alert& alert) { return !alert.resolved(); }));
}

std::map<std::string, std::string> Notification::common_labels() const {
  std::map<std::string, std::string> common;
  for (const Alert& alert : alerts) {
    if (&alert == &alerts.front()) {
      common = as_map(alert.labels);
    } else {
      intersect(common, as_map(alert.labels));
    }
  }
  return common;
}

std::map<std::string, std::string> Notification::common_annotations() const {
  std::map<std::string, std::string> common;
  for (const Alert& alert : alerts) {
    if (&alert == &alerts.front()) {
      common = alert.annotations;
    } else {
      intersect(common, alert.annotations);
    }
  }
  return common;
}

std::string to_json(const Notification& notification) {
  json alerts = json::array();
  for (const Alert& alert : notification.alerts) alerts.push_back(alert_json(alert));
  const json document = {{"receiver", notification.receiver},         {"group_key", notification.group_key},
                         {"group_labels", notification.group_labels}, {"alerts", std::move(alerts)},
                         {"reason", to_string(notification.reason)},  {"external_url", notification.external_url},
                         {"delivery_id", notification.delivery_id}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

core::Result<Notification> from_json(std::string_view text) {
  // nlohmann throws for a wrong type or a missing key; here that is one kind of wrong input.
  try {
    const json document = json::parse(text);
    Notification notification;
    notification.receiver = document.at("receiver").get<std::string>();
    notification.group_key = document.at("group_key").get<std::string>();
    notification.group_labels = document.at("group_labels").get<std::map<std::string, std::string>>();
    for (const json& each : document.at("alerts")) notification.alerts.push_back(alert_from(each));
    const std::string reason = document.at("reason").get<std::string>();
    for (const auto& [value, name] : kReasons) {
      if (name == reason) notification.reason = value;
    }
    notification.external_url = document.at("external_url").get<std::string>();
    notification.delivery_id = document.at("delivery_id").get<std::string>();
    if (notification.alerts.empty()) return core::fail(core::Errc::kInvalid, "a stored notification has no alerts");
    return notification;
  } catch (const json::exception& problem) {
    return core::fail(core::Errc::kInvalid, "not a stored notification: {}", problem.what());
  }
}

}  // namespace actions::receivers
