// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/promql/ast.h"

namespace rules::promql {

// Longer queries are refused; Prometheus has no bound of its own, its HTTP server has.
inline constexpr std::size_t kMaxQueryBytes = 1 << 20;
// Nodes nested deeper are refused, so that no walk over a tree can exhaust a thread's stack.
inline constexpr std::size_t kMaxNesting = 512;

// Parses and type-checks a query of the whole language, experimental parts included; duration expressions are left
// for resolve_durations. The first error only: kInvalid `1:5: parse error: unexpected end of input`.
//
// Thread safety: all functions here may be called from any thread.
core::Result<ExprPtr> parse(std::string_view query);

// One selector without modifiers, as match[] parameters have them: up{job="x"} or {job="x"}. A selector that could
// match a series without labels is an error.
core::Result<std::vector<Matcher>> parse_series_selector(std::string_view text);

// One metric with its labels, as tests name series: up{job="x"} or {"a.b", job="x"}; equality matchers only.
core::Result<Labels> parse_metric(std::string_view text);

}  // namespace rules::promql
