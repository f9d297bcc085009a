// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "actions/backup/raft_archive.h"
#include "core/config/file_path.h"
#include "core/config/table.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::backup {

// A Vault cluster with integrated (raft) storage.
//
// Thread safety: a value.
struct VaultRaftConfig {
  std::vector<std::string> urls;  // of its nodes, without a path
  core::config::FilePath token_file;
  core::config::FilePath ca_file;  // empty: the system's authorities
  std::string server_name;         // verified instead of the URL's host

  bool operator==(const VaultRaftConfig&) const = default;
  static const core::config::Table<VaultRaftConfig>& fields();
};

// Asks the active node for a snapshot and writes it to `path` (mode 0600), then reads it whole: what Vault could not
// restore is an error. Blocks for `timeout` at most, on a loop of its own. Only the active node has all of it, so that
// a node which says that it is a standby is not asked; kUnavailable with what each said if none is active.
core::Result<RaftArchive> fetch_raft_snapshot(const VaultRaftConfig& vault, const std::string& path,
                                              core::Duration timeout, const core::Clock& clock, std::stop_token stop);

}  // namespace actions::backup
