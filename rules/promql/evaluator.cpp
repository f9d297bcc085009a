// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/evaluator.h"

#include <numbers>
#include <utility>

#include "core/check.h"
#include "rules/promql/plan/plan.h"
#include "rules/promql/statistics.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

Status QueryContext::check_alive() const {
  if (stop.stop_requested()) return fail(Errc::kCancelled, "query was canceled in expression evaluation");
  if (clock.steady_now() >= deadline) return fail(Errc::kTimeout, "query timed out in expression evaluation");
  return {};
}

Status QueryContext::hold(std::uint64_t samples) {
  samples_held += samples;
  samples_peak = std::max(samples_peak, samples_held);
  if (samples_held > options.max_samples) {
    return fail(Errc::kLimitExceeded, "query processing would load too many samples into memory in query execution");
  }
  return {};
}

const std::string& string_argument(const Expr& argument) {
  const auto* literal = strip_parens(argument).as<StringLiteral>();
  CHECK(literal != nullptr, "the parser lets only string literals be string arguments");
  return literal->value;
}

Result<SeriesList> Evaluator::vector(const Expr& expr) {
  if (Status alive = context_.check_alive(); !alive) return fail(alive.error());
  const std::uint64_t held_before = context_.samples_held;
  const bool once = grid_.size() > 1 && context_.invariant.contains(&expr);
  Result<SeriesList> result = once ? vector_once(expr) : vector_node(expr);
  if (!result) return result;
  // What the operands held is gone; what remains is the result, until the parent is done in turn.
  context_.samples_held = held_before;
  if (Status room = context_.hold(count_points(*result)); !room) return fail(room.error());
  return result;
}

Result<SeriesList> Evaluator::vector_once(const Expr& expr) {
  Evaluator once(context_, TimeGrid::single(grid_.start_ms));
  Result<SeriesList> result = once.vector_node(expr);
  if (!result) return result;
  if (Status room = context_.hold(result->size() * grid_.size()); !room) return fail(room.error());
  for (Series& series : *result) {
    const double value = series.points.front().value;
    series.points.clear();
    series.points.reserve(grid_.size());
    for (std::size_t step = 0; step < grid_.size(); ++step) series.points.push_back({grid_.at(step), value});
  }
  return result;
}

Result<SeriesList> Evaluator::vector_node(const Expr& expr) {
  if (context_.plan != nullptr) {
    if (auto planned = context_.plan->vector(expr, context_, grid_)) return std::move(*planned);
  }
  if (const auto* selector = expr.as<VectorSelector>()) return instant_selector(*selector, SampleAspect::kValue);
  if (const auto* paren = expr.as<Paren>()) return vector(*paren->expr);
  if (const auto* unary = expr.as<Unary>()) {
    return unary->op == UnaryOp::kMinus ? negate(*unary->expr) : vector(*unary->expr);
  }
  if (const auto* call = expr.as<Call>()) return vector_call(expr, *call);
  if (const auto* operation = expr.as<Aggregate>()) return aggregation(*operation);
  const auto* operation = expr.as<Binary>();
  CHECK(operation != nullptr, "the parser lets only vectors stand here");
  return binary(expr, *operation);
}

Result<SeriesList> Evaluator::negate(const Expr& operand) {
  Result<SeriesList> list = vector(operand);
  if (!list) return list;
  for (Series& series : *list) {
    for (Sample& point : series.points) point.value = -point.value;
  }
  if (Status unique = drop_names(*list); !unique) return fail(unique.error());
  return list;
}

void Evaluator::mark_name_dropped(Series& series) const {
  if (context_.delayed()) {
    series.drop_name = true;
  } else {
    series.labels = drop_reserved(series.labels);
  }
}

Status Evaluator::drop_names(SeriesList& list) const {
  for (Series& series : list) mark_name_dropped(series);
  return merge_equal(list);
}

Result<std::vector<double>> Evaluator::scalar(const Expr& expr) {
  if (Status alive = context_.check_alive(); !alive) return fail(alive.error());
  const std::uint64_t held_before = context_.samples_held;
  if (Status room = context_.hold(grid_.size()); !room) return fail(room.error());
  Result<std::vector<double>> result = std::vector<double>();
  if (grid_.size() > 1 && context_.invariant.contains(&expr)) {
    Evaluator once(context_, TimeGrid::single(grid_.start_ms));
    result = once.scalar_node(expr);
    if (result) result->resize(grid_.size(), result->front());
  } else {
    result = scalar_node(expr);
  }
  context_.samples_held = held_before;
  return result;
}

