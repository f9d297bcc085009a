// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/host/host_config.h"
#include "core/time/clock.h"

namespace collector::host {

// Reads the host as Prometheus text, with node_exporter's names and labels; docs/host-metrics.md lists what is left
// out. A source that cannot be read is told by node_scrape_collector_success 0, has no series, and does not stop the
// others. What must be remembered from one reading to the next is remembered here.
//
// Never waits for a network: filesystems whose server may be gone are not asked for their size.
//
// Thread safety: confined to one thread at a time.
class HostMetrics {
 public:
  struct Reading {
    std::string text;
    // What is there and could not be read, in words. What this host does not have is no complaint.
    std::vector<std::string> complaints;
  };

  // REQUIRES: `config` has been checked; the clock outlives this.
  HostMetrics(const core::Clock& clock, HostConfig config);
  ~HostMetrics();

  Reading read();

 private:
  struct State;

  const core::Clock& clock_;
  HostConfig config_;
  std::unique_ptr<State> state_;
};

}  // namespace collector::host
