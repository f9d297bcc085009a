// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "actions/backup/backup_config.h"
#include "actions/backup/interchange.h"
#include "core/result.h"
#include "core/time/clock.h"

namespace actions::backup {

// Names inside a snapshot of a source that knows its client.
inline constexpr const char* kManifestFile = "watchkeeper-manifest.json";
inline constexpr const char* kSlashingDatabaseFile = "slashing_protection.sqlite";
inline constexpr const char* kInterchangeFile = "slashing_protection.interchange.json";
inline constexpr const char* kRaftSnapshotFile = "vault_raft.snap";

// Why a copy of slashing protection never comes back as a file.
inline constexpr std::string_view kNeverRestored =
    "a slashing-protection database is never restored as an old file: it does not know what was signed after it was"
    " taken, and a client that runs with it can be slashed. Import the interchange (EIP-3076) instead, with the old"
    " client stopped for good, and wait until the chain has justified past its epochs";

// What restic is to take.
struct Staged {
  std::vector<std::string> paths;
  std::string note;                      // worth knowing of a success
  std::optional<Watermarks> watermarks;  // of a slashing-protection database
  VotedEpochs voted;                     // likewise
};

// Makes in `folder` what is to be backed up of a source that cannot be read as it lies there, with a manifest of the
// files' digests; for plain paths there is nothing to do. A damaged database, one that stays locked, a Vault without an
// active node and a snapshot that Vault could not restore are errors. `timeout`: for what comes over the network.
core::Result<Staged> stage(const SourceConfig& source, const std::string& folder, core::Duration timeout,
                           const core::Clock& clock, std::stop_token stop);

// What was found in a restored snapshot.
struct Findings {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::optional<Watermarks> watermarks;
};

// Looks at what was restored below `folder`: the files are those of the manifest, databases are sound, an interchange
// can be imported and says what the database says. `staged`: there must be a manifest. kInvalid with what is wrong.
core::Result<Findings> examine(const std::string& folder, bool staged);

// The files below `folder` named so; at most a few.
std::vector<std::string> find_files(const std::string& folder, std::string_view name);

}  // namespace actions::backup
