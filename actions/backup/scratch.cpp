// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/scratch.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "core/store/open_file.h"

namespace actions::backup {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::fail;
using core::OpenFile;
using core::Result;

constexpr std::size_t kCopyBlock = 256 << 10;
constexpr std::uintmax_t kReserveMax = std::uintmax_t{10} << 30;

Result<void> make_private(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(Errc::kUnavailable, "{}: {}", path, std::strerror(errno));
  }
  // One that was there may have been made by someone else, or be a link to somewhere.
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) {
    return fail(Errc::kInvalid, "{}: not a folder of this user", path);
  }
  if (::chmod(path.c_str(), 0700) != 0) return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
  return {};
}

// Calls `each` with the pieces of a file.
template <class Each>
Result<void> read_pieces(const std::string& path, Each each) {
  const OpenFile file(path, O_RDONLY);
  if (!file.open()) return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
  std::vector<char> block(kCopyBlock);
  for (;;) {
    const ssize_t got = ::read(file.get(), block.data(), block.size());
    if (got < 0) return fail(Errc::kFailed, "{}: {}", path, std::strerror(errno));
    if (got == 0) return {};
    if (Result<void> done = each(std::string_view(block.data(), static_cast<std::size_t>(got))); !done) return done;
  }
}

}  // namespace

Result<Scratch> Scratch::make(const std::string& root, std::string_view name) {
  if (auto made = make_private(root); !made) return fail(made.error());
  std::string folder;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    folder += plain ? std::string(1, c) : fmt::format("_{:02x}", static_cast<unsigned char>(c));
  }
  const std::string path = root + "/" + folder;
  std::error_code failed;
  fs::remove_all(path, failed);
  if (failed) return fail(Errc::kFailed, "{}: {}", path, failed.message());
  if (auto made = make_private(path); !made) return fail(made.error());
  return Scratch(path);
}

Scratch::Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}

Scratch::~Scratch() {
  std::error_code ignored;  // the next start tries again
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Result<void> expect_room(const std::string& folder, std::uint64_t bytes) {
  std::error_code failed;
  const fs::space_info space = fs::space(folder, failed);
  if (failed) return fail(Errc::kFailed, "{}: {}", folder, failed.message());
  const std::uintmax_t reserve = std::min<std::uintmax_t>(space.capacity / 20, kReserveMax);
  if (space.available >= reserve && space.available - reserve >= bytes) return {};
  return fail(Errc::kLimitExceeded, "{}: {} bytes are needed, and of the {} that are free {} have to stay so", folder,
              bytes, space.available, reserve);
}

Result<void> clear_scratch(const std::string& root) {
  std::error_code failed;
  fs::remove_all(root, failed);
  if (failed) return fail(Errc::kFailed, "{}: {}", root, failed.message());
  return {};
}

Result<std::string> sha256_of_file(const std::string& path) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (context == nullptr || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    return fail(Errc::kFailed, "SHA-256 is not available");
  }
  auto read = read_pieces(path, [&](std::string_view piece) -> Result<void> {
    EVP_DigestUpdate(context.get(), piece.data(), piece.size());
    return {};
  });
  if (!read) return fail(read.error());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest.at(i));
  return text;
}

Result<void> write_private_file(const std::string& path, std::string_view bytes) {
  const OpenFile file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.open()) return fail(Errc::kUnavailable, "{}: {}", path, std::strerror(errno));
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0) return fail(Errc::kUnavailable, "{}: {}", path, std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  std::string text;
  auto read = read_pieces(path, [&](std::string_view piece) -> Result<void> {
    if (text.size() + piece.size() > bytes_max) {
      return fail(Errc::kLimitExceeded, "{}: larger than {} bytes", path, bytes_max);
    }
    text += piece;
    return {};
  });
  if (!read) return fail(read.error());
  return text;
}

}  // namespace actions::backup
