// SPDX-License-Identifier: Apache-2.0
#include "core/time/cpu_time.h"

#include <ctime>

namespace core {

Duration thread_cpu_time() {
  std::timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + Duration(used.tv_nsec);
}

}  // namespace core
