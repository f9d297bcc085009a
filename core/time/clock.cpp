// SPDX-License-Identifier: Apache-2.0
#include "core/time/clock.h"

namespace core {

WallTime SystemClock::wall_now() const { return std::chrono::system_clock::now(); }

SteadyTime SystemClock::steady_now() const { return std::chrono::steady_clock::now(); }

}  // namespace core
