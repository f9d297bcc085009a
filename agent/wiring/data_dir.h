// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/result.h"

namespace agent {

// The folder that holds what outlives the process. One agent at a time: its lock file is held while this lives, and the
// kernel lets go of it however the process ends.
//
// Thread safety: confined to one thread.
class DataDir {
 public:
  // Makes the folder if need be. Errors name it and what is wrong.
  static core::Result<DataDir> open(const std::string& path);
  DataDir(DataDir&& other) noexcept;
  DataDir& operator=(DataDir&& other) noexcept;
  ~DataDir();

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  DataDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_ = -1;
};

}  // namespace agent
