// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "core/time/clock.h"

namespace core {

// Blocks the caller for `time`. False if a stop request ended it.
bool stoppable_wait(Duration time, const std::stop_token& stop);

}  // namespace core
