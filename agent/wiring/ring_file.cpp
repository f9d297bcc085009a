// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/ring_file.h"

#include <spdlog/spdlog.h>

#include <filesystem>
#include <utility>

namespace agent {
namespace {

using core::ring::FoundState;
using core::ring::RingRecovery;

void log_recovery(const std::string& path, const RingRecovery& recovery) {
  if (recovery.found == FoundState::kNew) {
    spdlog::info("ring {}: new", path);
  } else {
    spdlog::info("ring {}: found {}, {} series taken over", path, to_string(recovery.found), recovery.series);
  }
  if (recovery.series_dropped + recovery.chunks_dropped + recovery.times_dropped == 0) return;
  spdlog::warn("ring {}: damaged; dropped {} series, {} chunks of samples, {} pages of scrape times", path,
               recovery.series_dropped, recovery.chunks_dropped, recovery.times_dropped);
}

}  // namespace

core::ring::MappedRingOptions ring_options(const RingConfig& config, std::string path) {
  core::ring::MappedRingOptions options;
  options.path = std::move(path);
  options.size_bytes = config.size.bytes;
  options.max_series = config.max_series.value_or(0);
  options.lock_memory = config.lock_memory;
  options.huge_pages = config.huge_pages;
  return options;
}

core::Result<std::string> ring_path(const RingConfig& config, const std::string& usual) {
  if (config.folder.path.empty()) return usual;
  std::error_code problem;
  std::filesystem::create_directories(config.folder.path, problem);
  if (problem) {
    return core::fail(core::Errc::kFailed, "ring: folder {}: {}", config.folder.path, problem.message());
  }
  std::string path = config.folder.path + "/ring";
  if (std::filesystem::exists(usual, problem) && !std::filesystem::equivalent(usual, path, problem)) {
    spdlog::warn("ring {}: not used, since ring.folder is {}; it may be removed", usual, config.folder.path);
  }
  return path;
}

core::Result<std::unique_ptr<core::ring::MappedRing>> open_ring(const RingConfig& config, const std::string& path) {
  auto ring = core::ring::open_mapped_ring(ring_options(config, path));
  if (ring) log_recovery(path, (*ring)->recovery());
  return ring;
}

}  // namespace agent
