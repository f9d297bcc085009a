// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "rules/promql/value.h"
#include "script.h"

namespace promqltest {

// What differs between a result and what a command expects, for a person; "" if nothing does.
std::string compare_instant(const EvalCommand& eval, const rules::promql::Value& value);
std::string compare_range(const EvalCommand& eval, const rules::promql::Matrix& matrix);
// An error of a query, whether one was expected or not.
std::string compare_failure(const EvalCommand& eval, const std::string& message);
std::string compare_annotations(const EvalCommand& eval, const rules::promql::Annotations& annotations);

// Sorted by labels, as every range result has to be.
bool is_sorted(const rules::promql::Matrix& matrix);

// A relative difference below 1e-6 is none; NaN equals NaN, a stale marker only itself.
bool almost_equal(double a, double b);

}  // namespace promqltest
