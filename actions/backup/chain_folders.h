// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "actions/backup/backup_config.h"
#include "core/result.h"

namespace actions::backup {

// What restic takes of a client's data.
struct ChainFolders {
  std::vector<std::string> paths;
  std::vector<std::string> exclude;    // below them, by whole path
  std::vector<std::string> databases;  // folders of LevelDB or Pebble
  std::vector<std::string> freezers;   // folders below which Geth's frozen tables are
};

// What is to be taken of a client's folders, as they are below `root` ("": where they are; a snapshot; what was
// restored). kInvalid, with what to configure, if they are not there, not such a client's, or lead elsewhere by a
// symbolic link, which restic would keep instead of what it leads to. REQUIRES: source.client().
core::Result<ChainFolders> chain_folders(const SourceConfig& source, const std::string& root);

// Whether a client could open what came back below `root`: every database has the manifest that its CURRENT names, and
// every frozen table has the bytes that its index speaks of. Says nothing of what is in them. kInvalid with what is
// wrong.
core::Result<void> examine_chain_folders(const SourceConfig& source, const std::string& root);

}  // namespace actions::backup
