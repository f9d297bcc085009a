// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/service_notify.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdint>

namespace agent {

void notify_ready() { sd_notify(0, "READY=1"); }

void notify_reloading(const core::Clock& clock) {
  // Type=notify-reload wants to know when, on the monotonic clock.
  const auto steady = std::chrono::duration_cast<std::chrono::microseconds>(clock.steady_now().time_since_epoch());
  sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", steady.count()).c_str());
}

void notify_stopping() { sd_notify(0, "STOPPING=1"); }

void notify_watchdog() { sd_notify(0, "WATCHDOG=1"); }

std::optional<core::Duration> watchdog_interval() {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::microseconds(microseconds);
}

}  // namespace agent
