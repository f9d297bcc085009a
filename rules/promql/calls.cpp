// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <variant>

#include "core/check.h"
#include "rules/promql/annotations.h"
#include "rules/promql/date_functions.h"
#include "rules/promql/evaluator.h"
#include "rules/promql/number_text.h"
#include "rules/promql/statistics.h"

namespace rules::promql {

using core::Errc;
using core::fail;
using core::Result;

namespace {

double degrees(double x) { return x * 180 / std::numbers::pi; }
double radians(double x) { return x * std::numbers::pi / 180; }

double sign(double x) {
  if (x > 0) return 1;
  if (x < 0) return -1;
  return x;  // zero keeps its sign, NaN stays
}

// How a function that returns a vector is carried out.
using OfElement = double (*)(double);            // on each value; the name goes
using OfWindow = RangeValue (*)(const Window&);  // on each window; the name goes
struct KeepingName {                             // on each window; the name stays
  OfWindow function;
};
struct OfScalar {};  // returns a scalar: Evaluator::scalar
using Implementation = std::variant<OfElement, OfWindow, KeepingName, Evaluator::VectorCall, OfScalar>;

struct Row {
  FunctionId id;
  Implementation implementation;
};

template <class Function>
constexpr Row element(FunctionId id, Function function) {
  return {id, static_cast<OfElement>(function)};
}
constexpr Row window(FunctionId id, OfWindow function) { return {id, function}; }
constexpr Row call(FunctionId id, Evaluator::VectorCall function) { return {id, function}; }
constexpr Row scalar(FunctionId id) { return {id, OfScalar{}}; }
constexpr Row native(FunctionId id) { return {id, &Evaluator::call_of_native_histogram}; }

// One row a function, in the order of FunctionId.
// clang-format off
constexpr std::array<Row, kFunctionCount> kImplementations = {{
    element(FunctionId::kAbs, [](double x) { return std::fabs(x); }),
    call(FunctionId::kAbsent, &Evaluator::call_absent),
    call(FunctionId::kAbsentOverTime, &Evaluator::call_absent_over_time),
    element(FunctionId::kAcos, [](double x) { return std::acos(x); }),
    element(FunctionId::kAcosh, [](double x) { return std::acosh(x); }),
    element(FunctionId::kAsin, [](double x) { return std::asin(x); }),
    element(FunctionId::kAsinh, [](double x) { return std::asinh(x); }),
    element(FunctionId::kAtan, [](double x) { return std::atan(x); }),
    element(FunctionId::kAtanh, [](double x) { return std::atanh(x); }),
    window(FunctionId::kAvgOverTime, avg_over_time),
    element(FunctionId::kCeil, [](double x) { return std::ceil(x); }),
    call(FunctionId::kChanges, &Evaluator::call_changes_or_resets),
    call(FunctionId::kClamp, &Evaluator::call_clamp),
    call(FunctionId::kClampMax, &Evaluator::call_clamp),
    call(FunctionId::kClampMin, &Evaluator::call_clamp),
    element(FunctionId::kCos, [](double x) { return std::cos(x); }),
    element(FunctionId::kCosh, [](double x) { return std::cosh(x); }),
    window(FunctionId::kCountOverTime, count_over_time),
    element(FunctionId::kDayOfMonth, day_of_month),
    element(FunctionId::kDayOfWeek, day_of_week),
    element(FunctionId::kDayOfYear, day_of_year),
    element(FunctionId::kDaysInMonth, days_in_month),
    element(FunctionId::kDeg, degrees),
    call(FunctionId::kDelta, &Evaluator::call_rate),
    window(FunctionId::kDeriv, derivative),
    call(FunctionId::kDoubleExponentialSmoothing, &Evaluator::call_double_exponential_smoothing),
    scalar(FunctionId::kEnd),
    element(FunctionId::kExp, [](double x) { return std::exp(x); }),
    {FunctionId::kFirstOverTime, KeepingName{first_over_time}},
    element(FunctionId::kFloor, [](double x) { return std::floor(x); }),
    native(FunctionId::kHistogramAvg),
    native(FunctionId::kHistogramCount),
    call(FunctionId::kHistogramFraction, &Evaluator::call_histogram_fraction),
    call(FunctionId::kHistogramQuantile, &Evaluator::call_histogram_quantile),
    call(FunctionId::kHistogramQuantiles, &Evaluator::call_histogram_quantile),
    native(FunctionId::kHistogramStddev),
    native(FunctionId::kHistogramStdvar),
    native(FunctionId::kHistogramSum),
    element(FunctionId::kHour, hour),
    window(FunctionId::kIdelta, instant_delta),
    call(FunctionId::kIncrease, &Evaluator::call_rate),
    call(FunctionId::kInfo, &Evaluator::call_info),
    window(FunctionId::kIrate, instant_rate),
    call(FunctionId::kLabelJoin, &Evaluator::call_label_join),
    call(FunctionId::kLabelReplace, &Evaluator::call_label_replace),
    {FunctionId::kLastOverTime, KeepingName{last_over_time}},
    element(FunctionId::kLn, [](double x) { return std::log(x); }),
    element(FunctionId::kLog10, [](double x) { return std::log10(x); }),
    element(FunctionId::kLog2, [](double x) { return std::log2(x); }),
    window(FunctionId::kMadOverTime, mad_over_time),
    scalar(FunctionId::kMaxOf),
    window(FunctionId::kMaxOverTime, max_over_time),
    scalar(FunctionId::kMinOf),
    window(FunctionId::kMinOverTime, min_over_time),
    element(FunctionId::kMinute, minute),
    element(FunctionId::kMonth, month),
    scalar(FunctionId::kPi),
    call(FunctionId::kPredictLinear, &Evaluator::call_predict_linear),
    window(FunctionId::kPresentOverTime, present_over_time),
    call(FunctionId::kQuantileOverTime, &Evaluator::call_quantile_over_time),
    element(FunctionId::kRad, radians),
    scalar(FunctionId::kRange),
    call(FunctionId::kRate, &Evaluator::call_rate),
    call(FunctionId::kResets, &Evaluator::call_changes_or_resets),
    call(FunctionId::kRound, &Evaluator::call_round),
    scalar(FunctionId::kScalar),
    element(FunctionId::kSgn, sign),
    element(FunctionId::kSin, [](double x) { return std::sin(x); }),
    element(FunctionId::kSinh, [](double x) { return std::sinh(x); }),
    call(FunctionId::kSort, &Evaluator::call_sort),
    call(FunctionId::kSortByLabel, &Evaluator::call_sort_by_label),
    call(FunctionId::kSortByLabelDesc, &Evaluator::call_sort_by_label),
    call(FunctionId::kSortDesc, &Evaluator::call_sort),
    element(FunctionId::kSqrt, [](double x) { return std::sqrt(x); }),
    scalar(FunctionId::kStart),
    call(FunctionId::kStartTimestamp, &Evaluator::call_start_timestamp),
    window(FunctionId::kStddevOverTime, stddev_over_time),
    window(FunctionId::kStdvarOverTime, stdvar_over_time),
    scalar(FunctionId::kStep),
    window(FunctionId::kSumOverTime, sum_over_time),
    element(FunctionId::kTan, [](double x) { return std::tan(x); }),
    element(FunctionId::kTanh, [](double x) { return std::tanh(x); }),
    scalar(FunctionId::kTime),
    call(FunctionId::kTimestamp, &Evaluator::call_timestamp),
    window(FunctionId::kTsOfFirstOverTime, ts_of_first_over_time),
    window(FunctionId::kTsOfLastOverTime, ts_of_last_over_time),
    window(FunctionId::kTsOfMaxOverTime, ts_of_max_over_time),
    window(FunctionId::kTsOfMinOverTime, ts_of_min_over_time),
    call(FunctionId::kVector, &Evaluator::call_vector),
    element(FunctionId::kYear, year),
}};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < kImplementations.size(); ++i) {
    if (static_cast<std::size_t>(kImplementations[i].id) != i) return false;
  }
  return true;
}
static_assert(in_order(), "a function is missing, doubled or out of order");

