// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "rules/promql/value.h"

namespace rules::promql {

// Every function of the language, in the order of kFunctions. The evaluator has an array indexed by it.
enum class FunctionId : std::uint8_t {
  kAbs,
  kAbsent,
  kAbsentOverTime,
  kAcos,
  kAcosh,
  kAsin,
  kAsinh,
  kAtan,
  kAtanh,
  kAvgOverTime,
  kCeil,
  kChanges,
  kClamp,
  kClampMax,
  kClampMin,
  kCos,
  kCosh,
  kCountOverTime,
  kDayOfMonth,
  kDayOfWeek,
  kDayOfYear,
  kDaysInMonth,
  kDeg,
  kDelta,
  kDeriv,
  kDoubleExponentialSmoothing,
  kEnd,
  kExp,
  kFirstOverTime,
  kFloor,
  kHistogramAvg,
  kHistogramCount,
  kHistogramFraction,
  kHistogramQuantile,
  kHistogramQuantiles,
  kHistogramStddev,
  kHistogramStdvar,
  kHistogramSum,
  kHour,
  kIdelta,
  kIncrease,
  kInfo,
  kIrate,
  kLabelJoin,
  kLabelReplace,
  kLastOverTime,
  kLn,
  kLog10,
  kLog2,
  kMadOverTime,
  kMaxOf,
  kMaxOverTime,
  kMinOf,
  kMinOverTime,
  kMinute,
  kMonth,
  kPi,
  kPredictLinear,
  kPresentOverTime,
  kQuantileOverTime,
  kRad,
  kRange,
  kRate,
  kResets,
  kRound,
  kScalar,
  kSgn,
  kSin,
  kSinh,
  kSort,
  kSortByLabel,
  kSortByLabelDesc,
  kSortDesc,
  kSqrt,
  kStart,
  kStartTimestamp,
  kStddevOverTime,
  kStdvarOverTime,
  kStep,
  kSumOverTime,
  kTan,
  kTanh,
  kTime,
  kTimestamp,
  kTsOfFirstOverTime,
  kTsOfLastOverTime,
  kTsOfMaxOverTime,
  kTsOfMinOverTime,
  kVector,
  kYear,
};

inline constexpr std::size_t kFunctionCount = static_cast<std::size_t>(FunctionId::kYear) + 1;
inline constexpr std::size_t kMaxDeclaredArguments = 5;
// `variadic` of a function whose last argument may occur any number of times, also never.
inline constexpr int kUnbounded = -1;

enum class Maturity : std::uint8_t { kStable, kExperimental };

struct FunctionSignature {
  FunctionId id{};
  std::string_view name;
  // The declared arguments; those after argument_count are kNone.
  std::array<ValueType, kMaxDeclaredArguments> arguments{};
  std::uint8_t argument_count = 0;
  // 0: exactly the declared arguments. n > 0: the last declared one may be left out, or occur up to n times.
  // kUnbounded: it may occur any number of times.
  int variadic = 0;
  ValueType returns{};
  Maturity maturity = Maturity::kStable;

  std::size_t min_arguments() const;
  // No value: any number.
  std::optional<std::size_t> max_arguments() const;
  // The type wanted at `index`; repeats of the last argument have its type. REQUIRES: argument_count > 0.
  ValueType argument(std::size_t index) const;
};

const FunctionSignature& signature(FunctionId id);
// Names are case-sensitive.
std::optional<FunctionId> find_function(std::string_view name);

enum class AggregateOp : std::uint8_t {
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
};

inline constexpr std::size_t kAggregateCount = static_cast<std::size_t>(AggregateOp::kLimitRatio) + 1;

struct AggregateSignature {
  AggregateOp op{};
  std::string_view name;
  ValueType parameter = ValueType::kNone;  // kNone, kScalar or kString
  Maturity maturity = Maturity::kStable;
};

const AggregateSignature& signature(AggregateOp op);
// Case-insensitive, as all keywords.
std::optional<AggregateOp> find_aggregate(std::string_view name);

// scalar, instant vector, range vector, string, none: as messages for people name the types.
std::string_view describe(ValueType type);
// scalar, vector, matrix, string, none: as the API names them.
std::string_view api_name(ValueType type);

}  // namespace rules::promql
