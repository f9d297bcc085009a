// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/engine.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "rules/promql/durations.h"
#include "rules/promql/evaluator.h"
#include "rules/promql/parser.h"
#include "rules/promql/plan/plan.h"
#include "rules/promql/query_cache.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

namespace {

// Removes the names that delayed removal has only marked so far.
Status finish_names(SeriesList& list) {
  bool any = false;
  for (Series& series : list) {
    if (!series.drop_name) continue;
    any = true;
    series.labels = drop_reserved(series.labels);
  }
  return any ? merge_equal(list) : Status();
}

Matrix to_matrix(SeriesList list) {
  Matrix matrix;
  matrix.reserve(list.size());
  for (Series& series : list) matrix.push_back({*series.labels, std::move(series.points)});
  std::sort(matrix.begin(), matrix.end(),
            [](const MatrixSeries& a, const MatrixSeries& b) { return a.labels < b.labels; });
  return matrix;
}

Vector to_vector(const SeriesList& list) {
  Vector vector;
  vector.reserve(list.size());
  for (const Series& series : list) vector.push_back({*series.labels, series.points.front()});
  return vector;
}

// Duplicates that only arise when several series of one step carry equal labels.
Status check_unique(const SeriesList& list) {
  std::unordered_set<Labels, core::ring::LabelsHash> seen;
  for (const Series& series : list) {
    if (!seen.insert(*series.labels).second) return fail(duplicate_labels());
  }
  return {};
}

Result<Value> instant_value(QueryContext& context, const Expr& query, std::int64_t time_ms) {
  Evaluator evaluator(context, TimeGrid::single(time_ms));
  const ValueType type = value_type(query);
  if (type == ValueType::kString) return Value(StringValue{time_ms, string_argument(query)});
  if (type == ValueType::kScalar) {
    const Result<std::vector<double>> values = evaluator.scalar(query);
    if (!values) return fail(values.error());
    return Value(Scalar{time_ms, values->front()});
  }
  Result<SeriesList> list = type == ValueType::kMatrix ? evaluator.matrix(query) : evaluator.vector(query);
  if (!list) return fail(list.error());
  if (Status named = finish_names(*list); !named) return fail(named.error());
  if (type == ValueType::kMatrix) return Value(to_matrix(std::move(*list)));
  if (Status unique = check_unique(*list); !unique) return fail(unique.error());
  return Value(to_vector(*list));
}

Result<Value> range_value(QueryContext& context, const Expr& query, const TimeGrid& grid) {
  Evaluator evaluator(context, grid);
  if (value_type(query) == ValueType::kScalar) {
    const Result<std::vector<double>> values = evaluator.scalar(query);
    if (!values) return fail(values.error());
    MatrixSeries series;
    for (std::size_t step = 0; step < grid.size(); ++step) series.samples.push_back({grid.at(step), (*values)[step]});
    return Value(Matrix{std::move(series)});
  }
  Result<SeriesList> list = evaluator.vector(query);
  if (!list) return fail(list.error());
  if (Status named = finish_names(*list); !named) return fail(named.error());
  return Value(to_matrix(std::move(*list)));
}

bool out_of_range(std::int64_t time_ms) { return time_ms < -kMaxTimeMs || time_ms > kMaxTimeMs; }

// For a query that is evaluated once: the caller's tree outlives it.
ExprPtr borrowed(const Expr& expr) { return ExprPtr(ExprPtr(), &expr); }

}  // namespace

Engine::Engine(const core::ring::Reader& reader, const core::Clock& clock, EngineOptions options)
    : reader_(reader), clock_(clock), options_(options) {}

Result<QueryResult> Engine::run(PreparedQuery& query, RangeParameters range, Mode mode, std::stop_token stop) const {
  if (out_of_range(range.start_ms) || out_of_range(range.end_ms)) {
    return fail(Errc::kInvalid, "the evaluation time is too far from the epoch");
  }
  const bool instant = mode == Mode::kInstant;
  const DurationBounds bounds =
      instant ? DurationBounds{} : DurationBounds{range.step_ms, range.end_ms - range.start_ms};
  const Result<ExprPtr> resolved = resolve_durations(query.expr(), bounds);
  if (!resolved) return fail(resolved.error());
  const Expr& expr = **resolved;
  QueryContext context{.reader = reader_,
                       .clock = clock_,
                       .options = options_,
                       .start_ms = range.start_ms,
                       .end_ms = range.end_ms,
                       .step_ms = bounds.step_ms,
                       .stop = std::move(stop)};
  context.deadline = clock_.steady_now() + options_.timeout;
  context.invariant = query.plan() != nullptr ? query.invariant() : find_invariant(expr);
  if (query.plan() != nullptr && options_.planned && !context.delayed() && options_.start_times == nullptr) {
    context.plan = query.plan();
    context.exact_newest = query.wants_exact_newest();
    context.plan->begin();
  }
  const TimeGrid grid{range.start_ms, range.end_ms, range.step_ms};
  Result<Value> value = instant ? instant_value(context, expr, range.start_ms) : range_value(context, expr, grid);
  if (!value) return fail(value.error());
  return QueryResult{std::move(*value),    context.annotations.rendered(), context.samples_read,
                     context.samples_peak, context.found_series,           context.newest_ms};
}

Result<QueryResult> Engine::instant(PreparedQuery& query, std::int64_t time_ms, std::stop_token stop) const {
  return run(query, {time_ms, time_ms, 1}, Mode::kInstant, std::move(stop));
}

Result<QueryResult> Engine::range(PreparedQuery& query, RangeParameters range, std::stop_token stop) const {
  CHECK(range.step_ms > 0, "a range query needs a step");
  const ValueType type = value_type(*query.expr());
  if (type != ValueType::kScalar && type != ValueType::kVector) {
    return fail(Errc::kInvalid, "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                describe(type));
  }
  return run(query, range, Mode::kRange, std::move(stop));
}

Result<QueryResult> Engine::instant(const Expr& query, std::int64_t time_ms, std::stop_token stop) const {
  PreparedQuery once(borrowed(query));
  return instant(once, time_ms, std::move(stop));
}

Result<QueryResult> Engine::range(const Expr& query, RangeParameters range, std::stop_token stop) const {
  PreparedQuery once(borrowed(query));
  return this->range(once, range, std::move(stop));
}

Result<QueryResult> Engine::instant(std::string_view query, std::int64_t time_ms, std::stop_token stop) const {
  return with_query(query, [&](PreparedQuery& prepared) { return instant(prepared, time_ms, std::move(stop)); });
}

Result<QueryResult> Engine::range(std::string_view query, RangeParameters range, std::stop_token stop) const {
  return with_query(query, [&](PreparedQuery& prepared) { return this->range(prepared, range, std::move(stop)); });
}

Result<QueryResult> Engine::with_query(std::string_view text,
                                       const std::function<Result<QueryResult>(PreparedQuery&)>& run) const {
  if (options_.cache != nullptr) {
    Result<QueryCache::Lease> lease = options_.cache->take(text);
    return lease ? run(lease->query()) : fail(lease.error());
  }
  Result<ExprPtr> parsed = parse(text);
  if (!parsed) return fail(parsed.error());
  PreparedQuery once(std::move(*parsed));
  return run(once);
}

}  // namespace rules::promql
