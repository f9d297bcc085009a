// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace rules::promql {

// Numbers as Go's strconv writes them with the shortest digits that read back as the same double; +Inf, -Inf, NaN.

// 'f': never an exponent. 1e21 is 1000000000000000000000.
std::string plain_number(double value);

// 'g': with an exponent below 1e-04 and from 1e+06 on. 100000, 1e+06, 1.234567e+06, 1e-05.
std::string short_number(double value);

// 'e': always with an exponent. 1e+00, 4.2e+01.
std::string exponent_number(double value);

}  // namespace rules::promql
