// SPDX-License-Identifier: Apache-2.0
#include "agent/config/scrape_files.h"

#include <glob.h>

#include <algorithm>
#include <set>

#include "core/config/table.h"

namespace agent {
namespace {

using core::Errc;
using core::Result;
using core::config::Node;
using core::config::Table;

struct ScrapeFile {
  std::vector<collector::scrape::ScrapeConfig> scrape_configs;

  static const Table<ScrapeFile>& fields() {
    static const auto table = Table<ScrapeFile>("scrape_config_file", "Jobs in a file of their own.")
                                  .field("scrape_configs", &ScrapeFile::scrape_configs, {.help = "The jobs."});
    return table;
  }
};

Result<std::vector<std::string>> matched(const std::string& pattern) {
  const std::size_t slash = pattern.rfind('/');
  if (slash != std::string::npos && pattern.find('*') < slash) {
    return core::fail(Errc::kInvalid, "invalid scrape config file path \"{}\"", pattern);
  }
  std::vector<std::string> paths;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return paths;
}

}  // namespace

Result<ScrapeFiles> read_scrape_files(const std::vector<core::config::FilePath>& patterns) {
  ScrapeFiles files;
  std::set<std::string> seen;
  for (const auto& pattern : patterns) {
    const auto paths = matched(pattern.path);
    if (!paths) return core::fail(paths.error());
    if (paths->empty()) files.unmatched.push_back(pattern.path);
    for (const std::string& path : *paths) {
      if (!seen.insert(path).second) continue;
      const auto root = Node::parse_file(path);
      if (!root) return core::fail(root.error());
      auto file = ScrapeFile::fields().read(*root);
      if (!file) return core::fail(file.error());
      const auto nodes = root->find("scrape_configs").items();
      files.nodes.insert(files.nodes.end(), nodes.begin(), nodes.end());
      std::move(file->scrape_configs.begin(), file->scrape_configs.end(), std::back_inserter(files.jobs));
    }
  }
  return files;
}

}  // namespace agent
