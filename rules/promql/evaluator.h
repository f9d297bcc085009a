// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/result.h"
#include "core/ring/ring.h"
#include "rules/promql/annotations.h"
#include "rules/promql/ast.h"
#include "rules/promql/engine.h"
#include "rules/promql/range_functions.h"
#include "rules/promql/series.h"

namespace rules::promql {

namespace plan {
class Plan;
}

// What all parts of one running query share.
//
// Thread safety: confined to the thread that runs the query.
struct QueryContext {
  const core::ring::Reader& reader;
  const core::Clock& clock;
  const EngineOptions& options;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t step_ms = 0;  // 0 for an instant query
  std::stop_token stop;
  core::SteadyTime deadline{};
  // Nodes whose value is the same at every step: evaluated once.
  std::unordered_set<const Expr*> invariant{};
  // Evaluates the parts it knows; null: none.
  plan::Plan* plan = nullptr;
  bool exact_newest = false;  // PreparedQuery::want_exact_newest

  AnnotationLog annotations{};
  std::uint64_t samples_held = 0;
  std::uint64_t samples_peak = 0;
  std::uint64_t samples_read = 0;
  bool found_series = false;
  std::int64_t newest_ms = kNoSample;

  bool delayed() const { return options.name_removal == NameRemoval::kDelayed; }
  // kCancelled or kTimeout if the query has to end now. Cheap enough for every series.
  Status check_alive() const;
  // Notes how new what was read is. REQUIRES: oldest first.
  void note_newest(std::span<const Sample> samples) {
    if (!samples.empty()) newest_ms = std::max(newest_ms, samples.back().time_ms);
  }
  // Counts samples against the query's limit.
  Status hold(std::uint64_t samples);
};

// The nodes of a query that QueryContext::invariant wants: pinned by @ and free of functions that look at the time.
std::unordered_set<const Expr*> find_invariant(const Expr& query);

// What an instant selector is asked for.
enum class SampleAspect { kValue, kTime, kStartTime };

enum class NameFate { kKept, kDropped };

// The input series of a range-vector function, with all samples that any step may need.
struct RangeSeries {
  LabelsPtr labels;
  bool drop_name = false;
  std::vector<Sample> samples;
  std::vector<std::int64_t> start_times;
};

// Where the windows of a range selector or subquery lie.
struct WindowShape {
  std::int64_t range_ms = 0;
  std::int64_t offset_ms = 0;
  std::optional<std::int64_t> at_ms;
  WindowEdges edges = WindowEdges::kPlain;
  // How far samples are looked for beyond the window.
  std::int64_t before_ms = 0;
  std::int64_t after_ms = 0;

  std::int64_t end(std::int64_t eval_ms) const;
  std::int64_t start(std::int64_t eval_ms) const;
};

// Evaluates expressions at the steps of one grid. Every part of a query runs on an evaluator of its own grid: the
// query's, a subquery's, or a single step for what does not change.
//
// Thread safety: confined to the thread that runs the query.
class Evaluator {
 public:
  Evaluator(QueryContext& context, TimeGrid grid) : context_(context), grid_(grid) {}

  // REQUIRES of each: the expression has that type.
  core::Result<SeriesList> vector(const Expr& expr);
  core::Result<std::vector<double>> scalar(const Expr& expr);  // one value a step
  // The raw samples of a range vector. REQUIRES: a grid of one step.
  core::Result<SeriesList> matrix(const Expr& expr);

  using VectorCall = core::Result<SeriesList> (Evaluator::*)(const Expr&, const Call&);
  // One value of one series from its window at one step.
  using WindowFunction = std::function<core::Result<RangeValue>(const Window&, std::size_t step, const RangeSeries&)>;

  // Functions that the table in calls.cpp names.
  core::Result<SeriesList> call_absent(const Expr& node, const Call& call);
  core::Result<SeriesList> call_absent_over_time(const Expr& node, const Call& call);
  core::Result<SeriesList> call_clamp(const Expr& node, const Call& call);
  core::Result<SeriesList> call_double_exponential_smoothing(const Expr& node, const Call& call);
  core::Result<SeriesList> call_histogram_fraction(const Expr& node, const Call& call);
  core::Result<SeriesList> call_histogram_quantile(const Expr& node, const Call& call);
  core::Result<SeriesList> call_info(const Expr& node, const Call& call);
  core::Result<SeriesList> call_label_join(const Expr& node, const Call& call);
  core::Result<SeriesList> call_label_replace(const Expr& node, const Call& call);
  core::Result<SeriesList> call_of_native_histogram(const Expr& node, const Call& call);
  core::Result<SeriesList> call_predict_linear(const Expr& node, const Call& call);
  core::Result<SeriesList> call_quantile_over_time(const Expr& node, const Call& call);
  core::Result<SeriesList> call_rate(const Expr& node, const Call& call);
  core::Result<SeriesList> call_changes_or_resets(const Expr& node, const Call& call);
  core::Result<SeriesList> call_round(const Expr& node, const Call& call);
  core::Result<SeriesList> call_sort(const Expr& node, const Call& call);
  core::Result<SeriesList> call_sort_by_label(const Expr& node, const Call& call);
  core::Result<SeriesList> call_start_timestamp(const Expr& node, const Call& call);
  core::Result<SeriesList> call_timestamp(const Expr& node, const Call& call);
  core::Result<SeriesList> call_vector(const Expr& node, const Call& call);

