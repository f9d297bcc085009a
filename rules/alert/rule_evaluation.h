// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/ring/labels.h"
#include "core/time/clock.h"
#include "rules/alert/alert_state.h"
#include "rules/alert/rule_spec.h"
#include "rules/alert/rules_config.h"
#include "rules/promql/engine.h"
#include "rules/promql/value.h"

// What lies between the value of a rule's expression and its alerts or series.
namespace rules {

// The global settings that rules depend on.
struct RuleSettings {
  core::Millis evaluation_interval = std::chrono::minutes(1);
  core::Millis query_offset{0};
  core::ring::Labels external_labels;  // for templates; senders of notifications add them to alerts
  std::string external_url;            // without a trailing slash
  RulesConfig rules;

  bool operator==(const RuleSettings&) const = default;
};

// The elements of a rule's result; a scalar counts as one element without labels.
core::Result<promql::Vector> to_vector(promql::Value value);

// The series of a recording rule. Fails for equal label sets and beyond the limit (0: none).
core::Result<std::vector<SeriesSample>> record(const RuleSpec& rule, const promql::Vector& result, std::size_t limit);

// The alerts' labels and annotations for each element, templates expanded at `slot`. A template that fails gives its
// error as text: the alert itself goes on.
std::vector<ActiveElement> expand(const RuleSpec& rule, const promql::Vector& result, const RuleSettings& settings,
                                  const promql::Engine& engine, core::WallTime slot);

// Where a person sees the expression: <external URL>/graph?g0.expr=<query>&g0.tab=1
std::string generator_url(const RuleSettings& settings, const RuleSpec& rule);

// How far back the expression looks beyond its evaluation time: ranges, offsets and subqueries added up along the
// deepest path. An `@` looks nowhere, for the purpose of waiting until there is data.
core::Millis window(const promql::Expr& expr);

}  // namespace rules
