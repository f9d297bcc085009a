// SPDX-License-Identifier: Apache-2.0
#include "actions/notify/route.h"

#include <algorithm>
#include <set>

#include "core/result.h"

namespace actions::notify {
namespace {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;
using core::ring::Labels;
using core::ring::MatchType;

// How deep a routing tree may be.
constexpr int kDepthMax = 64;
constexpr std::string_view kAllLabels = "...";

Result<void> check_group_by(const RouteConfig& route, const Node& node) {
  if (!route.group_by) return {};
  std::set<std::string> seen;
  for (const std::string& name : *route.group_by) {
    if (name.empty() || !core::ring::is_valid_utf8(name)) {
      return fail(node.find("group_by").error("invalid label name \"{}\" in group_by list", name));
    }
    if (!seen.insert(name).second) {
      return fail(node.find("group_by").error("duplicated label \"{}\" in group_by", name));
    }
  }
  if (seen.contains(std::string(kAllLabels)) && seen.size() > 1) {
    return fail(node.find("group_by").error("cannot have wildcard group_by (`...`) and other labels at the same time"));
  }
  return {};
}

Result<void> check_route(const RouteConfig& route, const Node& node) {
  if (auto checked = check_group_by(route, node); !checked) return checked;
  for (const auto& [key, pairs] : {std::pair("match", &route.match), std::pair("match_re", &route.match_re)}) {
    for (const auto& [name, value] : *pairs) {
      if (!core::ring::is_plain_label_name(name)) {
        return fail(node.find(key).error("invalid label name \"{}\"", name));
      }
    }
  }
  if (auto matchers = pool_matchers(route.match, route.match_re, route.matchers); !matchers) {
    return fail(node.error("{}", matchers.error().message));
  }
  if (route.group_interval == core::Millis(0)) {
    return fail(node.find("group_interval").error("group_interval cannot be zero"));
  }
  if (route.repeat_interval == core::Millis(0)) {
    return fail(node.find("repeat_interval").error("repeat_interval cannot be zero"));
  }
  return {};
}

// What a node takes from its parent where it says nothing itself.
void inherit(Route& route, const RouteConfig& config, const Route& parent) {
  route.receiver = config.receiver.empty() ? parent.receiver : config.receiver;
  route.group_by = parent.group_by;
  route.group_by_all = parent.group_by_all;
  if (config.group_by) {
    route.group_by = *config.group_by;
    route.group_by_all = route.group_by == std::vector<std::string>{std::string(kAllLabels)};
    std::sort(route.group_by.begin(), route.group_by.end());
  }
  route.group_wait = config.group_wait.value_or(parent.group_wait);
  route.group_interval = config.group_interval.value_or(parent.group_interval);
  route.repeat_interval = config.repeat_interval.value_or(parent.repeat_interval);
}

Result<Route> build(const RouteConfig& config, const Route& parent, const std::string& place, int depth) {
  if (depth > kDepthMax) return fail(core::Errc::kInvalid, "routes are nested deeper than {}", kDepthMax);
  Route route;
  inherit(route, config, parent);
  auto matchers = pool_matchers(config.match, config.match_re, config.matchers);
  if (!matchers) return fail(matchers.error());
  route.matchers = std::move(*matchers);
  route.continue_ = config.continue_;
  route.mute_time_intervals = config.mute_time_intervals;
  route.active_time_intervals = config.active_time_intervals;
  route.key = (parent.key.empty() ? "" : parent.key + "/") + to_string(route.matchers);
  route.id = route.key + place + " by ";
  for (const std::string& name : route.group_by) route.id += core::ring::go_quote(name) + ",";
  route.id += " to " + core::ring::go_quote(route.receiver);

  std::map<std::string, int> twins;
  for (const RouteConfig& child_config : config.routes) {
    auto child = build(child_config, route, place, depth + 1);
    if (!child) return child;
    // Siblings with equal matchers have one key but are different routes.
    if (const int nth = twins[child->id]++; nth > 0) {
      child = build(child_config, route, place + "#" + std::to_string(nth), depth + 1);
      if (!child) return child;
    }
    route.children.push_back(std::move(*child));
  }
  return route;
}

void collect(const Route& route, const Labels& labels, std::vector<const Route*>& found) {
  const std::size_t before = found.size();
  for (const Route& child : route.children) {
    if (!matches(child.matchers, labels)) continue;
    collect(child, labels, found);
    if (!child.continue_) break;
  }
  if (found.size() == before) found.push_back(&route);
}

}  // namespace

const Table<RouteConfig>& RouteConfig::fields() {
  using Self = RouteConfig;
  static const auto table =
      Table<Self>("route", "A node of the routing tree: which alerts go to which receiver, and in which groups.")
          .field("receiver", &Self::receiver, {.help = "The receiver's name; inherited.", .example = "ops"})
          .field("group_by", &Self::group_by,
                 {.help = "Labels that make a group; ['...'] is all of them; inherited.", .example = "[alertname]"})
          .field("group_wait", &Self::group_wait, {.help = "From a group's first alert to its first message (30s)."})
          .field("group_interval", &Self::group_interval, {.help = "Between messages about changes of a group (5m)."})
          .field("repeat_interval", &Self::repeat_interval, {.help = "Until an unchanged group is told again (4h)."})
          .field("match", &Self::match, {.help = "Labels and their values, all of which must match."})
          .field("match_re", &Self::match_re, {.help = "Labels and anchored regular expressions of their values."})
          .field("matchers", &Self::matchers, {.help = "Matchers such as severity=~\"page|ticket\"."})
          .field("mute_time_intervals", &Self::mute_time_intervals, {.help = "Intervals in which nothing is sent."})
          .field("active_time_intervals", &Self::active_time_intervals,
                 {.help = "The only intervals in which anything is sent."})
          .field("continue", &Self::continue_, {.help = "Whether later siblings are tried after a match."})
          .field("routes", &Self::routes, {.help = "The node's children, tried in order."})
          .refuse("labels", "labels of routes are not supported yet")
          .check(check_route);
  return table;
}

Labels Route::group_labels(const Labels& alert) const {
  if (group_by_all) return alert;
  std::vector<core::ring::Label> pairs;
  for (const std::string& name : group_by) {
    if (alert.has(name)) pairs.push_back({name, std::string(alert.get(name))});
  }
  return Labels(std::move(pairs));
}

std::string Route::group_key(const Labels& group_labels) const {
  std::string text;
  for (const core::ring::Label& label : group_labels) {
    text += (text.empty() ? "" : ", ") + label.name + "=" + core::ring::go_quote(label.value);
  }
  return key + ":{" + text + "}";
}

Result<Route> build_route(const RouteConfig& config) { return build(config, Route{}, "", 0); }

std::vector<const Route*> match_routes(const Route& root, const Labels& labels) {
  std::vector<const Route*> found;
  collect(root, labels, found);
  return found;
}

Result<LabelMatchers> pool_matchers(const std::map<std::string, std::string>& equal,
                                    const std::map<std::string, std::string>& regex,
                                    const std::vector<std::string>& texts) {
  LabelMatchers pooled;
  const auto add = [&](MatchType type, const std::string& name, std::string value) -> Result<void> {
    auto matcher = LabelMatcher::make(type, name, std::move(value));
    if (!matcher) return fail(matcher.error());
    pooled.push_back(std::move(*matcher));
    return {};
  };
  for (const auto& [name, value] : equal) {
    if (auto added = add(MatchType::kEqual, name, value); !added) return fail(added.error());
  }
  for (const auto& [name, value] : regex) {
    // The wrapping shows in group keys, as it does in Alertmanager's.
    if (auto added = add(MatchType::kRegexMatch, name, "^(?:" + value + ")$"); !added) return fail(added.error());
  }
  for (const std::string& text : texts) {
    auto parsed = parse_label_matchers(text);
    if (!parsed) return fail(parsed.error());
    pooled.insert(pooled.end(), parsed->begin(), parsed->end());
  }
  return pooled;
}

}  // namespace actions::notify
