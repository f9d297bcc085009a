// SPDX-License-Identifier: Apache-2.0
#include "core/time/stoppable_wait.h"

#include <condition_variable>
#include <mutex>

namespace core {

bool stoppable_wait(Duration time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace core
