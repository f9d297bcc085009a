// SPDX-License-Identifier: Apache-2.0
#include "agent/wiring/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace agent {

core::Result<DataDir> DataDir::open(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem) return core::fail(core::Errc::kFailed, "data directory {}: {}", path, problem.message());
  const std::string lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return core::fail(core::Errc::kFailed, "data directory {}: {}", path, std::strerror(errno));
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const bool taken = errno == EWOULDBLOCK;
    const std::string reason = taken ? "another watchkeeper runs on it" : std::strerror(errno);
    close(lock);
    return core::fail(core::Errc::kUnavailable, "data directory {}: {}", path, reason);
  }
  return DataDir(path, lock);
}

DataDir::DataDir(DataDir&& other) noexcept : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

DataDir& DataDir::operator=(DataDir&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

DataDir::~DataDir() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace agent
