// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "core/config/node.h"
#include "core/result.h"
#include "rules/alert/rule_spec.h"

namespace rules {

// Everything that is wrong with a rule file, in the order of the file; each message begins with file:line:column.
using RuleErrors = std::vector<core::Error>;

template <class T>
using Checked = tl::expected<T, RuleErrors>;

// Reads a Prometheus rule file: structure, durations, names, expressions and templates are checked, and all errors of
// the file are reported, with Prometheus's texts (RULES_AND_API 1). An error in an expression points at the place in
// the file where the query is wrong. An empty file has no groups.
Checked<std::vector<RuleGroupSpec>> read_rule_file(const std::string& path);
// The same for a text; `path` is what errors and groups call it.
Checked<std::vector<RuleGroupSpec>> parse_rule_file(std::string_view text, const std::string& path);

struct RuleFiles {
  std::vector<std::string> paths;      // sorted within a pattern, each once
  std::vector<std::string> unmatched;  // patterns that match no file, which Prometheus accepts silently
};

// Expands the patterns of `rule_files` (* ? [...] in the last path segment). kInvalid for any other pattern.
core::Result<RuleFiles> find_rule_files(const std::vector<std::string>& patterns);

// All groups of all files of all patterns.
Checked<std::vector<RuleGroupSpec>> load_rule_files(const std::vector<std::string>& patterns);

// What `check rules` prints for a file.
struct RuleFileCheck {
  std::size_t groups = 0;
  std::size_t recording_rules = 0;
  std::size_t alerting_rules = 0;
  RuleErrors errors;
  // Not wrong, but to be looked at: rules that occur twice.
  std::vector<std::string> warnings;
};
RuleFileCheck check_rule_file(const std::string& path);

// file:line:column of line `line`, column `column` (from 1) of a scalar's text, in whatever style it is written; the
// scalar's own place if that cannot be found.
core::config::Position place_in_scalar(const core::config::Node& scalar, int line, int column);

}  // namespace rules
