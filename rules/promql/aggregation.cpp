// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/aggregation.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "rules/promql/number_text.h"
#include "rules/promql/statistics.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

namespace {

// What one group gathers at one step.
class Accumulator {
 public:
  explicit Accumulator(AggregateOp op) : op_(op) {}

  bool empty() const { return count_ == 0; }

  void clear() {
    count_ = 0;
    mean_ = {};
    variance_ = {};
    values_.clear();
  }

  void add(double x) {
    const bool first = count_ == 0;
    count_ += 1;
    switch (op_) {
      case AggregateOp::kSum:
        if (first) {
          sum_ = {x, 0};
        } else {
          sum_.add(x);
        }
        return;
      case AggregateOp::kAvg:
        return mean_.add(x);
      case AggregateOp::kMin:
        if (first || x < extreme_ || std::isnan(extreme_)) extreme_ = x;
        return;
      case AggregateOp::kMax:
        if (first || x > extreme_ || std::isnan(extreme_)) extreme_ = x;
        return;
      case AggregateOp::kStddev:
      case AggregateOp::kStdvar:
        return variance_.add(x);
      case AggregateOp::kQuantile:
        values_.push_back(x);
        return;
      default:
        return;
    }
  }

  // REQUIRES: not empty.
  double result(double parameter) {
    switch (op_) {
      case AggregateOp::kSum:
        return sum_.total();
      case AggregateOp::kAvg:
        return mean_.value();
      case AggregateOp::kMin:
      case AggregateOp::kMax:
        return extreme_;
      case AggregateOp::kCount:
        return count_;
      case AggregateOp::kStddev:
        return std::sqrt(variance_.population());
      case AggregateOp::kStdvar:
        return variance_.population();
      case AggregateOp::kQuantile:
        return quantile(parameter, values_);
      default:
        return 1;  // group
    }
  }

 private:
  AggregateOp op_;
  double count_ = 0;
  double extreme_ = 0;
  CompensatedSum sum_;
  Mean mean_;
  Variance variance_;
  std::vector<double> values_;
};

void warn_about_quantile(QueryContext& context, const Expr& parameter_node, std::span<const double> parameter) {
  const auto warn = [&](double phi) {
    context.annotations.add(AnnotationKind::kWarning,
                            fmt::format("quantile value should be between 0 and 1, got {}", short_number(phi)),
                            parameter_node.place);
  };
  double highest = 0;
  double lowest = 1;
  bool any_nan = false;
  for (const double phi : parameter) {
    any_nan = any_nan || std::isnan(phi);
    highest = std::fmax(highest, phi);
    lowest = std::fmin(lowest, phi);
  }
  if (any_nan) warn(normal_nan());
  if (highest > 1) warn(highest);
  if (lowest < 0) warn(lowest);
}

Result<SeriesList> combine(QueryContext& context, const TimeGrid& grid, const Aggregate& operation,
                           const SeriesList& input, std::span<const double> parameter) {
  const Grouping grouping = group_series(operation, input);
  std::vector<Accumulator> accumulators(grouping.groups.size(), Accumulator(operation.op));
  SeriesList result;
  for (const Grouping::Group& group : grouping.groups) result.push_back({group.labels, group.drop_name, {}});
  StepCursor cursor(input);
  for (std::size_t step = 0; step < grid.size(); ++step) {
    if (Status alive = context.check_alive(); !alive) return fail(alive.error());
    for (Accumulator& accumulator : accumulators) accumulator.clear();
    cursor.visit(grid.at(step), [&](std::size_t i, double value) { accumulators[grouping.group_of[i]].add(value); });
    for (std::size_t group = 0; group < accumulators.size(); ++group) {
      if (accumulators[group].empty()) continue;
      const double value = accumulators[group].result(parameter.empty() ? 0 : parameter[step]);
      result[group].points.push_back({grid.at(step), value});
    }
  }
  std::erase_if(result, [](const Series& series) { return series.points.empty(); });
  return result;
}

Result<SeriesList> count_values(QueryContext& context, const TimeGrid& grid, const Aggregate& operation,
                                const SeriesList& input) {
  const std::string& label = string_argument(*operation.param);
  if (label.empty() || !core::ring::is_valid_utf8(label)) {
    return fail(Errc::kFailed, "invalid label name {}", core::ring::go_quote(label));
  }
  std::vector<std::string> names = operation.grouping;
  if (operation.mode == GroupingMode::kBy) names.push_back(label);
  StepAssembler result;
  // Values seldom change from step to step: the group of a series' last value is kept.
  struct Last {
    double value = 0;
    std::optional<StepAssembler::Slot> slot;
  };
  std::vector<Last> last(input.size());
  std::unordered_map<StepAssembler::Slot, double> counts;
  std::vector<StepAssembler::Slot> seen;
  StepCursor cursor(input);
  for (std::size_t step = 0; step < grid.size(); ++step) {
    if (Status alive = context.check_alive(); !alive) return fail(alive.error());
    counts.clear();
    seen.clear();
    cursor.visit(grid.at(step), [&](std::size_t i, double value) {
      if (!last[i].slot || !core::ring::same_bits(last[i].value, value)) {
        const Labels labels = input[i].labels->with(label, plain_number(value));
        last[i] = {value,
                   result.slot(std::make_shared<const Labels>(group_labels(labels, operation.mode, names)), false)};
      }
      if ((counts[*last[i].slot] += 1) == 1) seen.push_back(*last[i].slot);
    });
    for (const StepAssembler::Slot slot : seen) {
      if (Status added = result.add(slot, {grid.at(step), counts[slot]}); !added) return fail(added.error());
    }
  }
  return result.take();
}

}  // namespace

Labels group_labels(const Labels& labels, GroupingMode mode, std::span<const std::string> names) {
  if (mode == GroupingMode::kWithout) return drop_all(labels, names).without_metric_name();
  return names.empty() ? Labels() : keep_only(labels, names);
}

Grouping group_series(const Aggregate& operation, const SeriesList& input) {
  Grouping result;
  std::unordered_map<Labels, std::size_t, core::ring::LabelsHash> known;
  result.group_of.reserve(input.size());
  for (const Series& series : input) {
    Labels labels = group_labels(*series.labels, operation.mode, operation.grouping);
    const auto [found, added] = known.emplace(std::move(labels), result.groups.size());
    if (added) result.groups.push_back({std::make_shared<const Labels>(found->first), false});
    if (series.drop_name) result.groups[found->second].drop_name = true;
    result.group_of.push_back(found->second);
  }
  return result;
}

Result<SeriesList> aggregate(QueryContext& context, const TimeGrid& grid, const Aggregate& operation,
                             const SeriesList& input, std::span<const double> parameter) {
  switch (operation.op) {
    case AggregateOp::kTopk:
    case AggregateOp::kBottomk:
    case AggregateOp::kLimitk:
    case AggregateOp::kLimitRatio:
      return select_series(context, grid, operation, input, parameter);
    case AggregateOp::kCountValues:
      return count_values(context, grid, operation, input);
    case AggregateOp::kQuantile:
      warn_about_quantile(context, *operation.param, parameter);
      break;
    default:
      break;
  }
  return combine(context, grid, operation, input, parameter);
}

}  // namespace rules::promql
