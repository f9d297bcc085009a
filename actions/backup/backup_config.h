// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actions/backup/schedule.h"
#include "core/config/file_path.h"
#include "core/config/table.h"

namespace actions::backup {

// What a backup holds. Sources that know their client (Geth, Lighthouse, a Vault snapshot) will be further members.
//
// Thread safety: a value.
struct SourceConfig {
  std::vector<std::string> paths;  // absolute

  static const core::config::Table<SourceConfig>& fields();
};

// One entry of `backups:`.
//
// Thread safety: a value.
struct BackupConfig {
  std::string name;
  SourceConfig source;
  std::string repository;  // anything restic takes: a path, sftp:..., s3:...
  core::config::FilePath password_file;
  std::optional<Schedule> schedule;  // none: only when a remediation or a person asks
  core::Millis timeout = std::chrono::hours(2);
  std::vector<std::string> tags;
  std::vector<std::string> exclude;
  std::map<std::string, core::config::Secret> environment;

  static const core::config::Table<BackupConfig>& fields();
};

// Names are unique. `root` is the configuration's top, for the error's place.
core::Result<void> check_backups(const std::vector<BackupConfig>& backups, const core::config::Node& root);

}  // namespace actions::backup