Result<std::vector<double>> Evaluator::scalar_node(const Expr& expr) {
  if (const auto* literal = expr.as<NumberLiteral>()) return std::vector<double>(grid_.size(), literal->value);
  if (const auto* paren = expr.as<Paren>()) return scalar(*paren->expr);
  if (const auto* call = expr.as<Call>()) return scalar_call(*call);
  if (const auto* unary = expr.as<Unary>()) {
    Result<std::vector<double>> values = scalar(*unary->expr);
    if (values && unary->op == UnaryOp::kMinus) {
      for (double& value : *values) value = -value;
    }
    return values;
  }
  const auto* operation = expr.as<Binary>();
  CHECK(operation != nullptr, "the parser lets only scalars stand here");
  if (operation->op == BinaryOp::kTrimUpper || operation->op == BinaryOp::kTrimLower) {
    return fail(Errc::kFailed, "operator \"{}\" not allowed for Scalar operations", to_string(operation->op));
  }
  Result<std::vector<double>> lhs = scalar(*operation->lhs);
  if (!lhs) return lhs;
  const Result<std::vector<double>> rhs = scalar(*operation->rhs);
  if (!rhs) return rhs;
  for (std::size_t step = 0; step < lhs->size(); ++step) {
    double& value = (*lhs)[step];
    const double other = (*rhs)[step];
    value = is_comparison(operation->op) ? (holds(operation->op, value, other) ? 1 : 0)
                                         : arithmetic(operation->op, value, other);
  }
  return lhs;
}

Result<std::vector<double>> Evaluator::scalar_call(const Call& call) {
  const auto constant = [this](double value) { return std::vector<double>(grid_.size(), value); };
  const auto seconds = [](std::int64_t ms) { return static_cast<double>(ms) / 1e3; };
  switch (call.function) {
    case FunctionId::kPi:
      return constant(std::numbers::pi);
    case FunctionId::kStart:
      return constant(seconds(context_.start_ms));
    case FunctionId::kEnd:
      return constant(seconds(context_.end_ms));
    case FunctionId::kStep:
      return constant(context_.start_ms == context_.end_ms ? 0 : seconds(context_.step_ms));
    case FunctionId::kRange:
      return constant(seconds(context_.end_ms - context_.start_ms));
    case FunctionId::kTime: {
      std::vector<double> values(grid_.size());
      for (std::size_t step = 0; step < values.size(); ++step) values[step] = seconds(grid_.at(step));
      return values;
    }
    case FunctionId::kScalar:
      return scalar_of_vector(*call.args[0]);
    default:
      break;
  }
  const bool maximum = call.function == FunctionId::kMaxOf;
  CHECK(maximum || call.function == FunctionId::kMinOf, "a scalar function without an implementation");
  Result<std::vector<double>> values = scalar(*call.args[0]);
  if (!values) return values;
  const Result<std::vector<double>> others = scalar(*call.args[1]);
  if (!others) return others;
  for (std::size_t step = 0; step < values->size(); ++step) {
    double& value = (*values)[step];
    value = maximum ? strict_max(value, (*others)[step]) : strict_min(value, (*others)[step]);
  }
  return values;
}

Result<std::vector<double>> Evaluator::scalar_of_vector(const Expr& argument) {
  const Result<SeriesList> list = vector(argument);
  if (!list) return fail(list.error());
  std::vector<double> values(grid_.size(), normal_nan());
  std::vector<bool> taken(grid_.size(), false);
  for (const Series& series : *list) {
    for (const Sample& point : series.points) {
      const std::size_t step = grid_.index(point.time_ms);
      values[step] = taken[step] ? normal_nan() : point.value;
      taken[step] = true;
    }
  }
  return values;
}

Result<SeriesList> Evaluator::aggregation(const Aggregate& operation) {
  std::vector<double> parameter;
  if (operation.param && value_type(*operation.param) == ValueType::kScalar) {
    Result<std::vector<double>> values = scalar(*operation.param);
    if (!values) return fail(values.error());
    parameter = std::move(*values);
  }
  const Result<SeriesList> input = vector(*operation.expr);
  if (!input) return input;
  return aggregate(context_, grid_, operation, *input, parameter);
}

}  // namespace rules::promql
