// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace rules::templates {

// Numbers for people, to four digits, as Prometheus's template functions of the same names write them.
std::string humanize(double value);             // 1234567 -> 1.235M, 0.0345 -> 34.5m
std::string humanize_1024(double value);        // 1234567 -> 1.177Mi
std::string humanize_duration(double seconds);  // 3661 -> 1h 1m 1s, 0.0021 -> 2.1ms
std::string humanize_percentage(double ratio);  // 0.1234567 -> 12.35%

// C's %.4g, with +Inf and NaN as Go writes them.
std::string four_digits(double value);

}  // namespace rules::templates
