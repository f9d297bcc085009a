// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace core::net {
class IoLoop;
}

namespace collector::discovery {

// Some folders under watch, until this goes.
//
// Thread safety: confined to the loop's thread.
class FolderWatch {
 public:
  virtual ~FolderWatch() = default;
  // Watches again what was missing, or was taken away and came back. False if one of the folders cannot be watched.
  virtual bool ensure() = 0;
};

// Tells of changes in folders: files that come, go, change or are renamed; not of their permissions.
//
// Thread safety: confined to the loop's thread.
class FolderWatches {
 public:
  virtual ~FolderWatches() = default;
  // `changed` is called on the loop, a moment after the first of several changes, never inside this call.
  virtual std::unique_ptr<FolderWatch> watch(std::vector<std::string> folders, std::function<void()> changed) = 0;
};

// inotify on the loop.
std::unique_ptr<FolderWatches> make_folder_watches(core::net::IoLoop& loop);

}  // namespace collector::discovery
