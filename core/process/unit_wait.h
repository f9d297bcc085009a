// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>

#include "core/process/service_control.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace core::process {

// One call of the service manager; it answers at once, or something is wrong with it.
inline constexpr Duration kUnitCallTimeout = std::chrono::seconds(10);

// Waits until the service manager has no job for the unit any more, and says how the unit is then. kTimeout: it still
// has one; kCancelled: stop was requested; else as status().
Result<UnitStatus> wait_until_settled(ServiceControl& services, const Clock& clock, const std::string& unit,
                                      Duration timeout, std::stop_token stop);

}  // namespace core::process
