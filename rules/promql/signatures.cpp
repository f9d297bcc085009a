// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/signatures.h"

#include <algorithm>

#include "core/check.h"

namespace rules::promql {
namespace {

constexpr auto S = ValueType::kScalar;
constexpr auto V = ValueType::kVector;
constexpr auto M = ValueType::kMatrix;
constexpr auto T = ValueType::kString;
constexpr auto kExperimental = Maturity::kExperimental;

// Columns: id, name, declared arguments, their number, variadic, result, maturity.
// Sorted by name.
// clang-format off
constexpr std::array<FunctionSignature, kFunctionCount> kFunctions = {{
    {FunctionId::kAbs, "abs", {V}, 1, 0, V},
    {FunctionId::kAbsent, "absent", {V}, 1, 0, V},
    {FunctionId::kAbsentOverTime, "absent_over_time", {M}, 1, 0, V},
    {FunctionId::kAcos, "acos", {V}, 1, 0, V},
    {FunctionId::kAcosh, "acosh", {V}, 1, 0, V},
    {FunctionId::kAsin, "asin", {V}, 1, 0, V},
    {FunctionId::kAsinh, "asinh", {V}, 1, 0, V},
    {FunctionId::kAtan, "atan", {V}, 1, 0, V},
    {FunctionId::kAtanh, "atanh", {V}, 1, 0, V},
    {FunctionId::kAvgOverTime, "avg_over_time", {M}, 1, 0, V},
    {FunctionId::kCeil, "ceil", {V}, 1, 0, V},
    {FunctionId::kChanges, "changes", {M}, 1, 0, V},
    {FunctionId::kClamp, "clamp", {V, S, S}, 3, 0, V},
    {FunctionId::kClampMax, "clamp_max", {V, S}, 2, 0, V},
    {FunctionId::kClampMin, "clamp_min", {V, S}, 2, 0, V},
    {FunctionId::kCos, "cos", {V}, 1, 0, V},
    {FunctionId::kCosh, "cosh", {V}, 1, 0, V},
    {FunctionId::kCountOverTime, "count_over_time", {M}, 1, 0, V},
    {FunctionId::kDayOfMonth, "day_of_month", {V}, 1, 1, V},
    {FunctionId::kDayOfWeek, "day_of_week", {V}, 1, 1, V},
    {FunctionId::kDayOfYear, "day_of_year", {V}, 1, 1, V},
    {FunctionId::kDaysInMonth, "days_in_month", {V}, 1, 1, V},
    {FunctionId::kDeg, "deg", {V}, 1, 0, V},
    {FunctionId::kDelta, "delta", {M}, 1, 0, V},
    {FunctionId::kDeriv, "deriv", {M}, 1, 0, V},
    {FunctionId::kDoubleExponentialSmoothing, "double_exponential_smoothing", {M, S, S}, 3, 0, V, kExperimental},
    {FunctionId::kEnd, "end", {}, 0, 0, S, kExperimental},
    {FunctionId::kExp, "exp", {V}, 1, 0, V},
    {FunctionId::kFirstOverTime, "first_over_time", {M}, 1, 0, V},
    {FunctionId::kFloor, "floor", {V}, 1, 0, V},
    {FunctionId::kHistogramAvg, "histogram_avg", {V}, 1, 0, V},
    {FunctionId::kHistogramCount, "histogram_count", {V}, 1, 0, V},
    {FunctionId::kHistogramFraction, "histogram_fraction", {S, S, V}, 3, 0, V},
    {FunctionId::kHistogramQuantile, "histogram_quantile", {S, V}, 2, 0, V},
    {FunctionId::kHistogramQuantiles, "histogram_quantiles", {V, T, S, S}, 4, 9, V, kExperimental},
    {FunctionId::kHistogramStddev, "histogram_stddev", {V}, 1, 0, V},
    {FunctionId::kHistogramStdvar, "histogram_stdvar", {V}, 1, 0, V},
    {FunctionId::kHistogramSum, "histogram_sum", {V}, 1, 0, V},
    {FunctionId::kHour, "hour", {V}, 1, 1, V},
    {FunctionId::kIdelta, "idelta", {M}, 1, 0, V},
    {FunctionId::kIncrease, "increase", {M}, 1, 0, V},
    {FunctionId::kInfo, "info", {V, V}, 2, 1, V, kExperimental},
    {FunctionId::kIrate, "irate", {M}, 1, 0, V},
    {FunctionId::kLabelJoin, "label_join", {V, T, T, T}, 4, kUnbounded, V},
    {FunctionId::kLabelReplace, "label_replace", {V, T, T, T, T}, 5, 0, V},
    {FunctionId::kLastOverTime, "last_over_time", {M}, 1, 0, V},
    {FunctionId::kLn, "ln", {V}, 1, 0, V},
    {FunctionId::kLog10, "log10", {V}, 1, 0, V},
    {FunctionId::kLog2, "log2", {V}, 1, 0, V},
    {FunctionId::kMadOverTime, "mad_over_time", {M}, 1, 0, V, kExperimental},
    {FunctionId::kMaxOf, "max_of", {S, S}, 2, 0, S, kExperimental},
    {FunctionId::kMaxOverTime, "max_over_time", {M}, 1, 0, V},
    {FunctionId::kMinOf, "min_of", {S, S}, 2, 0, S, kExperimental},
    {FunctionId::kMinOverTime, "min_over_time", {M}, 1, 0, V},
    {FunctionId::kMinute, "minute", {V}, 1, 1, V},
    {FunctionId::kMonth, "month", {V}, 1, 1, V},
    {FunctionId::kPi, "pi", {}, 0, 0, S},
    {FunctionId::kPredictLinear, "predict_linear", {M, S}, 2, 0, V},
    {FunctionId::kPresentOverTime, "present_over_time", {M}, 1, 0, V},
    {FunctionId::kQuantileOverTime, "quantile_over_time", {S, M}, 2, 0, V},
    {FunctionId::kRad, "rad", {V}, 1, 0, V},
    {FunctionId::kRange, "range", {}, 0, 0, S, kExperimental},
    {FunctionId::kRate, "rate", {M}, 1, 0, V},
    {FunctionId::kResets, "resets", {M}, 1, 0, V},
    {FunctionId::kRound, "round", {V, S}, 2, 1, V},
    {FunctionId::kScalar, "scalar", {V}, 1, 0, S},
    {FunctionId::kSgn, "sgn", {V}, 1, 0, V},
    {FunctionId::kSin, "sin", {V}, 1, 0, V},
    {FunctionId::kSinh, "sinh", {V}, 1, 0, V},
    {FunctionId::kSort, "sort", {V}, 1, 0, V},
    {FunctionId::kSortByLabel, "sort_by_label", {V, T}, 2, kUnbounded, V, kExperimental},
    {FunctionId::kSortByLabelDesc, "sort_by_label_desc", {V, T}, 2, kUnbounded, V, kExperimental},
    {FunctionId::kSortDesc, "sort_desc", {V}, 1, 0, V},
    {FunctionId::kSqrt, "sqrt", {V}, 1, 0, V},
    {FunctionId::kStart, "start", {}, 0, 0, S, kExperimental},
    {FunctionId::kStartTimestamp, "start_timestamp", {V}, 1, 0, V, kExperimental},
    {FunctionId::kStddevOverTime, "stddev_over_time", {M}, 1, 0, V},
    {FunctionId::kStdvarOverTime, "stdvar_over_time", {M}, 1, 0, V},
    {FunctionId::kStep, "step", {}, 0, 0, S, kExperimental},
    {FunctionId::kSumOverTime, "sum_over_time", {M}, 1, 0, V},
    {FunctionId::kTan, "tan", {V}, 1, 0, V},
    {FunctionId::kTanh, "tanh", {V}, 1, 0, V},
    {FunctionId::kTime, "time", {}, 0, 0, S},
    {FunctionId::kTimestamp, "timestamp", {V}, 1, 0, V},
    {FunctionId::kTsOfFirstOverTime, "ts_of_first_over_time", {M}, 1, 0, V, kExperimental},
    {FunctionId::kTsOfLastOverTime, "ts_of_last_over_time", {M}, 1, 0, V, kExperimental},
    {FunctionId::kTsOfMaxOverTime, "ts_of_max_over_time", {M}, 1, 0, V, kExperimental},
    {FunctionId::kTsOfMinOverTime, "ts_of_min_over_time", {M}, 1, 0, V, kExperimental},
    {FunctionId::kVector, "vector", {S}, 1, 0, V},
    {FunctionId::kYear, "year", {V}, 1, 1, V},
}};

constexpr std::array<AggregateSignature, kAggregateCount> kAggregates = {{
    {AggregateOp::kSum, "sum"},
    {AggregateOp::kAvg, "avg"},
    {AggregateOp::kCount, "count"},
    {AggregateOp::kMin, "min"},
    {AggregateOp::kMax, "max"},
    {AggregateOp::kGroup, "group"},
    {AggregateOp::kStddev, "stddev"},
    {AggregateOp::kStdvar, "stdvar"},
    {AggregateOp::kTopk, "topk", S},
    {AggregateOp::kBottomk, "bottomk", S},
    {AggregateOp::kCountValues, "count_values", T},
    {AggregateOp::kQuantile, "quantile", S},
    {AggregateOp::kLimitk, "limitk", S, kExperimental},
    {AggregateOp::kLimitRatio, "limit_ratio", S, kExperimental},
}};
// clang-format on

template <class Table>
constexpr bool indexed_by_id(const Table& table) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (static_cast<std::size_t>(table[i].id) != i) return false;
    if (i > 0 && !(table[i - 1].name < table[i].name)) return false;
  }
  return true;
}
static_assert(indexed_by_id(kFunctions), "a row is missing, doubled or out of order");