bool allows_edges(FunctionId id, WindowEdges edges) {
  switch (id) {
    case FunctionId::kDelta:
    case FunctionId::kIncrease:
    case FunctionId::kRate:
      return true;
    case FunctionId::kChanges:
    case FunctionId::kResets:
      return edges == WindowEdges::kAnchored;
    default:
      return edges == WindowEdges::kPlain;
  }
}

const Implementation& implementation_of(FunctionId id) {
  return kImplementations[static_cast<std::size_t>(id)].implementation;
}

}  // namespace

ElementFunction element_function(FunctionId id) {
  const auto* function = std::get_if<OfElement>(&implementation_of(id));
  return function == nullptr ? nullptr : *function;
}

WindowCall window_call(FunctionId id) {
  if (const auto* function = std::get_if<OfWindow>(&implementation_of(id))) return {*function, NameFate::kDropped};
  const auto* keeping = std::get_if<KeepingName>(&implementation_of(id));
  return keeping == nullptr ? WindowCall() : WindowCall{keeping->function, NameFate::kKept};
}

Result<SeriesList> Evaluator::vector_call(const Expr& node, const Call& call) {
  for (const ExprPtr& argument : call.args) {
    if (value_type(*argument) != ValueType::kMatrix) continue;
    if (Status allowed = check_edges(call, *argument); !allowed) return fail(allowed.error());
  }
  const Implementation& implementation = implementation_of(call.function);
  if (const auto* function = std::get_if<OfElement>(&implementation)) return call_elementwise(call, *function);
  if (const auto* function = std::get_if<Evaluator::VectorCall>(&implementation)) return (this->**function)(node, call);
  const auto [of_samples, fate] = window_call(call.function);
  CHECK(of_samples != nullptr, "a function that returns a vector has an implementation");
  const auto function = [of_window = of_samples](const Window& window, std::size_t,
                                                 const RangeSeries&) -> Result<RangeValue> {
    return of_window(window);
  };
  return over_windows(*call.args[0], function, fate);
}

