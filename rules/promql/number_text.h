// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rules::promql {

// Numbers as Go's strconv writes them with the shortest digits that read back as the same double; +Inf, -Inf, NaN.

// 'f': never an exponent. 1e21 is 1000000000000000000000.
std::string plain_number(double value);

// 'g': with an exponent below 1e-04 and from 1e+06 on. 100000, 1e+06, 1.234567e+06, 1e-05.
std::string short_number(double value);

// 'e': always with an exponent. 1e+00, 4.2e+01.
std::string exponent_number(double value);

// %.2g: two significant digits.
std::string two_digit_number(double value);

// %f: six decimals.
std::string fixed_number(double value);

// strconv.ParseFloat: decimal or 0x with a p exponent, optional sign, inf, infinity and nan in any case. No value if
// the text is anything else or the number too large.
std::optional<double> parse_float(std::string_view text);

}  // namespace rules::promql
