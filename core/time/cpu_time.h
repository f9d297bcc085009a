// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/time/clock.h"

namespace core {

// What the calling thread has used of a core since it began.
Duration thread_cpu_time();

}  // namespace core
