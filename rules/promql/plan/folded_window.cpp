// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/plan/folded_window.h"

namespace rules::promql::plan {

using core::ring::CounterWindow;

namespace {

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1e3; }

FoldedValue rate(const CounterWindow& window, RateKind kind, std::int64_t start_ms, std::int64_t end_ms) {
  if (window.count < 2) return {};
  // Floating-point sums depend on their order, and what was lost belongs between the difference and the next loss.
  if (kind != RateKind::kDelta && window.lost_to_resets != 0) return {std::nullopt, true};
  const WindowReach reach = window_reach(window.count, window.first.time_ms, window.last.time_ms, start_ms, end_ms);
  const double difference = window.last.value - window.first.value;
  return {extrapolate(reach, window.first.value, difference, kind, seconds(end_ms - start_ms))};
}

}  // namespace

bool is_foldable(FunctionId function) {
  switch (function) {
    case FunctionId::kRate:
    case FunctionId::kIncrease:
    case FunctionId::kDelta:
    case FunctionId::kCountOverTime:
    case FunctionId::kPresentOverTime:
    case FunctionId::kFirstOverTime:
    case FunctionId::kLastOverTime:
    case FunctionId::kTsOfFirstOverTime:
    case FunctionId::kTsOfLastOverTime:
      return true;
    default:
      return false;
  }
}

FoldedValue folded_value(FunctionId function, const CounterWindow& window, std::int64_t start_ms, std::int64_t end_ms) {
  if (window.count == 0) return {};
  switch (function) {
    case FunctionId::kRate:
      return rate(window, RateKind::kRate, start_ms, end_ms);
    case FunctionId::kIncrease:
      return rate(window, RateKind::kIncrease, start_ms, end_ms);
    case FunctionId::kDelta:
      return rate(window, RateKind::kDelta, start_ms, end_ms);
    case FunctionId::kCountOverTime:
      return {static_cast<double>(window.count)};
    case FunctionId::kPresentOverTime:
      return {1.0};
    case FunctionId::kFirstOverTime:
      return {window.first.value};
    case FunctionId::kLastOverTime:
      return {window.last.value};
    case FunctionId::kTsOfFirstOverTime:
      return {seconds(window.first.time_ms)};
    case FunctionId::kTsOfLastOverTime:
      return {seconds(window.last.time_ms)};
    default:
      return {std::nullopt, true};
  }
}

}  // namespace rules::promql::plan