 private:
  core::Result<SeriesList> vector_node(const Expr& expr);
  core::Result<SeriesList> vector_once(const Expr& expr);
  core::Result<std::vector<double>> scalar_node(const Expr& expr);
  core::Result<std::vector<double>> scalar_call(const Call& call);
  core::Result<std::vector<double>> scalar_of_vector(const Expr& argument);
  core::Result<SeriesList> negate(const Expr& operand);
  core::Result<SeriesList> vector_call(const Expr& node, const Call& call);
  core::Result<SeriesList> call_elementwise(const Call& call, double (*function)(double));
  core::Result<SeriesList> aggregation(const Aggregate& operation);
  core::Result<SeriesList> binary(const Expr& node, const Binary& operation);
  core::Result<SeriesList> with_scalar(const Expr& node, const Binary& operation);

  // selectors.cpp
  core::Result<SeriesList> instant_selector(const VectorSelector& selector, SampleAspect aspect);
  std::vector<core::ring::SelectedSeries> select(std::span<const Matcher> matchers);
  std::optional<std::int64_t> pinned(const TimeShift& shift) const;
  void read_chosen(const core::ring::SelectedSeries& selected, const VectorSelector& selector,
                   std::vector<Sample>& buffer);
  WindowShape shape_of(const Expr& range_argument) const;
  core::Result<SeriesList> subquery_points(const Subquery& subquery);
  // Calls `use` for each series of a range vector; the series is only valid during the call.
  Status each_range_series(const Expr& argument, const std::function<Status(RangeSeries&)>& use);
  void read_windows(core::ring::SeriesRef series, const WindowShape& shape, std::vector<Sample>& out) const;
  Status read_range_series(const MatrixSelector& matrix, const WindowShape& shape,
                           const std::function<Status(RangeSeries&)>& use);
  core::Result<SeriesList> over_windows(const Expr& argument, const WindowFunction& function, NameFate fate);
  // What anchored and smoothed allow.
  Status check_edges(const Call& call, const Expr& argument) const;

  void warn_ineffective_sort(const Expr& node);
  void mark_name_dropped(Series& series) const;
  Status drop_names(SeriesList& list) const;

  friend class InfoJoin;

  QueryContext& context_;
  TimeGrid grid_;
};

// calls.cpp: the functions that look at nothing but a value, or nothing but a window; null for the others.
using ElementFunction = double (*)(double);
ElementFunction element_function(FunctionId id);
struct WindowCall {
  RangeValue (*function)(const Window&) = nullptr;
  NameFate fate = NameFate::kDropped;
};
WindowCall window_call(FunctionId id);

// range_calls.cpp
// What to say about a series of which rate() or increase() was taken; "" if nothing.
std::string doubt_about_counter(const Labels& labels, CounterCheck check);
// The labels that absent() may assume its missing series to have: those that exactly one matcher fixes, by equality.
Labels labels_of_absence(const Expr& argument);

// aggregation.cpp: `parameter` has one value a step, or is empty.
core::Result<SeriesList> aggregate(QueryContext& context, const TimeGrid& grid, const Aggregate& operation,
                                   const SeriesList& input, std::span<const double> parameter);

// binary.cpp
double arithmetic(BinaryOp op, double lhs, double rhs);
bool holds(BinaryOp comparison, double lhs, double rhs);
core::Result<SeriesList> combine_vectors(QueryContext& context, const TimeGrid& grid, const Expr& node,
                                         const SeriesList& lhs, const SeriesList& rhs);
core::Result<SeriesList> combine_sets(QueryContext& context, const TimeGrid& grid, const Binary& operation,
                                      const SeriesList& lhs, const SeriesList& rhs);

// The text of a string argument, whatever parentheses stand around it. REQUIRES: a string literal.
const std::string& string_argument(const Expr& argument);

}  // namespace rules::promql
