// SPDX-License-Identifier: Apache-2.0
#include "agent/api/rules_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actions/receivers/sha256.h"
#include "agent/api/envelope.h"
#include "agent/api/json_text.h"
#include "agent/api/parameters.h"
#include "core/ring/labels.h"
#include "rules/alert/alert_state.h"

namespace agent {
namespace {

using rules::AlertState;
using rules::AlertStatus;
using rules::GroupStatus;
using rules::RuleHealth;
using rules::RuleKind;
using rules::RuleStatus;

std::string_view state_name(std::optional<AlertState> state) { return state ? rules::to_string(*state) : "unknown"; }

std::string_view health_name(RuleHealth health) {
  switch (health) {
    case RuleHealth::kUnknown:
      return "unknown";
    case RuleHealth::kOk:
      return "ok";
    case RuleHealth::kFailing:
      return "err";
  }
  return "unknown";
}

std::string json_of(const std::map<std::string, std::string>& texts) {
  std::string out = "{";
  for (const auto& [name, value] : texts) {
    out += fmt::format("{}{}:{}", out.size() > 1 ? "," : "", json(name, HtmlCharacters::kAsTheyAre),
                       json(value, HtmlCharacters::kAsTheyAre));
  }
  return out + "}";
}

std::string json_of(const std::optional<core::WallTime>& time) {
  return time ? json_time(*time) : std::string(kJsonZeroTime);
}

std::string json_of(const AlertStatus& alert) {
  std::string labels;
  append_json(labels, alert.labels);
  return fmt::format("{{\"labels\":{},\"annotations\":{},\"state\":\"{}\",\"activeAt\":{}{},\"value\":\"{}\"}}", labels,
                     json_of(alert.annotations), state_name(alert.state), json_time(alert.active_at),
                     alert.keep_firing_since ? ",\"keepFiringSince\":" + json_time(*alert.keep_firing_since) : "",
                     exponent_text(alert.value));
}

std::string json_of(const std::vector<AlertStatus>& alerts) {
  std::string out = "[";
  for (const AlertStatus& alert : alerts) {
    if (alert.state == AlertState::kInactive) continue;
    if (out.size() > 1) out += ',';
    out += json_of(alert);
  }
  return out + "]";
}

enum class Alerts { kShown, kLeftOut };

std::string json_of(const RuleStatus& rule, Alerts alerts) {
  const std::string name = json(rule.spec.name);
  const std::string query = json(rule.spec.query);
  const std::string error = rule.last_error.empty() ? "" : ",\"lastError\":" + json(rule.last_error);
  const std::string tail =
      fmt::format(",\"health\":\"{}\"{}{},\"evaluationTime\":{},\"lastEvaluation\":{}", health_name(rule.health), error,
                  rule.watches_nothing() ? ",\"watchesNothing\":true" : "", json_seconds(rule.evaluation_time),
                  json_of(rule.last_evaluation));
  if (rule.spec.kind == RuleKind::kRecording) {
    return fmt::format("{{\"name\":{},\"query\":{},\"labels\":{}{},\"type\":\"recording\"}}", name, query,
                       json_of(rule.spec.labels), tail);
  }
  return fmt::format(
      "{{\"state\":\"{}\",\"name\":{},\"query\":{},\"duration\":{},\"keepFiringFor\":{},\"labels\":{},\"annotations\":{"
      "},"
      "\"alerts\":{}{},\"type\":\"alerting\"}}",
      state_name(rule.state), name, query, json_seconds(rule.spec.hold_for), json_seconds(rule.spec.keep_firing_for),
      json_of(rule.spec.labels), json_of(rule.spec.annotations),
      alerts == Alerts::kShown ? json_of(rule.alerts) : "null", tail);
}

// The filters of a request, checked.
struct RuleFilter {
  std::optional<RuleKind> kind;
  std::set<std::string> names;
  std::set<std::string> groups;
  std::set<std::string> files;
  std::vector<std::vector<core::ring::Matcher>> selectors;
  Alerts alerts = Alerts::kShown;

  bool accepts(const GroupStatus& group) const {
    return (groups.empty() || groups.contains(group.name)) && (files.empty() || files.contains(group.file));
  }
  bool accepts(const RuleStatus& rule) const {
    if (kind && rule.spec.kind != *kind) return false;
    if (!names.empty() && !names.contains(rule.spec.name)) return false;
    if (selectors.empty()) return true;
    std::vector<core::ring::Label> pairs;
    for (const auto& [name, value] : rule.spec.labels) pairs.push_back({name, value});
    const core::ring::Labels labels(std::move(pairs));
    return std::ranges::any_of(selectors, [&](const auto& matchers) {
      return std::ranges::all_of(matchers, [&](const core::ring::Matcher& matcher) { return matcher.matches(labels); });
    });
  }
};

std::set<std::string> names_of(const Parameters& parameters, std::string_view name) {
  const auto values = parameters.all(name);
  return {values.begin(), values.end()};
}

// As Go reads a flag.
std::optional<bool> read_flag(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "true", "TRUE", "True"};
  constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "false", "FALSE", "False"};
  if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
  return std::nullopt;
}

