// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "script.h"

namespace promqltest {

// `metric{...} values`, native histograms included; value k lies at k * step_ms.
core::Result<LoadedSeries> parse_loaded_series(std::string_view line, std::int64_t step_ms);

// `metric{...}@st durations`: the start timestamps of the next line's samples, relative to them.
bool is_start_line(std::string_view line);
core::Result<std::vector<std::optional<std::int64_t>>> parse_start_line(std::string_view line);

// The native histogram series that `load_with_nhcb` makes of classic ones: one for all `_bucket` series that differ
// only in `le`, with a sample wherever a bucket has one.
std::vector<LoadedSeries> native_from_classic(const std::vector<LoadedSeries>& classic);

}  // namespace promqltest
