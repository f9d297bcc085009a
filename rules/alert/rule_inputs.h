// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "core/ring/matcher.h"
#include "rules/alert/rule_spec.h"

// Which scrapes a rule looks at, read off its expression.
namespace rules {

// One selector, as far as it tells who may bring it samples.
struct RuleInput {
  std::string metric;  // of an equality matcher on the name; empty: any
  std::string job;     // of an equality matcher on `job`; empty: any
  std::vector<core::ring::Matcher> matchers;
};

// Every selector of the expression, in ranges and subqueries too.
std::vector<RuleInput> inputs_of(const promql::Expr& expr);

// What has to be evaluated for an alerting rule when a scrape has landed.
struct RuleSources {
  std::vector<std::size_t> steps;  // recording rules before it in its group that it depends on, in order
  std::vector<RuleInput> inputs;   // its own and those of the steps, without what rules record
};

// REQUIRES: `rule` < rules.size(). `recorded`: the names that rules of any group record. A rule of another group writes
// at its own interval, so what it records is nothing that a scrape brings.
RuleSources sources_of(const std::vector<RuleSpec>& rules, std::size_t rule, const std::set<std::string>& recorded);

}  // namespace rules
