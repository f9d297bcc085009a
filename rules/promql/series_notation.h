// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/ring/labels.h"

namespace rules::promql {

// More values of one series are refused: a repetition count is the one thing in a test file that a typing error can
// make huge.
inline constexpr std::size_t kMaxSeriesValues = 1'000'000;

// A series as test files describe it; value k lies k intervals after the start. No value: time passes without a
// sample. A stale marker is the NaN core::ring::is_stale knows.
struct SeriesDescription {
  core::ring::Labels labels;
  std::vector<std::optional<double>> values;
};

// up{job="x"} 1 2.5 _ 1+1x5 3x2 _x4 stale NaN -Inf. kInvalid with `line:column: parse error: ...`; kNotSupported for
// native histograms `{{...}}`.
core::Result<SeriesDescription> parse_series_description(std::string_view text);

// The values alone, as unit-test files have them in a field of their own.
core::Result<std::vector<std::optional<double>>> parse_series_values(std::string_view text);

}  // namespace rules::promql
