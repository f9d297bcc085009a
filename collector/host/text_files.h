// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "collector/host/exposition_writer.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace collector::host {

inline constexpr std::size_t kTextFilesMax = 256;
inline constexpr std::size_t kTextSamplesMax = 20'000;  // of all files

// The metrics that other programs leave in a folder as *.prom files. A file is taken whole or not at all: it must be
// text that Prometheus reads, without timestamps, and say nothing that another file or the agent itself says.
//
// Thread safety: confined to one thread.
class TextFiles {
 public:
  // Writes what is in `directory`, with node_textfile_mtime_seconds and node_textfile_scrape_error, after everything
  // else. What is wrong with files goes to `complaints`.
  void write(const std::string& directory, core::WallTime now, ExpositionWriter& out,
             std::vector<std::string>& complaints);

 private:
  struct Family {
    std::string type, help, lines;
    std::vector<std::string> series;
  };
  struct Identity {
    std::uint64_t inode = 0, size = 0;
    std::int64_t mtime_ns = 0;
    bool operator==(const Identity&) const = default;
  };
  struct File {
    Identity identity;
    bool settled = false;  // old enough for its identity to tell its content
    std::map<std::string, Family, std::less<>> families;
    std::string problem;
    std::size_t samples = 0;
  };

  core::Result<void> list(const std::string& directory);
  void refresh(const std::string& path, File& file, core::WallTime now);
  static void parse(std::string_view text, const std::string& path, File& file);

  std::map<std::string, File> files_;  // by path
};

}  // namespace collector::host
