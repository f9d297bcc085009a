// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actions/backup/schedule.h"
#include "actions/drill/fault.h"
#include "actions/remedy/protection.h"
#include "actions/remedy/remediation_config.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/ring/matcher.h"

namespace actions::drill {

// One entry of `drillable:`: a component that drills may hurt, and what of it they may touch.
//
// Thread safety: a value.
struct DrillableConfig {
  std::string name;
  std::map<std::string, std::string> labels;  // of its alerts: one that has them all is this component's
  std::vector<std::string> units;
  std::vector<std::string> network_namespaces;
  std::vector<core::config::FilePath> scratch;
  std::vector<std::string> pods;  // NAMESPACE/NAME; * stands for anything

  bool owns(const core::ring::Labels& alert) const;
  bool lists_pod(const std::string& pod) const;  // NAMESPACE/NAME

  static const core::config::Table<DrillableConfig>& fields();
};

struct ExpectedAlertConfig {
  std::vector<core::ring::Matcher> match;
  core::Millis within{0};  // since the injection

  static const core::config::Table<ExpectedAlertConfig>& fields();
};

struct ExpectedRemediationConfig {
  std::string name;
  std::string state = "succeeded";
  core::Millis within{0};  // since the injection

  static const core::config::Table<ExpectedRemediationConfig>& fields();
};

// What must happen, and by when.
struct ExpectConfig {
  ExpectedAlertConfig alert;
  std::optional<core::Millis> notified;  // since the injection; none: not looked at
  std::optional<ExpectedRemediationConfig> remediation;
  core::Millis resolved = std::chrono::minutes(10);  // since the restore

  static const core::config::Table<ExpectConfig>& fields();
};

// Matchers in one text, as in Alertmanager: alertname="X", instance="a".
struct MatcherList {
  std::string text;
  std::vector<core::ring::Matcher> matchers;

  bool matches(const core::ring::Labels& labels) const;
  bool operator==(const MatcherList&) const = default;
};

// One entry of `drills:`.
//
// Thread safety: a value.
struct DrillConfig {
  std::string name;
  std::string component;
  Fault inject;
  ExpectConfig expect;
  std::vector<std::string> require;  // PromQL, as a remediation's
  std::vector<std::string> gates;
  core::Millis fresh_within = std::chrono::minutes(2);
  std::vector<MatcherList> may_fire;  // alerts that belong to it, beside the expected one and the component's
  std::vector<std::string> stop_if;   // PromQL: the drill is cancelled where one holds
  core::Millis max_duration = std::chrono::minutes(15);  // from the injection to the restore, at most
  std::optional<backup::Schedule> schedule;
  bool allow_validators = false;

  bool expects(const core::ring::Labels& alert) const;

  static const core::config::Table<DrillConfig>& fields();
};

// All that drills are run by.
//
// Thread safety: a value; shared ones are immutable.
struct DrillPlan {
  std::vector<DrillConfig> drills;
  std::vector<DrillableConfig> drillable;
  // Names and addresses of what signs, from the section `staking`: no drill touches what has one of them as a label.
  std::set<std::string> signers;
  remedy::ProtectionConfig protection;  // its labels are those of validators here as well
  remedy::PolicyPtr policy;             // its gates and pauses hold for drills

  const DrillConfig* find(const std::string& name) const;
  const DrillableConfig* component(const std::string& name) const;
};

using DrillPlanPtr = std::shared_ptr<const DrillPlan>;

// Why this drill touches something that signs for validators or is protected: the name that says so. None if nothing
// does.
std::optional<std::string> touches_validators(const DrillConfig& drill, const DrillableConfig& component,
                                              const DrillPlan& plan);

// Names are unique, what they refer to exists and is listed for the component, expressions can be read, and no drill
// touches a validator that does not say so. `root` is the configuration's top, for the error's place.
core::Result<void> check_drills(const DrillPlan& plan, const core::config::Node& root);

}  // namespace actions::drill

namespace core::config {

template <>
struct Codec<actions::drill::MatcherList> {
  static Result<actions::drill::MatcherList> read(const Node& node);
  static std::string print(const actions::drill::MatcherList& value) { return value.text; }
  static TypeDescription describe() { return {"matchers", {}}; }
};

}  // namespace core::config
