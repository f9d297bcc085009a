// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace collector::exposition {

// A sample's value: decimal numbers, Inf and Infinity with a sign or not, NaN without one, any case. Underflow is zero.
// Every NaN is core::ring::kNanBits, so that no target can write a stale marker.
// Errors in the words of Go's strconv: `strconv.ParseFloat: parsing "1e": invalid syntax`, `... value out of range`,
// and `unsupported character in float` for hexadecimal and grouped numbers.
core::Result<double> parse_value(std::string_view text);

// Digits only, `strconv.ParseInt: parsing "...": value out of range` past 2^63 - 1.
// REQUIRES: text is not empty and all digits.
core::Result<std::int64_t> parse_timestamp_ms(std::string_view text);

// Shortest text that reads back, with ".0" where it would look like a whole number: the form OpenMetrics wants for the
// labels `le` and `quantile`. Exponents below -4 and from 6 up are written as such.
std::string format_label_float(double value);

}  // namespace collector::exposition
