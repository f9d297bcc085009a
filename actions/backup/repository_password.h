// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>

#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::backup {

struct BackupConfig;

// A password that a Vault keeps in a KV store, of version 1 or 2.
//
// Thread safety: a value.
struct VaultPasswordConfig {
  std::string url;   // of the Vault, without a path
  std::string path;  // secret/data/restic (version 2), kv/restic (version 1)
  std::string field = "password";
  core::config::FilePath token_file;
  core::config::FilePath ca_file;  // empty: the system's authorities
  std::string server_name;         // verified instead of the URL's host

  bool given() const { return !url.empty(); }
  static const core::config::Table<VaultPasswordConfig>& fields();
};

// How restic is told the password of its repository: one of the two.
struct RepositoryPassword {
  std::string file;
  std::string text;
};

// Looks for the password where the configuration says that it is. kInvalid: there is none, or a file that others can
// read; kUnavailable: the Vault does not answer. Blocks for some seconds at most.
core::Result<RepositoryPassword> find_password(const BackupConfig& config, const core::Clock& clock,
                                               std::stop_token stop);

}  // namespace actions::backup
