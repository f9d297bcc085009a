// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "agent/metrics/metric_text.h"
#include "core/time/clock.h"

namespace agent {

// As /metrics has numbers.
inline double seconds(core::Duration duration) { return std::chrono::duration<double>(duration).count(); }
inline double unix_seconds(core::WallTime time) { return static_cast<double>(core::to_unix_ms(time)) / 1000; }
inline double as_double(std::uint64_t value) { return static_cast<double>(value); }

// A counter that somebody else counts.
//
// Thread safety: any thread.
struct Named {
  const char* name;
  const char* help;
  const std::atomic<std::uint64_t>& value;
};

// relaxed: each number stands alone.
template <std::size_t kCount>
void append_counters(MetricText& text, const std::array<Named, kCount>& list) {
  for (const Named& each : list) {
    text.counter(each.name, each.help, as_double(each.value.load(std::memory_order_relaxed)));
  }
}

}  // namespace agent
