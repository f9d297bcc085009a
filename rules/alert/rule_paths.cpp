// SPDX-License-Identifier: Apache-2.0
#include <glob.h>

#include <filesystem>
#include <memory>
#include <set>

#include "rules/alert/rule_file.h"

namespace rules {
namespace {

// Bounds what a pattern may bring in, should it point at a wrong folder.
constexpr std::size_t kMaxFilesPerPattern = 10'000;

core::Result<std::vector<std::string>> files_of(const std::string& pattern) {
  const std::size_t wildcard = pattern.find_first_of("*?[");
  if (wildcard != std::string::npos && pattern.find('/', wildcard) != std::string::npos) {
    return core::fail(core::Errc::kInvalid, "rule_files: {}: expected wildcards in the last part of the path only",
                      pattern);
  }
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);
  const std::unique_ptr<glob_t, void (*)(glob_t*)> release(&found, ::globfree);
  std::vector<std::string> paths;
  if (status == GLOB_NOMATCH) return paths;
  if (status != 0) return core::fail(core::Errc::kFailed, "rule_files: {}: could not be expanded", pattern);
  if (found.gl_pathc > kMaxFilesPerPattern) {
    return core::fail(core::Errc::kLimitExceeded, "rule_files: {}: matches {} files, at most {} are read", pattern,
                      found.gl_pathc, kMaxFilesPerPattern);
  }
  for (std::size_t i = 0; i < found.gl_pathc; ++i) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(found.gl_pathv[i], ignored)) paths.emplace_back(found.gl_pathv[i]);
  }
  return paths;
}

}  // namespace

core::Result<RuleFiles> find_rule_files(const std::vector<std::string>& patterns) {
  RuleFiles files;
  std::set<std::string> seen;
  for (const std::string& pattern : patterns) {
    core::Result<std::vector<std::string>> paths = files_of(pattern);
    if (!paths) return core::fail(paths.error());
    if (paths->empty()) files.unmatched.push_back(pattern);
    for (std::string& path : *paths) {
      if (seen.insert(path).second) files.paths.push_back(std::move(path));
    }
  }
  return files;
}

}  // namespace rules
