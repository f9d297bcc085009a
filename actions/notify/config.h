// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actions/notify/inhibition.h"
#include "actions/notify/route.h"
#include "actions/notify/time_interval.h"
#include "actions/receivers/discord/discord.h"
#include "actions/receivers/pagerduty/pagerduty.h"
#include "actions/receivers/webhook/webhook.h"
#include "core/config/table.h"

namespace actions::notify {

// `receivers`: a name and what it stands for. One without any list swallows what is sent to it.
struct ReceiverConfig {
  std::string name;
  std::vector<receivers::WebhookConfig> webhook_configs;
  std::vector<receivers::DiscordConfig> discord_configs;
  std::vector<receivers::PagerDutyConfig> pagerduty_configs;

  bool operator==(const ReceiverConfig&) const = default;
  static const core::config::Table<ReceiverConfig>& fields();
};

// The keys of Alertmanager's `global`, which stand beside Prometheus's in ours: embed them there.
struct NotifyGlobalConfig {
  core::Millis resolve_timeout = std::chrono::minutes(5);
  std::optional<core::net::HttpClientConfig> http_config;
  std::string pagerduty_url{receivers::kPagerDutyUrl};

  bool operator==(const NotifyGlobalConfig&) const = default;
  static const core::config::Table<NotifyGlobalConfig>& fields();
};

// All that decides who is told what. `route` absent: nobody is told anything here.
struct NotifyConfig {
  NotifyGlobalConfig global;
  std::optional<RouteConfig> route;
  std::vector<ReceiverConfig> receivers;
  std::vector<InhibitRuleConfig> inhibit_rules;
  std::vector<TimeIntervalConfig> time_intervals;
  std::vector<TimeIntervalConfig> mute_time_intervals;  // the older name of the same list

  bool operator==(const NotifyConfig&) const = default;
};

// What one section alone cannot know: receivers and intervals that a route names exist, names are unique, the root has
// no condition. `root` is the map that holds the sections, for the place in an error.
core::Result<void> check_notify(const NotifyConfig& config, const core::config::Node& root);

}  // namespace actions::notify
