// SPDX-License-Identifier: Apache-2.0
#include "rules/alert/rule_evaluation.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "rules/promql/ast.h"

namespace rules {
namespace {

using core::Millis;
using core::ring::Labels;

std::int64_t window_ms(const promql::Expr& expr);

std::int64_t look_back(const promql::TimeShift& shift, std::int64_t range_ms) {
  const bool pinned = shift.at_ms.has_value() || shift.at_bound != promql::AtBound::kNone;
  return pinned ? range_ms : std::max<std::int64_t>(0, shift.offset_ms + range_ms);
}

std::int64_t window_ms(const promql::Expr& expr) {
  if (const auto* selector = expr.as<promql::VectorSelector>()) return look_back(selector->shift, 0);
  if (const auto* matrix = expr.as<promql::MatrixSelector>())
    return look_back(matrix->selector.shift, matrix->range_ms);
  std::int64_t deepest = 0;
  for (const promql::ExprPtr& child : promql::children(expr)) deepest = std::max(deepest, window_ms(*child));
  if (const auto* subquery = expr.as<promql::Subquery>()) deepest += look_back(subquery->shift, subquery->range_ms);
  return deepest;
}

}  // namespace

core::Result<promql::Vector> to_vector(promql::Value value) {
  if (auto* vector = std::get_if<promql::Vector>(&value)) return std::move(*vector);
  if (const auto* scalar = std::get_if<promql::Scalar>(&value)) return promql::Vector{{Labels{}, *scalar}};
  return core::fail(core::Errc::kInvalid, "rule result is not a vector or scalar");
}

core::Result<std::vector<SeriesSample>> record(const RuleSpec& rule, const promql::Vector& result, std::size_t limit) {
  std::vector<SeriesSample> samples;
  std::set<Labels> seen;
  for (const promql::VectorElement& element : result) {
    std::vector<core::ring::Label> pairs(element.labels.begin(), element.labels.end());
    pairs.push_back({std::string(core::ring::kMetricName), rule.name});
    for (const auto& [name, value] : rule.labels) pairs.push_back({name, value});
    Labels labels(std::move(pairs));
    if (!seen.insert(labels).second) {
      return core::fail(core::Errc::kFailed,
                        "vector contains metrics with the same labelset after applying rule labels: {}",
                        labels.to_string());
    }
    samples.push_back({std::move(labels), element.sample.value});
  }
  if (limit > 0 && samples.size() > limit) {
    return core::fail(core::Errc::kLimitExceeded, "exceeded limit of {} with {} series", limit, samples.size());
  }
  return samples;
}

core::Millis window(const promql::Expr& expr) { return Millis(window_ms(expr)); }

}  // namespace rules
