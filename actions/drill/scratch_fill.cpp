// SPDX-License-Identifier: Apache-2.0
#include "actions/drill/scratch_fill.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/config/codec.h"

namespace actions::drill {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::fail;
using core::Result;

// Reserved at once, so that a stop is heard.
constexpr std::uint64_t kPiece = std::uint64_t{64} << 20;
constexpr std::uint64_t kLeastPiece = 4096;

// Closed by its destructor.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  bool valid() const { return value_ >= 0; }

 private:
  int value_;
};

std::string bytes_text(std::uint64_t bytes) {
  return core::config::Codec<core::config::ByteSize>::print({.bytes = bytes});
}

bool is_inside(const fs::path& folder, const fs::path& top) {
  const fs::path relative = folder.lexically_relative(top);
  return !relative.empty() && *relative.begin() != "..";
}

bool same_file_system(const struct stat& one, const std::string& other) {
  struct stat status{};
  return ::stat(other.c_str(), &status) == 0 && status.st_dev == one.st_dev;
}

// Nothing stands in for the folder or the file: neither may be a link.
Descriptor open_folder(const std::string& folder) {
  return Descriptor(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace

std::vector<std::string> objections_to_fill(const FillFault& fault, const DrillableConfig& component,
                                            const std::string& data_folder) {
  const std::string& folder = fault.folder.path;
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error) return {fmt::format("{}: {}", folder, error.message())};
  struct stat status{};
  if (::stat(real.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return {fmt::format("{} is not a folder", folder)};
  }
  std::vector<std::string> objections;
  const bool inside = std::ranges::any_of(component.scratch, [&](const core::config::FilePath& scratch) {
    std::error_code missing;
    const fs::path top = fs::canonical(scratch.path, missing);
    return !missing && is_inside(real, top);
  });
  if (!inside) objections.push_back(fmt::format("{} ({}) is not below a scratch folder", folder, real.string()));
  if (real != fs::path(folder).lexically_normal()) objections.push_back(fmt::format("{} leads over a link", folder));
  if (same_file_system(status, "/")) {
    objections.push_back(fmt::format("{} is on the file system of the root: that is no scratch disk", folder));
  }
  if (same_file_system(status, data_folder)) {
    objections.push_back(fmt::format("{} is on the file system of the agent's data", folder));
  }
  if (::access(real.c_str(), W_OK | X_OK) != 0) {
    objections.push_back(fmt::format("{} cannot be written: {}", folder, std::strerror(errno)));
  }
  if (fs::exists(fs::symlink_status(real / kFillFile, error))) {
    objections.push_back(fmt::format("{} has a {} already", folder, kFillFile));
  }
  return objections;
}

Result<std::string> fill_scratch(const FillFault& fault, std::stop_token stop) {
  const std::string& path = fault.folder.path;
  const Descriptor folder = open_folder(path);
  if (!folder.valid()) return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
  const Descriptor file(
      ::openat(folder.get(), kFillFile, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid()) return fail(Errc::kFailed, "{}/{}: {}", path, kFillFile, std::strerror(errno));
  std::uint64_t reserved = 0;
  std::uint64_t piece = kPiece;
  while (reserved < fault.size.bytes) {
    if (stop.stop_requested()) return fail(Errc::kCancelled, "ended after {}", bytes_text(reserved));
    const std::uint64_t next = std::min(piece, fault.size.bytes - reserved);
    // Reserved, not written: what counts is that nobody else can have it.
    if (::fallocate(file.get(), 0, static_cast<off_t>(reserved), static_cast<off_t>(next)) == 0) {
      reserved += next;
    } else if (errno == ENOSPC && next > kLeastPiece) {
      piece = next / 2;  // the rest of it, in smaller pieces
    } else if (errno == ENOSPC) {
      break;
    } else if (errno != EINTR) {
      return fail(Errc::kFailed, "{}/{}: {}", path, kFillFile, std::strerror(errno));
    }
  }
  struct statvfs left{};
  if (::fstatvfs(file.get(), &left) != 0) return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
  return fmt::format("took {} of {}, {} are left", bytes_text(reserved), path,
                     bytes_text(std::uint64_t{left.f_bavail} * left.f_frsize));
}

Result<std::string> empty_scratch(const FillFault& fault) {
  const std::string& path = fault.folder.path;
  const Descriptor folder = open_folder(path);
  if (!folder.valid()) {
    // The disk is not there any more, and the file neither.
    if (errno == ENOENT) return path + " is gone, and what was in it";
    return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
  }
  if (::unlinkat(folder.get(), kFillFile, 0) == 0) return fmt::format("removed {}/{}", path, kFillFile);
  if (errno == ENOENT) return fmt::format("{} has no {}", path, kFillFile);
  return fail(Errc::kFailed, "{}/{}: {}", path, kFillFile, std::strerror(errno));
}

}  // namespace actions::drill
