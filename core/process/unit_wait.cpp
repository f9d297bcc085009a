// SPDX-License-Identifier: Apache-2.0
#include "core/process/unit_wait.h"

#include <condition_variable>
#include <mutex>

#include "core/time/duration.h"

namespace core::process {
namespace {

constexpr auto kUnitPoll = std::chrono::milliseconds(200);

}  // namespace

Result<UnitStatus> wait_until_settled(ServiceControl& services, const Clock& clock, const std::string& unit,
                                      Duration timeout, std::stop_token stop) {
  const SteadyTime deadline = clock.steady_now() + timeout;
  std::mutex mutex;
  std::condition_variable_any never;
  for (;;) {
    Result<UnitStatus> status = services.status(unit, kUnitCallTimeout);
    if (!status || !status->has_job) return status;
    if (clock.steady_now() >= deadline) {
      return fail(Errc::kTimeout, "{} is still {} after {}", unit, status->active_state,
                  format_duration(std::chrono::duration_cast<Millis>(timeout)));
    }
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kUnitPoll, [] { return false; });
    if (stop.stop_requested()) return fail(Errc::kCancelled, "the agent ended");
  }
}

}  // namespace core::process