constexpr bool aggregates_indexed_by_op() {
  for (std::size_t i = 0; i < kAggregates.size(); ++i) {
    if (static_cast<std::size_t>(kAggregates[i].op) != i) return false;
  }
  return true;
}
static_assert(aggregates_indexed_by_op(), "a row is missing, doubled or out of order");

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::size_t FunctionSignature::min_arguments() const {
  return variadic == 0 ? argument_count : argument_count - std::size_t{1};
}

std::optional<std::size_t> FunctionSignature::max_arguments() const {
  if (variadic == kUnbounded) return std::nullopt;
  if (variadic == 0) return argument_count;
  return argument_count - std::size_t{1} + static_cast<std::size_t>(variadic);
}

ValueType FunctionSignature::argument(std::size_t index) const {
  CHECK(argument_count > 0, "a function without arguments has no argument types");
  return arguments[std::min(index, argument_count - std::size_t{1})];
}

const FunctionSignature& signature(FunctionId id) { return kFunctions[static_cast<std::size_t>(id)]; }

std::optional<FunctionId> find_function(std::string_view name) {
  const auto found =
      std::lower_bound(kFunctions.begin(), kFunctions.end(), name,
                       [](const FunctionSignature& row, std::string_view key) { return row.name < key; });
  if (found == kFunctions.end() || found->name != name) return std::nullopt;
  return found->id;
}

const AggregateSignature& signature(AggregateOp op) { return kAggregates[static_cast<std::size_t>(op)]; }

std::optional<AggregateOp> find_aggregate(std::string_view name) {
  for (const AggregateSignature& row : kAggregates) {
    if (std::equal(name.begin(), name.end(), row.name.begin(), row.name.end(),
                   [](char a, char b) { return lower(a) == b; })) {
      return row.op;
    }
  }
  return std::nullopt;
}

std::string_view describe(ValueType type) {
  switch (type) {
    case ValueType::kNone:
      return "none";
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
    case ValueType::kString:
      return "string";
  }
  CHECK(false, "not a value type");
}

std::string_view api_name(ValueType type) {
  switch (type) {
    case ValueType::kNone:
      return "none";
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kVector:
      return "vector";
    case ValueType::kMatrix:
      return "matrix";
    case ValueType::kString:
      return "string";
  }
  CHECK(false, "not a value type");
}

}  // namespace rules::promql
