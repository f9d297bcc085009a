// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/config.h"

#include <set>

#include "actions/receivers/http_post.h"

namespace actions::notify {
namespace {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

// The item of the sequence under `key`; a null node if there is none.
Node item_of(const Node& map, std::string_view key, std::size_t index) {
  const std::vector<Node> items = map.find(key).items();
  return index < items.size() ? items[index] : Node();
}

struct Names {
  std::set<std::string> receivers;
  std::set<std::string> intervals;
};

Result<void> check_names(const RouteConfig& route, const Node& node, const Names& names) {
  for (std::size_t i = 0; i < route.routes.size(); ++i) {
    if (auto checked = check_names(route.routes[i], item_of(node, "routes", i), names); !checked) return checked;
  }
  if (!route.receiver.empty() && !names.receivers.contains(route.receiver)) {
    return fail(node.find("receiver").error("undefined receiver \"{}\" used in route", route.receiver));
  }
  for (const auto& [key, list] : {std::pair("mute_time_intervals", &route.mute_time_intervals),
                                  std::pair("active_time_intervals", &route.active_time_intervals)}) {
    for (const std::string& name : *list) {
      if (!names.intervals.contains(name)) {
        return fail(node.find(key).error("undefined time interval \"{}\" used in route", name));
      }
    }
  }
  return {};
}

Result<void> check_root(const RouteConfig& route, const Node& node) {
  if (route.receiver.empty()) return fail(node.error("root route must specify a default receiver"));
  auto matchers = pool_matchers(route.match, route.match_re, route.matchers);
  if (!matchers) return fail(node.error("{}", matchers.error().message));
  if (!matchers->empty()) return fail(node.error("root route must not have any matchers"));
  if (!route.mute_time_intervals.empty()) {
    return fail(node.find("mute_time_intervals").error("root route must not have any mute time intervals"));
  }
  if (!route.active_time_intervals.empty()) {
    return fail(node.find("active_time_intervals").error("root route must not have any active time intervals"));
  }
  if (route.continue_) return fail(node.find("continue").error("cannot have continue in root route"));
  return {};
}

}  // namespace

const Table<ReceiverConfig>& ReceiverConfig::fields() {
  using Self = ReceiverConfig;
  static const auto table = [] {
    auto built = Table<Self>("receiver", "A name that routes use, and the ways in which it is told.")
                     .field("name", &Self::name, {.help = "What routes call it.", .example = "ops"})
                     .field("webhook_configs", &Self::webhook_configs, {.help = "Generic HTTP receivers."})
                     .field("discord_configs", &Self::discord_configs, {.help = "Channels of Discord."})
                     .field("pagerduty_configs", &Self::pagerduty_configs, {.help = "Services of PagerDuty."})
                     .check([](const Self& receiver, const Node& node) -> Result<void> {
                       if (receiver.name.empty()) return fail(node.error("missing name in receiver"));
                       return {};
                     });
    for (const std::string_view key : {"slack_configs", "telegram_configs", "email_configs", "labels"}) {
      built.refuse(key, "not supported yet");
    }
    for (const std::string_view key :
         {"incidentio_configs", "opsgenie_configs", "wechat_configs", "pushover_configs", "victorops_configs",
          "sns_configs", "webex_configs", "msteams_configs", "msteamsv2_configs", "jira_configs", "rocketchat_configs",
          "mattermost_configs"}) {
      built.refuse(key, "not supported; use webhook_configs, discord_configs or pagerduty_configs");
    }
    return built;
  }();
  return table;
}

const Table<NotifyGlobalConfig>& NotifyGlobalConfig::fields() {
  using Self = NotifyGlobalConfig;
  static const auto table =
      Table<Self>("global", "Defaults of the receivers.")
          .field("resolve_timeout", &Self::resolve_timeout,
                 {.help = "When an alert that was posted without an end is taken as resolved."})
          .field("http_config", &Self::http_config, {.help = "HTTP settings of receivers that have none."})
          .field("pagerduty_url", &Self::pagerduty_url, {.help = "Where PagerDuty's events go."})
          .check([](const Self& global, const Node& node) -> Result<void> {
            if (const std::string why = receivers::url_problem(global.pagerduty_url); !why.empty()) {
              return fail(node.error("pagerduty_url: {}", why));
            }
            return {};
          });
  return table;
}

Result<void> check_notify(const NotifyConfig& config, const Node& root) {
  Names names;
  for (std::size_t i = 0; i < config.receivers.size(); ++i) {
    if (!names.receivers.insert(config.receivers[i].name).second) {
      return fail(item_of(root, "receivers", i)
                      .error("notification config name \"{}\" is not unique", config.receivers[i].name));
    }
  }
  for (const auto& [key, what, list] :
       {std::tuple("time_intervals", "time interval", &config.time_intervals),
        std::tuple("mute_time_intervals", "mute time interval", &config.mute_time_intervals)}) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (!names.intervals.insert((*list)[i].name).second) {
        return fail(item_of(root, key, i).error("{} \"{}\" is not unique", what, (*list)[i].name));
      }
    }
  }
  if (!config.route) {
    if (!config.receivers.empty()) return fail(root.find("receivers").error("no routes provided"));
    return {};
  }
  const Node route = root.find("route");
  if (auto checked = check_root(*config.route, route); !checked) return checked;
  if (auto checked = check_names(*config.route, route, names); !checked) return checked;
  return build_route(*config.route).map([](const Route&) {});
}

}  // namespace actions::notify
