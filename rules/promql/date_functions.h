// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rules::promql {

// Parts of a UTC date, from seconds since the epoch truncated toward zero. NaN for what is not a representable time.
double day_of_month(double seconds);  // 1..31
double day_of_week(double seconds);   // 0 is Sunday
double day_of_year(double seconds);   // 1..366
double days_in_month(double seconds);
double hour(double seconds);
double minute(double seconds);
double month(double seconds);  // 1..12
double year(double seconds);

}  // namespace rules::promql
