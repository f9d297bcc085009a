// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config/node.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"

namespace rules::promql {
struct Expr;
}

namespace rules {

// A sample that a rule makes; its time is the evaluation's.
struct SeriesSample {
  core::ring::Labels labels;
  double value = 0;
};

enum class RuleKind { kRecording, kAlerting };

// One rule as a rule file says it, checked: the expression is parsed, the templates too.
//
// Thread safety: a value; the expression is immutable and shared.
struct RuleSpec {
  RuleKind kind = RuleKind::kRecording;
  std::string name;  // the recorded metric or the alert's name
  std::shared_ptr<const promql::Expr> expr;
  std::string query;         // the canonical print of expr
  core::Millis hold_for{0};  // `for`
  core::Millis keep_firing_for{0};
  std::map<std::string, std::string> labels;       // the group's and the rule's own, templates not expanded
  std::map<std::string, std::string> annotations;  // templates not expanded
  core::config::Position position;                 // of the rule in its file
};

// A group as a rule file says it: its rules are evaluated in order, each seeing what the ones before it wrote.
struct RuleGroupSpec {
  std::string file;
  std::string name;
  std::optional<core::Millis> interval;      // else the global evaluation interval
  std::optional<core::Millis> query_offset;  // else the global one
  std::size_t limit = 0;                     // series or alerts a rule may make; 0 is no limit
  std::vector<RuleSpec> rules;
};

}  // namespace rules
