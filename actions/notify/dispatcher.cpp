// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/dispatcher.h"

#include <algorithm>

#include "core/check.h"

namespace actions::notify {
namespace {

using core::SteadyTime;
using core::ring::Labels;
using receivers::Alert;
using receivers::Notification;
using receivers::Reason;

// The order of alerts in a message: by job, then instance (those without come last), then the label sets.
bool comes_before(const Alert& a, const Alert& b) {
  for (const std::string_view name : {"job", "instance"}) {
    const std::string_view left = a.labels.get(name);
    const std::string_view right = b.labels.get(name);
    if (left == right) continue;
    if (left.empty() || right.empty()) return right.empty();
    return left < right;
  }
  if (a.labels.size() != b.labels.size()) return a.labels.size() < b.labels.size();
  return a.labels < b.labels;
}

std::map<std::string, std::string> as_map(const Labels& labels) {
  std::map<std::string, std::string> map;
  for (const core::ring::Label& label : labels) map.emplace(label.name, label.value);
  return map;
}

const Route* find_route(const Route& route, const std::string& id) {
  if (route.id == id) return &route;
  for (const Route& child : route.children) {
    if (const Route* const found = find_route(child, id)) return found;
  }
  return nullptr;
}

}  // namespace

// What a flush could tell of a group at one time, the same for all integrations.
struct Dispatcher::Plan {
  std::map<std::uint64_t, const Alert*> firing;    // neither muted nor inhibited
  std::map<std::uint64_t, const Alert*> resolved;  // whoever was told that they fire is told
};

void Effects::add(Effects other) {
  for (Outgoing& message : other.messages) messages.push_back(std::move(message));
  for (const std::string& id : other.removed_groups) changed_groups.erase(id);
  for (const std::string& id : other.changed_groups) removed_groups.erase(id);
  changed_groups.merge(other.changed_groups);
  removed_groups.merge(other.removed_groups);
}

void Dispatcher::restore(Group group) {
  for (const auto& [fingerprint, held] : group.alerts) {
    if (!held.alert.resolved()) {
      firing_[fingerprint] = {held.alert.labels, held.alert.starts_at, held.valid_until};
    }
  }
  std::string id = group.id;
  groups_.insert_or_assign(std::move(id), std::move(group));
}

void Dispatcher::rename_integrations(const std::map<std::string, std::string>& new_ids) {
  for (auto& [id, group] : groups_) {
    for (const auto& [from, to] : new_ids) {
      if (auto told = group.told.extract(from)) {
        told.key() = to;
        group.told.insert(std::move(told));
      }
    }
  }
}

Effects Dispatcher::apply(std::shared_ptr<const Routing> routing, Instant now) {
  routing_ = std::move(routing);
  Effects effects;
  std::vector<AlertNews> homeless;
  for (auto it = groups_.begin(); it != groups_.end();) {
    Group& group = it->second;
    bool stays = route_of(group) != nullptr;
    for (const auto& [fingerprint, held] : group.alerts) {
      const auto routes = match_routes(routing_->root, held.alert.labels);
      stays = stays && std::any_of(routes.begin(), routes.end(),
                                   [&](const Route* route) { return route->id == group.route_id; });
    }
    if (stays) {
      ++it;
      continue;
    }
    for (const auto& [fingerprint, held] : group.alerts) {
      if (!held.alert.resolved()) homeless.push_back({held.alert, held.valid_for});
    }
    end(group, now, effects);
    effects.changed_groups.erase(group.id);
    effects.removed_groups.insert(group.id);
    it = groups_.erase(it);
  }
  for (const AlertNews& news : homeless) effects.add(on_alert(news, now));
  return effects;
}

const Route* Dispatcher::route_of(const Group& group) const {
  const Route* const route = find_route(routing_->root, group.route_id);
  return route != nullptr && route->receiver == group.receiver ? route : nullptr;
}

Effects Dispatcher::on_alert(const AlertNews& news, Instant now) {
  Effects effects;
  ++counters_.alerts_received;
  const std::uint64_t fingerprint = news.alert.labels.fingerprint();
  if (!news.alert.resolved()) {
    firing_[fingerprint] = {news.alert.labels, news.alert.starts_at, now.steady + news.valid_for};
  } else if (const auto found = firing_.find(fingerprint); found != firing_.end()) {
    // A late reminder of an earlier end leaves a firing alert firing.
    if (*news.alert.ends_at >= found->second.starts_at) firing_.erase(found);
  }
  for (const Route* const route : match_routes(routing_->root, news.alert.labels)) place(*route, news, now, effects);
  return effects;
}

void Dispatcher::place(const Route& route, const AlertNews& news, Instant now, Effects& effects) {
  Labels labels = route.group_labels(news.alert.labels);
  const std::string id = route.id + " " + labels.to_string();
  auto found = groups_.find(id);
  if (found == groups_.end()) {
    if (news.alert.resolved()) return;  // nobody here was ever told of it
    if (groups_.size() >= kGroupsMax) {
      ++counters_.dropped_group_limit;
      return;
    }
    Group group;
    group.id = id;
    group.route_id = route.id;
    group.receiver = route.receiver;
    group.key = route.group_key(labels);
    group.labels = std::move(labels);
    group.interval = route.group_interval;
    // An alert that has fired for longer than group_wait, as after a restart of its sender, has waited enough.
    const bool old = news.alert.starts_at + route.group_wait < now.wall;
    group.next_flush = old ? now.steady : now.steady + route.group_wait;
    found = groups_.emplace(id, std::move(group)).first;
  }
  update(found->second, news, now, effects);
}

void Dispatcher::update(Group& group, const AlertNews& news, Instant now, Effects& effects) {
  const std::uint64_t fingerprint = news.alert.labels.fingerprint();
  const auto found = group.alerts.find(fingerprint);
  HeldAlert held{news.alert, news.valid_for, now.steady + news.valid_for};
  if (found == group.alerts.end()) {
    if (news.alert.resolved()) return;
    if (group.alerts.size() >= kAlertsOfGroupMax) {
      ++counters_.dropped_alert_limit;
      return;
    }
    group.alerts.emplace(fingerprint, std::move(held));
    group.changed = true;
    effects.changed_groups.insert(group.id);
    return;
  }
  const Alert& old = found->second.alert;
  if (news.alert.resolved()) {
    // A reminder of what is known, or of an episode before this one.
    if (old.resolved() || *news.alert.ends_at < old.starts_at) return;
  }
  if (old.resolved() && !news.alert.resolved()) ++counters_.resolved_superseded;
  const bool same = old.resolved() == news.alert.resolved() && old.starts_at == news.alert.starts_at;
  found->second = std::move(held);
  if (same) return;  // a refresh: nothing worth writing down
  group.changed = true;
  effects.changed_groups.insert(group.id);
}

Effects Dispatcher::on_time(Instant now) {
  Effects effects;
  std::erase_if(firing_, [&](const auto& each) { return each.second.valid_until <= now.steady; });
  for (auto it = groups_.begin(); it != groups_.end();) {
    Group& group = it->second;
    const bool flush_due = group.next_flush <= now.steady;
    if (flush_due || (group.next_repeat <= now.steady && !group.changed)) {
      const Route* const route = route_of(group);
      CHECK(route != nullptr, "apply() ends the groups of routes that are gone");
      flush_due ? flush(group, *route, now, effects) : repeat(group, *route, now, effects);
    }
    if (group.alerts.empty()) {
      effects.changed_groups.erase(group.id);
      effects.removed_groups.insert(group.id);
      it = groups_.erase(it);
    } else {
      ++it;
    }
  }
  return effects;
}

std::optional<SteadyTime> Dispatcher::next_wakeup() const {
  std::optional<SteadyTime> next;
  for (const auto& [id, group] : groups_) {
    const SteadyTime due = group.changed ? group.next_flush : std::min(group.next_flush, group.next_repeat);
    next = next ? std::min(*next, due) : due;
  }
  return next;
}

void Dispatcher::expire(Group& group, Instant now) {
  for (auto& [fingerprint, held] : group.alerts) {
    if (held.alert.resolved() || held.valid_until > now.steady) continue;
    held.alert.ends_at = now.wall;
    group.changed = true;
    ++counters_.expired;
  }
}

bool Dispatcher::inhibited(const Labels& labels) const {
  return std::any_of(routing_->inhibit_rules.begin(), routing_->inhibit_rules.end(), [&](const InhibitRule& rule) {
    if (!matches(rule.target, labels)) return false;
    return std::any_of(firing_.begin(), firing_.end(),
                       [&](const auto& source) { return rule.inhibits(source.second.labels, labels); });
  });
}

bool Dispatcher::muted_by_time(const Route& route, core::WallTime at) const {
  const auto in = [&](const std::string& name) {
    const auto found = routing_->time_intervals.find(name);
    return found != routing_->time_intervals.end() && contains(found->second, at);
  };
  const auto& active = route.active_time_intervals;
  if (!active.empty() && std::none_of(active.begin(), active.end(), in)) return true;
  return std::any_of(route.mute_time_intervals.begin(), route.mute_time_intervals.end(), in);
}

Dispatcher::Plan Dispatcher::plan(const Group& group, const Route& route, Instant now) {
  Plan plan;
  const bool muted = muted_by_time(route, now.wall);
  for (const auto& [fingerprint, held] : group.alerts) {
    if (held.alert.resolved()) {
      plan.resolved.emplace(fingerprint, &held.alert);
    } else if (inhibited(held.alert.labels)) {
      ++counters_.suppressed_inhibited;
    } else if (muted) {
      ++counters_.suppressed_by_time;
    } else {
      plan.firing.emplace(fingerprint, &held.alert);
    }
  }
  return plan;
}

// Whether this integration is told now, and what (Alertmanager's deduplication, rule by rule).
std::optional<Outgoing> Dispatcher::tell(Group& group, const Integration& integration, const Route& route,
                                         const Plan& plan, Instant now) {
  Told& told = group.told[integration.id];
  const bool anything_told = !told.firing.empty();
  std::vector<Alert> alerts;
  bool news = false;
  for (const auto& [fingerprint, alert] : plan.firing) {
    const auto known = told.firing.find(fingerprint);
    if (known == told.firing.end() || known->second != core::to_unix_ms(alert->starts_at)) news = true;
    alerts.push_back(*alert);
  }
  bool any_resolved = false;
  for (const auto& [fingerprint, alert] : plan.resolved) {
    if (!told.firing.contains(fingerprint)) continue;
    any_resolved = true;
    told.firing.erase(fingerprint);
    if (integration.send_resolved) alerts.push_back(*alert);
  }
  const bool due = anything_told && !plan.firing.empty() && told.at + route.repeat_interval <= now.steady;
  const bool resolved_news = any_resolved && (integration.send_resolved || plan.firing.empty());
  if (!news && !resolved_news && !due) return std::nullopt;
  Reason reason = Reason::kRepeat;
  if (news) {
    reason = anything_told ? Reason::kNewAlerts : Reason::kFirst;
  } else if (any_resolved) {
    reason = plan.firing.empty() ? Reason::kAllResolved : Reason::kSomeResolved;
  }
  for (const auto& [fingerprint, alert] : plan.firing) told.firing[fingerprint] = core::to_unix_ms(alert->starts_at);
  told.at = now.steady;
  if (alerts.empty()) return std::nullopt;  // all resolved, and this one does not want to know
  std::sort(alerts.begin(), alerts.end(), comes_before);
  return Outgoing{integration.id, Notification{.receiver = group.receiver,
                                               .group_key = group.key,
                                               .group_labels = as_map(group.labels),
                                               .alerts = std::move(alerts),
                                               .reason = reason,
                                               .external_url = routing_->external_url,
                                               .delivery_id = ""}};
}

void Dispatcher::flush(Group& group, const Route& route, Instant now, Effects& effects) {
  expire(group, now);
  const Plan what = plan(group, route, now);
  bool anything = group.changed;
  count_unannounced(group, what);
  for (const Integration& integration : routing_->receivers.at(route.receiver)) {
    if (auto message = tell(group, integration, route, what, now)) {
      effects.messages.push_back(std::move(*message));
      anything = true;
    }
  }
  std::erase_if(group.alerts, [](const auto& each) { return each.second.alert.resolved(); });
  group.changed = false;
  group.interval = route.group_interval;
  group.next_flush += route.group_interval;
  if (group.next_flush <= now.steady) group.next_flush = now.steady + route.group_interval;
  group.next_repeat = SteadyTime::max();
  for (const auto& [id, told] : group.told) {
    if (!told.firing.empty()) group.next_repeat = std::min(group.next_repeat, told.at + route.repeat_interval);
  }
  // What is due and was muted now is tried again at the next flush.
  if (group.next_repeat <= now.steady) group.next_repeat = group.next_flush;
  if (anything) effects.changed_groups.insert(group.id);
}

void Dispatcher::repeat(Group& group, const Route& route, Instant now, Effects& effects) {
  const SteadyTime flush_at = group.next_flush;
  flush(group, route, now, effects);
  group.next_flush = flush_at;  // the grid stays
}

void Dispatcher::count_unannounced(const Group& group, const Plan& plan) {
  for (const auto& [fingerprint, alert] : plan.resolved) {
    const bool told = std::any_of(group.told.begin(), group.told.end(),
                                  [id = fingerprint](const auto& each) { return each.second.firing.contains(id); });
    if (!told) ++counters_.resolved_unannounced;
  }
}

void Dispatcher::end(Group& group, Instant now, Effects& effects) {
  const auto integrations = routing_->receivers.find(group.receiver);
  if (integrations == routing_->receivers.end()) return;
  Plan all_over;
  for (auto& [fingerprint, held] : group.alerts) {
    if (!held.alert.resolved()) held.alert.ends_at = now.wall;
    all_over.resolved.emplace(fingerprint, &held.alert);
  }
  const Route any_route;
  for (const Integration& integration : integrations->second) {
    if (auto message = tell(group, integration, any_route, all_over, now)) {
      effects.messages.push_back(std::move(*message));
    }
  }
}

}  // namespace actions::notify
