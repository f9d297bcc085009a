// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/table.h"
#include "core/result.h"

namespace collector::discovery {

using LabelMap = std::map<std::string, std::string>;

inline constexpr std::string_view kAddressLabel = "__address__";

// Targets that were found together. A group replaces the one with the same source; one without targets takes it away.
//
// Thread safety: a value.
struct TargetGroup {
  std::string source;
  std::vector<LabelMap> targets;  // each with __address__
  LabelMap labels;                // of them all; a target's own win

  bool operator==(const TargetGroup&) const = default;
};

using TargetGroups = std::vector<std::shared_ptr<const TargetGroup>>;

// <static_config>: targets that are simply listed; also what a file or an HTTP endpoint lists.
struct StaticConfig {
  std::vector<std::string> targets;
  LabelMap labels;

  bool operator==(const StaticConfig&) const = default;
  static const core::config::Table<StaticConfig>& fields();
};

// As Prometheus makes label names of keys: every byte but letters, digits and underscores becomes an underscore.
std::string sanitize_label_name(std::string_view key);

}  // namespace collector::discovery
