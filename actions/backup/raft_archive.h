// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"

namespace actions::backup {

// What a snapshot of Vault's raft storage says of itself.
struct RaftArchive {
  std::uint64_t index = 0;  // of the last entry of the raft log that is in it
  std::uint64_t term = 0;
  std::uint64_t state_bytes = 0;
};

// Reads a snapshot as GET /v1/sys/storage/raft/snapshot gives it, whole: a gzip stream of a tar archive with meta.json,
// state.bin, SHA256SUMS and SHA256SUMS.sealed. kInvalid with what is wrong if it was cut short, or a file is missing or
// has another digest than SHA256SUMS says; then Vault could not restore it. The state itself is encrypted with Vault's
// own keys and cannot be looked into. Nothing but one piece of it is in memory at a time.
core::Result<RaftArchive> read_raft_archive(const std::string& path);

}  // namespace actions::backup
