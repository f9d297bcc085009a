// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/drill_config.h"

#include <fnmatch.h>

#include <algorithm>

#include "actions/remedy/run.h"
#include "rules/alert/matcher_syntax.h"

namespace actions::drill {

using core::fail;
using core::Result;
using core::config::Node;
using core::config::Table;

namespace {

constexpr std::size_t kConditionsMax = 32;
constexpr core::Millis kDurationMax = std::chrono::hours(6);
constexpr core::Millis kResolvedMax = std::chrono::hours(24);

// Names stand in ids, paths of the API and metrics.
bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

bool all_match(const std::vector<core::ring::Matcher>& matchers, const core::ring::Labels& labels) {
  return !matchers.empty() && std::all_of(matchers.begin(), matchers.end(),
                                          [&](const core::ring::Matcher& each) { return each.matches(labels); });
}

Result<void> check_drill(const DrillConfig& drill, const Node& node) {
  if (drill.require.size() + drill.gates.size() + drill.stop_if.size() > kConditionsMax) {
    return fail(node.error("drill \"{}\": more than {} conditions", drill.name, kConditionsMax));
  }
  if (drill.fresh_within <= core::Millis(0)) {
    return fail(node.error("drill \"{}\": fresh_within must be more than zero", drill.name));
  }
  if (drill.max_duration <= core::Millis(0) || drill.max_duration > kDurationMax) {
    return fail(node.error("drill \"{}\": max_duration must be more than zero and at most {}", drill.name,
                           core::format_duration(kDurationMax)));
  }
  const ExpectConfig& expect = drill.expect;
  std::vector<std::pair<std::string_view, core::Millis>> deadlines = {{"alert", expect.alert.within}};
  if (expect.notified) deadlines.emplace_back("notified", *expect.notified);
  if (expect.remediation) deadlines.emplace_back("remediation", expect.remediation->within);
  for (const auto& [what, within] : deadlines) {
    // A deadline that lies behind the restore could never be missed.
    if (within <= core::Millis(0) || within > drill.max_duration) {
      return fail(node.error("drill \"{}\": expect: the deadline of {} must be more than zero and at most max_duration",
                             drill.name, what));
    }
  }
  if (drill.schedule && drill.allow_validators) {
    return fail(
        node.error("drill \"{}\": a drill that may touch validators has no schedule: a person starts it", drill.name));
  }
  return {};
}

}  // namespace

const Table<DrillableConfig>& DrillableConfig::fields() {
  static const auto table =
      Table<DrillableConfig>("drillable", "A component that drills may hurt, and what of it they may touch.")
          .field("name", &DrillableConfig::name, {.help = "What drills call it.", .required = true})
          .field("labels", &DrillableConfig::labels,
                 {.help = "Labels of its alerts, one at least: an alert that has all of them is this component's.",
                  .required = true})
          .field("units", &DrillableConfig::units, {.help = "Units of systemd."})
          .field("namespaces", &DrillableConfig::network_namespaces, {.help = "Network namespaces of `ip netns`."})
          .field("scratch", &DrillableConfig::scratch,
                 {.help = "Folders on disks that hold nothing of value: they may be filled."})
          .field("pods", &DrillableConfig::pods,
                 {.help = "NAMESPACE/NAME of pods; * stands for anything but the slash.", .example = "[eth/geth-*]"})
          .check([](const DrillableConfig& component, const Node& node) -> Result<void> {
            if (!is_name(component.name)) {
              return fail(node.error("drillable: \"{}\" is not a name: letters, digits, - _ and .", component.name));
            }
            if (component.labels.empty()) {
              return fail(
                  node.error("drillable \"{}\": labels is empty: every alert would be its own", component.name));
            }
            return {};
          });
  return table;
}

const Table<ExpectedAlertConfig>& ExpectedAlertConfig::fields() {
  static const auto table =
      Table<ExpectedAlertConfig>("expected_alert", "The alert that must fire.")
          .field("match", &ExpectedAlertConfig::match,
                 {.help = "Matchers of its labels, as in Alertmanager; all must match.", .required = true})
          .field("within", &ExpectedAlertConfig::within, {.help = "Since the injection.", .required = true})
          .check([](const ExpectedAlertConfig& alert, const Node& node) -> Result<void> {
            if (alert.match.empty()) return fail(node.error("expect: alert: match is empty"));
            return {};
          });
  return table;
}

const Table<ExpectedRemediationConfig>& ExpectedRemediationConfig::fields() {
  static const auto table =
      Table<ExpectedRemediationConfig>("expected_remediation", "The remediation that must come to a state.")
          .field("name", &ExpectedRemediationConfig::name, {.help = "One of remediations.", .required = true})
          .field("state", &ExpectedRemediationConfig::state,
                 {.help = "The state of its run: succeeded, or proposed, waiting, ... where its level ends there."})
          .field("within", &ExpectedRemediationConfig::within, {.help = "Since the injection.", .required = true})
          .check([](const ExpectedRemediationConfig& expected, const Node& node) -> Result<void> {
            if (remedy::run_state_from(expected.state)) return {};
            return fail(node.error("expect: remediation: there is no state \"{}\"", expected.state));
          });
  return table;
}

const Table<ExpectConfig>& ExpectConfig::fields() {
  static const auto table =
      Table<ExpectConfig>("expect", "What must happen in a drill, and by when.")
          .field("alert", &ExpectConfig::alert, {.help = "The alert that must fire.", .required = true})
          .field("notified", &ExpectConfig::notified,
                 {.help = "Since the injection: by then a receiver must have taken a message about it."})
          .field("remediation", &ExpectConfig::remediation, {.help = "The remediation that must run."})
          .field("resolved", &ExpectConfig::resolved, {.help = "Since the restore: by then the alert must be over."})
          .check([](const ExpectConfig& expect, const Node& node) -> Result<void> {
            if (expect.resolved > core::Millis(0) && expect.resolved <= kResolvedMax) return {};
            return fail(node.error("expect: resolved must be more than zero and at most 1d"));
          });
  return table;
}

const Table<DrillConfig>& DrillConfig::fields() {
  static const auto table =
      Table<DrillConfig>("drill", "A failure that is injected on purpose, and what must be seen of it.")
          .field("name", &DrillConfig::name, {.help = "What `watchkeeper drill run` calls it.", .required = true})
          .field("component", &DrillConfig::component, {.help = "One of drillable.", .required = true})
          .field("inject", &DrillConfig::inject, {.help = "What is done to it.", .required = true})
          .field("expect", &DrillConfig::expect, {.help = "What must happen.", .required = true})
          .field("require", &DrillConfig::require,
                 {.help = "PromQL that must hold before it starts, as of a remediation: unknown is no."})
          .field("gates", &DrillConfig::gates, {.help = "Names of remediation_gates that must hold as well."})
          .field("fresh_within", &DrillConfig::fresh_within,
                 {.help = "Samples that are older do not count in conditions."})
          .field("may_fire", &DrillConfig::may_fire,
                 {.help = "Alerts that may fire as well, each by its matchers: they are marked as the drill's. Any "
                          "other critical alert ends the drill."})
          .field("stop_if", &DrillConfig::stop_if,
                 {.help = "PromQL that is looked at every few seconds while the failure lasts; where one holds the "
                          "drill ends at once. Unknown is not: the failure may have made it so."})
          .field("max_duration", &DrillConfig::max_duration,
                 {.help = "The failure lasts no longer, whatever is still expected."})
          .field("schedule", &DrillConfig::schedule,
                 {.help = "When it runs by itself: an interval after the last run, or a cron line; default: never."})
          .field("allow_validators", &DrillConfig::allow_validators,
                 {.help = "Whether it may touch what names a validator client or a signer. It must be started with "
                          "--yes then."})
          .check([](const DrillConfig& drill, const Node& node) -> Result<void> {
            if (is_name(drill.name)) return {};
            return fail(node.error("drill: \"{}\" is not a name: letters, digits, - _ and .", drill.name));
          })
          .check(check_drill);
  return table;
}

bool DrillableConfig::owns(const core::ring::Labels& alert) const {
  return !labels.empty() && std::all_of(labels.begin(), labels.end(),
                                        [&](const auto& label) { return alert.get(label.first) == label.second; });
}

bool DrillableConfig::lists_pod(const std::string& pod) const {
  return std::ranges::any_of(pods, [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), pod.c_str(), FNM_NOESCAPE | FNM_PATHNAME) == 0;
  });
}

bool MatcherList::matches(const core::ring::Labels& labels) const { return all_match(matchers, labels); }

bool DrillConfig::expects(const core::ring::Labels& alert) const { return all_match(expect.alert.match, alert); }

}  // namespace actions::drill

namespace core::config {

Result<actions::drill::MatcherList> Codec<actions::drill::MatcherList>::read(const Node& node) {
  if (!node.is_scalar()) return fail(node.error("expected matchers such as alertname=\"X\", got {}", node.describe()));
  auto matchers = rules::parse_matchers(node.scalar());
  if (!matchers) return fail(node.error("{}", matchers.error().message));
  if (matchers->empty()) return fail(node.error("expected matchers: none would match every alert"));
  return actions::drill::MatcherList{node.scalar(), std::move(*matchers)};
}

}  // namespace core::config
