// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rules::promql {

// Numbers as Go prints and reads them, which is how label values and messages of the language hold them.

// The shortest decimal that reads back the same, never with an exponent: 1000000000000000000000, 0.25, +Inf, NaN.
std::string plain_number(double value);

// %g: the shortest digits, with an exponent below 1e-04 and from 1e+06 on: 0.5, 1e+06, 1.5e-05, +Inf, NaN.
std::string general_number(double value);

// %.2g: two significant digits.
std::string two_digit_number(double value);

// %f: six decimals, +Inf, NaN.
std::string fixed_number(double value);

// strconv.ParseFloat: decimal or 0x with p exponent, optional sign, inf, infinity and nan in any case. Out of range and
// anything else is nullopt.
std::optional<double> parse_number(std::string_view text);

}  // namespace rules::promql
