// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/ring/ring.h"
#include "rules/promql/range_functions.h"
#include "rules/promql/signatures.h"

namespace rules::promql::plan {

// Whether folded_value() knows the function.
bool is_foldable(FunctionId function);

struct FoldedValue {
  RangeValue value;
  // The digits depend on each of the samples: they have to be read.
  bool needs_samples = false;
};

// The function's value from what the ring folds of a window, (start_ms, end_ms], without looking at its samples.
FoldedValue folded_value(FunctionId function, const core::ring::CounterWindow& window, std::int64_t start_ms,
                         std::int64_t end_ms);

}  // namespace rules::promql::plan
