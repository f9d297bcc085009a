// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "collector/scrape/scrape_config.h"
#include "core/config/file_path.h"
#include "core/config/node.h"

namespace agent {

// The jobs that other files add to those of the configuration.
struct ScrapeFiles {
  std::vector<collector::scrape::ScrapeConfig> jobs;
  std::vector<core::config::Node> nodes;  // where each of them stands
  std::vector<std::string> unmatched;     // patterns that no file matches
};

// Reads every file that a pattern matches: a map with scrape_configs and nothing else. The last part of a pattern may
// hold stars.
core::Result<ScrapeFiles> read_scrape_files(const std::vector<core::config::FilePath>& patterns);

}  // namespace agent
