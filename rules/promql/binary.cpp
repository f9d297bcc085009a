// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "core/check.h"
#include "rules/promql/evaluator.h"
#include "rules/promql/matching.h"

namespace rules::promql {

using core::fail;
using core::Result;

double arithmetic(BinaryOp op, double lhs, double rhs) {
  switch (op) {
    case BinaryOp::kAdd:
      return lhs + rhs;
    case BinaryOp::kSub:
      return lhs - rhs;
    case BinaryOp::kMul:
      return lhs * rhs;
    case BinaryOp::kDiv:
      return lhs / rhs;
    case BinaryOp::kMod:
      return std::fmod(lhs, rhs);
    case BinaryOp::kPow:
      return std::pow(lhs, rhs);
    case BinaryOp::kAtan2:
      return std::atan2(lhs, rhs);
    default:
      break;
  }
  CHECK(false, "not an arithmetic operator");
}

bool holds(BinaryOp comparison, double lhs, double rhs) {
  switch (comparison) {
    case BinaryOp::kEqual:
      return lhs == rhs;
    case BinaryOp::kNotEqual:
      return lhs != rhs;
    case BinaryOp::kLess:
      return lhs < rhs;
    case BinaryOp::kLessOrEqual:
      return lhs <= rhs;
    case BinaryOp::kGreater:
      return lhs > rhs;
    case BinaryOp::kGreaterOrEqual:
      return lhs >= rhs;
    default:
      break;
  }
  CHECK(false, "not a comparison");
}

bool is_trim(BinaryOp op) { return op == BinaryOp::kTrimUpper || op == BinaryOp::kTrimLower; }

void note_incompatible(QueryContext& context, const Binary& operation, Place place) {
  const std::string_view op = to_string(operation.op);
  context.annotations.add(
      AnnotationKind::kInfo,
      fmt::format("incompatible sample types encountered for binary operator \"{}\": float {} float", op, op), place);
}

// A vector on one side, a scalar on the other.
Result<SeriesList> Evaluator::with_scalar(const Expr& node, const Binary& operation) {
  const bool scalar_left = value_type(*operation.lhs) == ValueType::kScalar;
  const Result<std::vector<double>> scalars = scalar(scalar_left ? *operation.lhs : *operation.rhs);
  if (!scalars) return fail(scalars.error());
  Result<SeriesList> list = vector(scalar_left ? *operation.rhs : *operation.lhs);
  if (!list) return list;
  if (is_trim(operation.op)) {
    if (!list->empty()) note_incompatible(context_, operation, node.place);
    return SeriesList();
  }
  const bool compares = is_comparison(operation.op);
  for (Series& series : *list) {
    std::size_t kept = 0;
    for (const Sample& point : series.points) {
      const double other = (*scalars)[grid_.index(point.time_ms)];
      const double lhs = scalar_left ? other : point.value;
      const double rhs = scalar_left ? point.value : other;
      double value = point.value;
      if (!compares) {
        value = arithmetic(operation.op, lhs, rhs);
      } else if (operation.return_bool) {
        value = holds(operation.op, lhs, rhs) ? 1 : 0;
      } else if (!holds(operation.op, lhs, rhs)) {
        continue;
      }
      series.points[kept++] = {point.time_ms, value};
    }
    series.points.resize(kept);
  }
  std::erase_if(*list, [](const Series& series) { return series.points.empty(); });
  if (compares && !operation.return_bool) return list;
  if (Status unique = drop_names(*list); !unique) return fail(unique.error());
  return list;
}

Result<SeriesList> Evaluator::binary(const Expr& node, const Binary& operation) {
  if (value_type(*operation.lhs) == ValueType::kScalar || value_type(*operation.rhs) == ValueType::kScalar) {
    return with_scalar(node, operation);
  }
  const Result<SeriesList> lhs = vector(*operation.lhs);
  if (!lhs) return lhs;
  const Result<SeriesList> rhs = vector(*operation.rhs);
  if (!rhs) return rhs;
  if (is_set_operator(operation.op)) return combine_sets(context_, grid_, operation, *lhs, *rhs);
  return combine_vectors(context_, grid_, node, *lhs, *rhs);
}

MatchGroups::MatchGroups(const VectorMatching& matching, const SeriesList& first, const SeriesList& second) {
  std::unordered_map<Labels, std::size_t, core::ring::LabelsHash> known;
  const auto index = [&](const SeriesList& list, std::vector<std::size_t>& group_of) {
    group_of.reserve(list.size());
    for (const Series& series : list) {
      const auto [found, added] = known.emplace(match_group(matching, *series.labels), labels_.size());
      if (added) labels_.push_back(std::make_shared<const Labels>(found->first));
      group_of.push_back(found->second);
    }
  };
  index(first, first_);
  index(second, second_);
}

Labels match_group(const VectorMatching& matching, const Labels& labels) {
  if (matching.on) return keep_only(labels, matching.labels);
  return drop_all(labels, matching.labels).without_metric_name();
}

Result<SeriesList> combine_sets(QueryContext& context, const TimeGrid& grid, const Binary& operation,
                                const SeriesList& lhs, const SeriesList& rhs) {
  const MatchGroups groups(*operation.matching, lhs, rhs);
  StepAssembler result;
  std::vector<StepAssembler::Slot> left_slots;
  std::vector<StepAssembler::Slot> right_slots;
  for (const Series& series : lhs) left_slots.push_back(result.slot(series.labels, series.drop_name));
  if (operation.op == BinaryOp::kOr) {
    for (const Series& series : rhs) right_slots.push_back(result.slot(series.labels, series.drop_name));
  }
  StepCursor left(lhs);
  StepCursor right(rhs);
  std::vector<bool> occurs(groups.size());
  Status failed;
  for (std::size_t step = 0; step < grid.size(); ++step) {
    if (Status alive = context.check_alive(); !alive) return fail(alive.error());
    const std::int64_t time = grid.at(step);
    std::fill(occurs.begin(), occurs.end(), false);
    const auto add = [&](StepAssembler::Slot slot, double value) {
      if (Status added = result.add(slot, {time, value}); !added) failed = std::move(added);
    };
    if (operation.op == BinaryOp::kOr) {
      left.visit(time, [&](std::size_t i, double value) {
        occurs[groups.of_first(i)] = true;
        add(left_slots[i], value);
      });
      right.visit(time, [&](std::size_t i, double value) {
        if (!occurs[groups.of_second(i)]) add(right_slots[i], value);
      });
    } else {
      right.visit(time, [&](std::size_t i, double) { occurs[groups.of_second(i)] = true; });
      left.visit(time, [&](std::size_t i, double value) {
        if (occurs[groups.of_first(i)] == (operation.op == BinaryOp::kAnd)) add(left_slots[i], value);
      });
    }
    if (!failed) return fail(failed.error());
  }
  return result.take();
}

}  // namespace rules::promql
