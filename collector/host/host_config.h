// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "core/config/table.h"

namespace collector::host {

// `host`: metrics of the machine that the agent runs on.
struct HostConfig {
  bool enabled = true;
  std::chrono::milliseconds interval = std::chrono::seconds(15);
  std::string job = "host";
  std::string instance;

  bool operator==(const HostConfig&) const = default;
  static const core::config::Table<HostConfig>& fields();
};

}  // namespace collector::host
