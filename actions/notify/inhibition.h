// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "actions/notify/matchers.h"
#include "core/config/table.h"

namespace actions::notify {

// `inhibit_rules`: while a source alert fires, target alerts that agree with it on `equal` are not told.
struct InhibitRuleConfig {
  std::string name;
  std::map<std::string, std::string> source_match;
  std::map<std::string, std::string> source_match_re;
  std::vector<std::string> source_matchers;
  std::map<std::string, std::string> target_match;
  std::map<std::string, std::string> target_match_re;
  std::vector<std::string> target_matchers;
  std::vector<std::string> equal;

  bool operator==(const InhibitRuleConfig&) const = default;
  static const core::config::Table<InhibitRuleConfig>& fields();
};

// Thread safety: immutable after construction.
struct InhibitRule {
  LabelMatchers source;
  LabelMatchers target;
  std::vector<std::string> equal;

  // Whether a firing alert with the labels `source_alert` keeps one with `target_alert` quiet. An alert that matches
  // both sides is not kept quiet by another such alert, nor by itself.
  bool inhibits(const core::ring::Labels& source_alert, const core::ring::Labels& target_alert) const;
};

core::Result<InhibitRule> build_inhibit_rule(const InhibitRuleConfig& config);

}  // namespace actions::notify
