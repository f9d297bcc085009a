// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/file_discovery.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "collector/discovery/folder_watch.h"
#include "collector/discovery/target_group_text.h"

namespace collector::discovery {
namespace {

using core::Errc;
using core::Result;
using core::config::Node;

// Files that the patterns of one discovery may match.
constexpr std::size_t kFilesMax = 10'000;

// Prometheus, discovery/file: the last part may hold one star; JSON and YAML by the name's end, in small or capitals.
bool is_valid_pattern(std::string_view path) {
  constexpr std::array<std::string_view, 6> kEnds = {".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"};
  const std::size_t slash = path.rfind('/');
  const std::string_view folder = slash == std::string_view::npos ? "" : path.substr(0, slash);
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  return folder.find('*') == std::string_view::npos && std::count(name.begin(), name.end(), '*') <= 1 &&
         std::any_of(kEnds.begin(), kEnds.end(), [&](std::string_view end) { return name.ends_with(end); });
}

Result<std::string> read_file(const std::string& path) {
  // O_NONBLOCK: a named pipe in place of the file must not stop the thread.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return core::fail(Errc::kFailed, "open {}: {}", path, std::strerror(errno));
  struct stat status{};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file);
    return core::fail(Errc::kFailed, "{} is not a regular file", path);
  }
  std::string text;
  std::array<char, 64 << 10> piece;
  ssize_t size = 0;
  while (text.size() <= kListBytesMax && (size = ::read(file, piece.data(), piece.size())) > 0) {
    text.append(piece.data(), static_cast<std::size_t>(size));
  }
  const int problem = errno;
  ::close(file);
  if (size < 0) return core::fail(Errc::kFailed, "read {}: {}", path, std::strerror(problem));
  return text;
}

class FileDiscovery final : public Discovery {
 public:
  FileDiscovery(const FileConfig& config, const Context& context, Sink& sink)
      : config_(config),
        sink_(sink),
        watch_(context.folders.watch(folders(), [this] { refresh(); })),
        timer_(context, config.refresh_interval, [this] { refresh(); }) {}

 private:
  std::vector<std::string> folders() const {
    std::set<std::string> folders;
    for (const auto& file : config_.files) {
      const std::string folder = std::filesystem::path(file.path).parent_path().string();
      folders.insert(folder.empty() ? "." : folder);
    }
    return {folders.begin(), folders.end()};
  }

  std::set<std::string> matched() const {
    std::set<std::string> paths;
    for (const auto& file : config_.files) {
      glob_t found{};
      if (::glob(file.path.c_str(), 0, nullptr, &found) == 0) {
        for (std::size_t i = 0; i < found.gl_pathc && paths.size() < kFilesMax; ++i) paths.insert(found.gl_pathv[i]);
      }
      ::globfree(&found);
    }
    return paths;
  }

  static Result<std::vector<TargetGroup>> read(const std::string& path) {
    const auto text = read_file(path);
    if (!text) return core::fail(text.error());
    std::string end = std::filesystem::path(path).extension().string();
    const bool json = end == ".json" || end == ".JSON";
    auto groups = json ? parse_json_groups(*text, path) : parse_yaml_groups(*text, path);
    if (!groups) return groups;
    for (TargetGroup& group : *groups) group.labels["__meta_filepath"] = path;
    return groups;
  }

  void refresh() {
    watch_->ensure();
    std::vector<TargetGroup> changed;
    std::vector<core::Error> errors;
    std::map<std::string, std::size_t> counts;
    for (const std::string& path : matched()) {
      auto groups = read(path);
      const std::size_t before = counts_.contains(path) ? counts_.at(path) : 0;
      if (!groups) {
        errors.push_back(groups.error());
        counts[path] = before;  // what it said last stays
        continue;
      }
      counts[path] = groups->size();
      std::move(groups->begin(), groups->end(), std::back_inserter(changed));
      remove(path, counts[path], before, changed);
    }
    for (const auto& [path, count] : counts_) {
      if (!counts.contains(path)) remove(path, 0, count, changed);
    }
    if (sink_.update(std::move(changed))) counts_ = std::move(counts);
    for (const core::Error& error : errors) sink_.failed(error);
  }

  // Groups [from, to) of a file are no more.
  static void remove(const std::string& path, std::size_t from, std::size_t to, std::vector<TargetGroup>& changed) {
    for (std::size_t i = from; i < to; ++i) {
      changed.push_back({.source = fmt::format("{}:{}", path, i), .targets = {}, .labels = {}});
    }
  }

  const FileConfig config_;
  Sink& sink_;
  std::map<std::string, std::size_t> counts_;  // groups of each file, as last told
  std::unique_ptr<FolderWatch> watch_;
  RefreshTimer timer_;
};

}  // namespace

const core::config::Table<FileConfig>& FileConfig::fields() {
  static const auto table =
      core::config::Table<FileConfig>("file_sd_config", "Targets from JSON and YAML files, read anew when they change.")
          .field("files", &FileConfig::files,
                 {.help = "Paths ending in .json, .yml or .yaml; * stands for any text in the last part.",
                  .example = "[\"targets/*.json\"]"})
          .field("refresh_interval", &FileConfig::refresh_interval,
                 {.help = "How often the files are read even if nothing seems to have changed."})
          .check([](const FileConfig& config, const Node& node) -> Result<void> {
            if (config.files.empty()) {
              return core::fail(node.error("file service discovery config must contain at least one path name"));
            }
            for (const auto& file : config.files) {
              if (!is_valid_pattern(file.path)) {
                return core::fail(node.error("path name \"{}\" is not valid for file discovery", file.path));
              }
            }
            if (config.refresh_interval.count() <= 0) {
              return core::fail(node.error("refresh_interval: expected more than 0"));
            }
            return {};
          });
  return table;
}

std::unique_ptr<Discovery> make_file_discovery(const FileConfig& config, const Context& context, Sink& sink) {
  return std::make_unique<FileDiscovery>(config, context, sink);
}

}  // namespace collector::discovery
