// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace test_support {

// An empty restic repository in the new folder `folder`, by the password "correct horse". To open it costs nothing,
// where one that `restic init` makes costs half a second of a processor each time: see
// test/golden/restic_repository/make.py.
inline void make_restic_repository(const std::filesystem::path& folder) {
  const std::filesystem::path made = WATCHKEEPER_SOURCE_DIR "/test/golden/restic_repository";
  for (const char* const empty : {"data", "index", "locks", "snapshots"}) {
    std::filesystem::create_directories(folder / empty);
  }
  std::filesystem::copy(made / "keys", folder / "keys");
  std::filesystem::copy(made / "config", folder / "config");
}

}  // namespace test_support
