// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agent/metrics/metric_text.h"

namespace agent {

// Appends what this process costs the host, read from /proc/self: CPU time, memory, descriptors, threads. What cannot
// be read is left out.
void append_process_metrics(MetricText& text, const std::string& proc = "/proc/self");

}  // namespace agent
