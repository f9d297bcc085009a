// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "collector/discovery/discovery.h"
#include "core/config/file_path.h"
#include "core/config/table.h"

namespace collector::discovery {

// <file_sd_config>: targets from JSON and YAML files.
struct FileConfig {
  std::vector<core::config::FilePath> files;  // the last part of a path may hold one *
  std::chrono::milliseconds refresh_interval = std::chrono::minutes(5);

  bool operator==(const FileConfig&) const = default;
  static const core::config::Table<FileConfig>& fields();
};

// Reads all files when something in their folders changes, and once an interval. A file that cannot be read or
// understood keeps what it last said; one that is gone takes its targets with it.
std::unique_ptr<Discovery> make_file_discovery(const FileConfig& config, const Context& context, Sink& sink);

}  // namespace collector::discovery
