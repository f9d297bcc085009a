// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/time/clock.h"

namespace agent {

// Words to the service manager (sd_notify); nothing happens where there is none.
//
// Thread safety: any thread.
void notify_ready();
void notify_reloading(const core::Clock& clock);
void notify_stopping();
void notify_watchdog();

// How often the watchdog must be petted; none if it is off.
std::optional<core::Duration> watchdog_interval();

}  // namespace agent