tl::expected<RuleFilter, ApiResponse> filter_of(const Parameters& parameters) {
  RuleFilter filter;
  const std::string_view type = parameters.get("type");
  if (type == "alert") filter.kind = RuleKind::kAlerting;
  if (type == "record") filter.kind = RuleKind::kRecording;
  if (!type.empty() && !filter.kind) {
    return tl::unexpected(bad_parameter("type", fmt::format("not supported value \"{}\"", type)));
  }
  filter.names = names_of(parameters, "rule_name[]");
  filter.groups = names_of(parameters, "rule_group[]");
  filter.files = names_of(parameters, "file[]");
  auto selectors = selectors_of(parameters);
  if (!selectors) return tl::unexpected(failure(ErrorType::kBadData, selectors.error().message));
  filter.selectors = std::move(*selectors);
  const std::string_view exclude = parameters.get("exclude_alerts");
  const auto left_out = exclude.empty() ? false : read_flag(exclude);
  if (left_out.value_or(false)) filter.alerts = Alerts::kLeftOut;
  if (!left_out) {
    return tl::unexpected(bad_parameter("exclude_alerts", fmt::format("expected true or false, got \"{}\"", exclude)));
  }
  return filter;
}

// Names the group a page starts with.
std::string token_of(const GroupStatus& group) { return actions::receivers::sha256_hex(group.file + ";" + group.name); }

struct Page {
  std::size_t limit = 0;  // 0: everything
  std::string start;      // token of the first group, "" for the first page
};

tl::expected<Page, ApiResponse> page_of(const Parameters& parameters) {
  Page page{0, std::string(parameters.get("group_next_token"))};
  const std::string_view text = parameters.get("group_limit");
  if (text.empty()) {
    if (page.start.empty()) return page;
    return tl::unexpected(
        bad_parameter("group_next_token", "group_limit needs to be present in order to paginate over the groups"));
  }
  std::int64_t limit = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (problem != std::errc() || end != text.data() + text.size()) {
    return tl::unexpected(bad_parameter("group_limit", fmt::format("expected a whole number, got \"{}\"", text)));
  }
  if (limit <= 0) return tl::unexpected(bad_parameter("group_limit", "group_limit needs to be greater than 0"));
  page.limit = static_cast<std::size_t>(limit);
  return page;
}

// "" if no rule of the group is asked for.
std::string json_of(const GroupStatus& group, const RuleFilter& filter) {
  std::string rules;
  for (const RuleStatus& rule : group.rules) {
    if (!filter.accepts(rule)) continue;
    if (!rules.empty()) rules += ',';
    rules += json_of(rule, filter.alerts);
  }
  if (rules.empty()) return {};
  return fmt::format(
      "{{\"name\":{},\"file\":{},\"rules\":[{}],\"interval\":{},\"limit\":{},\"evaluationTime\":{},\"lastEvaluation\":{"
      "}}}",
      json(group.name), json(group.file), rules, json_seconds(group.interval), group.limit,
      json_seconds(group.evaluation_time), json_of(group.last_evaluation));
}

}  // namespace

ApiResponse answer_rules(RuleGroups groups, const ApiRequest& request) {
  const auto filter = filter_of(request.parameters);
  if (!filter) return filter.error();
  const auto page = page_of(request.parameters);
  if (!page) return page.error();
  bool started = page->start.empty();
  std::size_t count = 0;
  std::string list;
  std::string next;
  for (const auto& group : groups) {
    started = started || token_of(*group) == page->start;
    if (!started || !filter->accepts(*group)) continue;
    const std::string text = json_of(*group, *filter);
    if (text.empty()) continue;
    if (page->limit > 0 && count == page->limit) {
      next = token_of(*group);
      break;
    }
    ++count;
    if (!list.empty()) list += ',';
    list += text;
  }
  if (!started) {
    return bad_parameter("group_next_token",
                         fmt::format("invalid group_next_token '{}'. were rule groups changed?", page->start));
  }
  return success("{\"groups\":[" + list + "]" + (next.empty() ? "" : ",\"groupNextToken\":\"" + next + "\"") + "}");
}

ApiResponse answer_alerts(RuleGroups groups) {
  std::string list;
  for (const auto& group : groups) {
    for (const RuleStatus& rule : group->rules) {
      const std::string alerts = json_of(rule.alerts);
      if (alerts.size() <= 2) continue;
      if (!list.empty()) list += ',';
      list += std::string_view(alerts).substr(1, alerts.size() - 2);
    }
  }
  return success("{\"alerts\":[" + list + "]}");
}

}  // namespace agent
