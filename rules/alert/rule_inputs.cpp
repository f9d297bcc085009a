// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_inputs.h"

#include <algorithm>
#include <utility>

#include "core/ring/labels.h"
#include "rules/promql/ast.h"

namespace rules {
namespace {

using core::ring::Matcher;
using core::ring::MatchType;

RuleInput input_of(const promql::VectorSelector& selector) {
  RuleInput input;
  input.matchers = selector.matchers;
  for (const Matcher& matcher : selector.matchers) {
    if (matcher.type() != MatchType::kEqual) continue;
    if (matcher.name() == core::ring::kMetricName) input.metric = matcher.value();
    if (matcher.name() == "job") input.job = matcher.value();
  }
  return input;
}

void collect(const promql::Expr& expr, std::vector<RuleInput>& inputs) {
  if (const auto* selector = expr.as<promql::VectorSelector>()) inputs.push_back(input_of(*selector));
  if (const auto* matrix = expr.as<promql::MatrixSelector>()) inputs.push_back(input_of(matrix->selector));
  for (const promql::ExprPtr& child : promql::children(expr)) collect(*child, inputs);
}

bool may_read(const RuleInput& input, const std::string& metric) {
  return std::ranges::all_of(input.matchers, [&](const Matcher& matcher) {
    return matcher.name() != core::ring::kMetricName || matcher.matches(std::string_view(metric));
  });
}

}  // namespace

std::vector<RuleInput> inputs_of(const promql::Expr& expr) {
  std::vector<RuleInput> inputs;
  collect(expr, inputs);
  return inputs;
}

RuleSources sources_of(const std::vector<RuleSpec>& rules, std::size_t rule, const std::set<std::string>& recorded) {
  RuleSources sources;
  std::vector<RuleInput> wanted = inputs_of(*rules[rule].expr);
  // From the nearest rule backwards: each step may need only what stands before it.
  for (std::size_t step = rule; step-- > 0;) {
    if (rules[step].kind != RuleKind::kRecording) continue;
    const bool needed =
        std::ranges::any_of(wanted, [&](const RuleInput& input) { return may_read(input, rules[step].name); });
    if (!needed) continue;
    sources.steps.push_back(step);
    for (RuleInput& input : inputs_of(*rules[step].expr)) wanted.push_back(std::move(input));
  }
  std::ranges::reverse(sources.steps);
  for (RuleInput& input : wanted) {
    if (input.metric.empty() || !recorded.contains(input.metric)) sources.inputs.push_back(std::move(input));
  }
  return sources;
}

}  // namespace rules
