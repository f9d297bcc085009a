// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/time/clock.h"

namespace collector::host {

// Where the kernel shows itself. Tests have small trees of their own.
struct HostPaths {
  std::string proc = "/proc";
  std::string sys = "/sys";
  std::string root = "/";  // mount points are below it
};

// Everything about this host as Prometheus text, with node_exporter's names and labels; docs/host-metrics.md lists what
// is left out. A source that cannot be read is told by node_scrape_collector_success 0, and the others go on.
//
// Never waits for a network: filesystems whose server may be gone are not asked for their size.
std::string host_exposition(const HostPaths& paths, core::WallTime now);

}  // namespace collector::host
