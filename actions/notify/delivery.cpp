// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/delivery.h"

#include <utility>

#include "actions/receivers/sha256.h"

namespace actions::notify {
namespace {

using core::fail;
using core::Result;

// NAME/TYPE/ of an id.
std::string_view prefix_of(std::string_view id) { return id.substr(0, id.rfind('/') + 1); }

class Builder {
 public:
  Builder(const NotifyGlobalConfig& global, Delivery& delivery, Routing& routing)
      : global_(global), delivery_(delivery), routing_(routing) {}

  template <class Kind, class Config>
  void add(const std::string& receiver, Config config) {
    // As in Alertmanager the global settings are used only where there are none at all; nothing is merged.
    if (!config.http_config) config.http_config = global_.http_config;
    auto integration = std::make_unique<const Kind>(std::move(config));
    const std::string base = integration_id(receiver, *integration);
    std::string id = base;
    for (int nth = 2; delivery_.integrations.contains(id); ++nth) id = base + "#" + std::to_string(nth);
    routing_.receivers[receiver].push_back({id, integration->send_resolved()});
    delivery_.integrations.emplace(std::move(id), std::move(integration));
  }

 private:
  const NotifyGlobalConfig& global_;
  Delivery& delivery_;
  Routing& routing_;
};

}  // namespace

std::set<std::string> Delivery::ids() const {
  std::set<std::string> all;
  for (const auto& [id, integration] : integrations) all.insert(id);
  return all;
}

std::string integration_id(const std::string& receiver, const receivers::Receiver& integration) {
  constexpr std::size_t kDigestDigits = 16;
  return receiver + "/" + std::string(integration.type()) + "/" +
         receivers::sha256_hex(integration.target()).substr(0, kDigestDigits);
}

Result<Delivery> build_delivery(const NotifyConfig& config, std::string external_url) {
  Delivery delivery;
  if (!config.route) return delivery;
  auto routing = std::make_shared<Routing>();
  while (external_url.ends_with('/')) external_url.pop_back();
  routing->external_url = std::move(external_url);
  auto root = build_route(*config.route);
  if (!root) return fail(root.error());
  routing->root = std::move(*root);
  for (const InhibitRuleConfig& each : config.inhibit_rules) {
    auto rule = build_inhibit_rule(each);
    if (!rule) return fail(rule.error());
    routing->inhibit_rules.push_back(std::move(*rule));
  }
  for (const auto* const list : {&config.time_intervals, &config.mute_time_intervals}) {
    for (const TimeIntervalConfig& interval : *list) {
      auto& specs = routing->time_intervals[interval.name];
      for (const IntervalSpecConfig& each : interval.time_intervals) {
        auto spec = build_interval(each);
        if (!spec) return fail(spec.error());
        specs.push_back(std::move(*spec));
      }
    }
  }
  Builder builder(config.global, delivery, *routing);
  for (const ReceiverConfig& receiver : config.receivers) {
    routing->receivers[receiver.name];
    for (const auto& each : receiver.webhook_configs) builder.add<receivers::Webhook>(receiver.name, each);
    for (const auto& each : receiver.discord_configs) builder.add<receivers::Discord>(receiver.name, each);
    for (auto each : receiver.pagerduty_configs) {
      if (each.url.empty()) each.url = config.global.pagerduty_url;
      builder.add<receivers::PagerDuty>(receiver.name, std::move(each));
    }
  }
  delivery.routing = std::move(routing);
  return delivery;
}

std::map<std::string, std::string> match_ids(const std::set<std::string>& before, const std::set<std::string>& after) {
  std::set<std::string> fresh;
  for (const std::string& id : after) {
    if (!before.contains(id)) fresh.insert(id);
  }
  std::map<std::string, std::string> matched;
  for (const std::string& id : before) {
    if (after.contains(id)) continue;
    for (auto it = fresh.begin(); it != fresh.end(); ++it) {
      if (prefix_of(*it) != prefix_of(id)) continue;
      matched.emplace(id, *it);
      fresh.erase(it);
      break;
    }
  }
  return matched;
}

}  // namespace actions::notify
