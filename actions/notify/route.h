// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actions/notify/matchers.h"
#include "core/config/table.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace actions::notify {

// `route`: a node of the routing tree as it is written.
struct RouteConfig {
  std::string receiver;
  std::optional<std::vector<std::string>> group_by;
  std::optional<core::Millis> group_wait;
  std::optional<core::Millis> group_interval;
  std::optional<core::Millis> repeat_interval;
  std::map<std::string, std::string> match;
  std::map<std::string, std::string> match_re;
  std::vector<std::string> matchers;
  std::vector<std::string> mute_time_intervals;
  std::vector<std::string> active_time_intervals;
  bool continue_ = false;
  std::vector<RouteConfig> routes;

  bool operator==(const RouteConfig&) const = default;
  static const core::config::Table<RouteConfig>& fields();
};

// A node of the tree with everything inherited filled in.
//
// Thread safety: immutable after construction.
struct Route {
  std::string receiver;
  std::vector<std::string> group_by;  // sorted; not used if group_by_all
  bool group_by_all = false;
  core::Millis group_wait = std::chrono::seconds(30);
  core::Millis group_interval = std::chrono::minutes(5);
  core::Millis repeat_interval = std::chrono::hours(4);
  LabelMatchers matchers;
  bool continue_ = false;
  std::vector<std::string> mute_time_intervals;
  std::vector<std::string> active_time_intervals;
  std::vector<Route> children;
  std::string key;  // the matchers from the root to here: {}/{team="storage"}
  std::string id;   // key, told apart from that of siblings with the same matchers, and how the route groups

  // The labels of an alert that say which group of this route it belongs to.
  core::ring::Labels group_labels(const core::ring::Labels& alert) const;
  // Alertmanager's group key, which receivers see: {}/{team="storage"}:{alertname="DiskFull"}
  std::string group_key(const core::ring::Labels& group_labels) const;
};

// kInvalid: a matcher is wrong.
core::Result<Route> build_route(const RouteConfig& config);

// The nodes that an alert with these labels belongs to, in match order; never none, since the root matches everything.
// The pointers live as long as `root`.
std::vector<const Route*> match_routes(const Route& root, const core::ring::Labels& labels);

// The matchers of the three ways to write them, pooled: `equal` (name to value), `regex`, and texts of matchers.
core::Result<LabelMatchers> pool_matchers(const std::map<std::string, std::string>& equal,
                                          const std::map<std::string, std::string>& regex,
                                          const std::vector<std::string>& texts);

}  // namespace actions::notify
