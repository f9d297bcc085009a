// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/first_sample.h"

#include <algorithm>
#include <string_view>

#include "rules/promql/ast.h"

namespace actions::drill {
namespace {

using core::ring::Labels;

constexpr std::int64_t kStepLeast = 250;
constexpr std::int64_t kStepsMax = 400;

// Whether the rule makes this alert of that element; labels of the rule stand above those of the element.
bool makes(const rules::RuleSpec& rule, const Labels& element, const Labels& alert) {
  return std::ranges::all_of(element, [&](const core::ring::Label& label) {
    return label.name == core::ring::kMetricName || rule.labels.contains(label.name) ||
           alert.get(label.name) == label.value;
  });
}

std::optional<std::int64_t> first_time(const rules::promql::Engine& engine, const rules::RuleSpec& rule,
                                       const Labels& alert, rules::promql::RangeParameters range,
                                       const std::stop_token& stop) {
  const auto result = engine.range(*rule.expr, range, stop);
  if (!result) return std::nullopt;
  std::optional<std::int64_t> first;
  if (const auto* matrix = std::get_if<rules::promql::Matrix>(&result->value)) {
    for (const auto& series : *matrix) {
      if (series.samples.empty() || !makes(rule, series.labels, alert)) continue;
      first = std::min(first.value_or(series.samples.front().time_ms), series.samples.front().time_ms);
    }
  }
  return first;
}

}  // namespace

std::optional<core::WallTime> first_bad_sample(const rules::promql::Engine& engine,
                                               const std::vector<std::shared_ptr<const rules::GroupStatus>>& groups,
                                               const Labels& alert, core::WallTime from, core::WallTime until,
                                               std::stop_token stop) {
  const std::int64_t from_ms = core::to_unix_ms(from);
  const std::int64_t until_ms = core::to_unix_ms(until);
  if (until_ms <= from_ms) return std::nullopt;
  const std::int64_t step_ms = std::max(kStepLeast, (until_ms - from_ms) / kStepsMax + 1);
  for (const auto& group : groups) {
    for (const rules::RuleStatus& status : group->rules) {
      const rules::RuleSpec& rule = status.spec;
      if (rule.kind != rules::RuleKind::kAlerting || rule.name != alert.get("alertname") || rule.expr == nullptr) {
        continue;
      }
      // The last step is the evaluation that saw it.
      const std::int64_t begin_ms = until_ms - (until_ms - from_ms) / step_ms * step_ms;
      const auto first = first_time(engine, rule, alert, {begin_ms, until_ms, step_ms}, stop);
      if (!first) continue;
      // What it read last is what made it hold.
      const auto there = engine.instant(*rule.expr, *first, stop);
      const bool read = there && there->newest_ms > from_ms && there->newest_ms <= *first;
      return core::from_unix_ms(read ? there->newest_ms : *first);
    }
  }
  return std::nullopt;
}

}  // namespace actions::drill