Status Evaluator::check_edges(const Call& call, const Expr& argument) const {
  const WindowEdges edges = shape_of(argument).edges;
  if (edges == WindowEdges::kPlain || allows_edges(call.function, edges)) return {};
  const std::string_view name = signature(call.function).name;
  if (edges == WindowEdges::kAnchored) {
    return fail(Errc::kFailed,
                "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with {}", name);
  }
  return fail(Errc::kFailed, "smoothed modifier can only be used with: delta, increase, rate - not with {}", name);
}

Result<SeriesList> Evaluator::call_elementwise(const Call& call, double (*function)(double)) {
  if (call.args.empty()) {  // a date function of the evaluation time
    Series series{std::make_shared<const Labels>(), false, {}};
    for (std::size_t step = 0; step < grid_.size(); ++step) {
      series.points.push_back({grid_.at(step), function(static_cast<double>(grid_.at(step)) / 1e3)});
    }
    return SeriesList{std::move(series)};
  }
  Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  for (Series& series : *list) {
    for (Sample& point : series.points) point.value = function(point.value);
  }
  if (Status unique = drop_names(*list); !unique) return fail(unique.error());
  return list;
}

// histogram_count and the like ignore floats, and there is nothing else: the operand is only run for its errors.
Result<SeriesList> Evaluator::call_of_native_histogram(const Expr&, const Call& call) {
  Result<SeriesList> list = vector(*call.args[0]);
  if (list) list->clear();
  return list;
}

Result<SeriesList> Evaluator::call_clamp(const Expr&, const Call& call) {
  Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> low(grid_.size(), -kInfinity);
  std::vector<double> high(grid_.size(), kInfinity);
  for (std::size_t i = 1; i < call.args.size(); ++i) {
    Result<std::vector<double>> bound = scalar(*call.args[i]);
    if (!bound) return fail(bound.error());
    const bool upper = call.function == FunctionId::kClampMax || i == 2;
    (upper ? high : low) = std::move(*bound);
  }
  for (Series& series : *list) {
    std::erase_if(series.points, [&](const Sample& point) {
      const std::size_t step = grid_.index(point.time_ms);
      return high[step] < low[step];
    });
    for (Sample& point : series.points) {
      const std::size_t step = grid_.index(point.time_ms);
      point.value = strict_max(low[step], strict_min(high[step], point.value));
    }
  }
  std::erase_if(*list, [](const Series& series) { return series.points.empty(); });
  if (Status unique = drop_names(*list); !unique) return fail(unique.error());
  return list;
}

Result<SeriesList> Evaluator::call_round(const Expr&, const Call& call) {
  Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  std::vector<double> to(grid_.size(), 1);
  if (call.args.size() > 1) {
    Result<std::vector<double>> values = scalar(*call.args[1]);
    if (!values) return fail(values.error());
    to = std::move(*values);
  }
  for (Series& series : *list) {
    for (Sample& point : series.points) {
      // Dividing by the inverse, not multiplying by `to`, gives 5.3 and not 5.300000000000001.
      const double inverse = 1 / to[grid_.index(point.time_ms)];
      point.value = std::floor(point.value * inverse + 0.5) / inverse;
    }
  }
  if (Status unique = drop_names(*list); !unique) return fail(unique.error());
  return list;
}

Result<SeriesList> Evaluator::call_vector(const Expr&, const Call& call) {
  const Result<std::vector<double>> values = scalar(*call.args[0]);
  if (!values) return fail(values.error());
  Series series{std::make_shared<const Labels>(), false, {}};
  for (std::size_t step = 0; step < grid_.size(); ++step) series.points.push_back({grid_.at(step), (*values)[step]});
  return SeriesList{std::move(series)};
}

Result<SeriesList> Evaluator::call_timestamp(const Expr&, const Call& call) {
  if (const auto* selector = strip_parens(*call.args[0]).as<VectorSelector>()) {
    Result<SeriesList> list = instant_selector(*selector, SampleAspect::kTime);
    if (!list) return list;
    if (Status unique = drop_names(*list); !unique) return fail(unique.error());
    return list;
  }
  Result<SeriesList> list = vector(*call.args[0]);
  if (!list) return list;
  for (Series& series : *list) {
    for (Sample& point : series.points) point.value = static_cast<double>(point.time_ms) / 1e3;
  }
  if (Status unique = drop_names(*list); !unique) return fail(unique.error());
  return list;
}

Result<SeriesList> Evaluator::call_start_timestamp(const Expr&, const Call& call) {
  const auto* selector = strip_parens(*call.args[0]).as<VectorSelector>();
  if (selector == nullptr || context_.options.start_times == nullptr) return SeriesList();
  Result<SeriesList> list = instant_selector(*selector, SampleAspect::kStartTime);
  if (!list) return list;
  if (Status unique = drop_names(*list); !unique) return fail(unique.error());
  return list;
}

}  // namespace rules::promql
