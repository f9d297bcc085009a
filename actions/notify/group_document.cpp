// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "actions/notify/dispatcher.h"

namespace actions::notify {
namespace {

using nlohmann::json;

std::int64_t millis_until(core::SteadyTime when, Instant now) {
  return std::chrono::ceil<core::Millis>(when - now.steady).count();
}

core::ring::Labels labels_from(const json& object) {
  std::vector<core::ring::Label> pairs;
  for (const auto& [name, value] : object.items()) pairs.push_back({name, value.get<std::string>()});
  return core::ring::Labels(std::move(pairs));
}

json labels_json(const core::ring::Labels& labels) {
  json object = json::object();
  for (const core::ring::Label& label : labels) object[label.name] = label.value;
  return object;
}

std::uint64_t fingerprint_from(const std::string& text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

// When a flush that had `remaining` to wait at `saved_at` is due. One that is overdue and has something to say is due
// now; one that has not keeps to its grid.
core::SteadyTime flush_time(const json& document, const Group& group, Instant now) {
  const std::int64_t remaining = std::max<std::int64_t>(document.at("flush_after_ms").get<std::int64_t>(), 0);
  const std::int64_t elapsed = core::to_unix_ms(now.wall) - document.at("saved_at_ms").get<std::int64_t>();
  const std::int64_t interval = std::max<std::int64_t>(group.interval.count(), 1);
  std::int64_t wait = std::clamp<std::int64_t>(remaining - elapsed, 0, remaining);
  if (wait == 0 && !group.changed && elapsed > remaining) wait = interval - (elapsed - remaining) % interval;
  return now.steady + core::Millis(wait);
}

Group read_group(const json& document, Instant now) {
  Group group;
  group.id = document.at("id").get<std::string>();
  group.route_id = document.at("route").get<std::string>();
  group.receiver = document.at("receiver").get<std::string>();
  group.key = document.at("key").get<std::string>();
  group.labels = labels_from(document.at("labels"));
  group.interval = core::Millis(document.at("interval_ms").get<std::int64_t>());
  group.changed = document.at("changed").get<bool>();
  for (const json& each : document.at("alerts")) {
    HeldAlert held;
    held.alert.labels = labels_from(each.at("labels"));
    held.alert.annotations = each.at("annotations").get<std::map<std::string, std::string>>();
    held.alert.starts_at = core::from_unix_ms(each.at("starts_at_ms").get<std::int64_t>());
    if (each.contains("ends_at_ms")) {
      held.alert.ends_at = core::from_unix_ms(each.at("ends_at_ms").get<std::int64_t>());
    }
    held.alert.generator_url = each.at("generator_url").get<std::string>();
    held.valid_for = core::Millis(each.at("valid_for_ms").get<std::int64_t>());
    held.valid_until = now.steady + std::max(held.valid_for, kRestoredValidity);
    const std::uint64_t fingerprint = held.alert.labels.fingerprint();
    group.alerts.insert_or_assign(fingerprint, std::move(held));
  }
  for (const auto& [integration, each] : document.at("told").items()) {
    Told& told = group.told[integration];
    const std::int64_t ago = core::to_unix_ms(now.wall) - each.at("at_ms").get<std::int64_t>();
    told.at = now.steady - core::Millis(std::max<std::int64_t>(ago, 0));
    for (const auto& [fingerprint, starts_at_ms] : each.at("firing").items()) {
      told.firing[fingerprint_from(fingerprint)] = starts_at_ms.get<std::int64_t>();
    }
  }
  const std::int64_t repeat_after = document.at("repeat_after_ms").get<std::int64_t>();
  if (repeat_after >= 0) {
    const std::int64_t elapsed = core::to_unix_ms(now.wall) - document.at("saved_at_ms").get<std::int64_t>();
    group.next_repeat = now.steady + core::Millis(std::clamp<std::int64_t>(repeat_after - elapsed, 0, repeat_after));
  }
  group.next_flush = flush_time(document, group, now);
  return group;
}

}  // namespace

std::string to_json(const Group& group, Instant now) {
  json alerts = json::array();
  for (const auto& [fingerprint, held] : group.alerts) {
    json object = {{"labels", labels_json(held.alert.labels)},
                   {"annotations", held.alert.annotations},
                   {"starts_at_ms", core::to_unix_ms(held.alert.starts_at)},
                   {"generator_url", held.alert.generator_url},
                   {"valid_for_ms", held.valid_for.count()}};
    if (held.alert.ends_at) object["ends_at_ms"] = core::to_unix_ms(*held.alert.ends_at);
    alerts.push_back(std::move(object));
  }
  json told = json::object();
  for (const auto& [integration, each] : group.told) {
    json firing = json::object();
    for (const auto& [fingerprint, starts_at_ms] : each.firing) {
      firing[fmt::format("{:016x}", fingerprint)] = starts_at_ms;
    }
    const auto ago = std::chrono::floor<core::Millis>(now.steady - each.at);
    told[integration] = {{"at_ms", core::to_unix_ms(now.wall - ago)}, {"firing", std::move(firing)}};
  }
  const bool repeats = group.next_repeat != core::SteadyTime::max();
  const json document = {
      {"id", group.id},
      {"route", group.route_id},
      {"receiver", group.receiver},
      {"key", group.key},
      {"labels", labels_json(group.labels)},
      {"interval_ms", group.interval.count()},
      {"saved_at_ms", core::to_unix_ms(now.wall)},
      {"flush_after_ms", millis_until(group.next_flush, now)},
      {"repeat_after_ms", repeats ? std::max<std::int64_t>(millis_until(group.next_repeat, now), 0) : -1},
      {"changed", group.changed},
      {"alerts", std::move(alerts)},
      {"told", std::move(told)}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

core::Result<Group> group_from_json(std::string_view text, Instant now) {
  // nlohmann throws for a wrong type or a missing key; here that is one kind of wrong input.
  try {
    return read_group(json::parse(text), now);
  } catch (const json::exception& problem) {
    return core::fail(core::Errc::kInvalid, "not a stored group: {}", problem.what());
  }
}

}  // namespace actions::notify
