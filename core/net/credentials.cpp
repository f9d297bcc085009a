// SPDX-License-Identifier: Apache-2.0
#include "core/net/credentials.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace core::net {

namespace {

constexpr std::size_t kSecretBytesMax = 64 << 10;

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<std::string> read_secret(const std::string& path, const char* what) {
  // O_NONBLOCK: a named pipe in place of the file must not stop the I/O thread.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    return fail(Errc::kUnavailable, "unable to read {} file: open {}: {}", what, path, std::strerror(errno));
  }
  struct stat status{};
  std::string content(kSecretBytesMax + 1, '\0');
  const bool regular = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  const ssize_t size = regular ? ::read(file, content.data(), content.size()) : -1;
  const int failure = errno;
  ::close(file);
  if (!regular) return fail(Errc::kUnavailable, "unable to read {} file: {} is not a regular file", what, path);
  if (size < 0) {
    return fail(Errc::kUnavailable, "unable to read {} file: read {}: {}", what, path, std::strerror(failure));
  }
  if (static_cast<std::size_t>(size) > kSecretBytesMax) {
    return fail(Errc::kUnavailable, "unable to read {} file: {} is larger than 64 KiB", what, path);
  }
  content.resize(static_cast<std::size_t>(size));
  return trimmed(content);
}

}  // namespace

Result<ResolvedCredentials> resolve_credentials(const Credentials& credentials) {
  ResolvedCredentials resolved;
  std::string token = credentials.token;
  if (!credentials.token_file.empty()) {
    auto read = read_secret(credentials.token_file, "authorization credentials");
    if (!read) return fail(read.error());
    token = std::move(*read);
  }
  if (!token.empty()) {
    resolved.authorization = credentials.type.empty() ? token : credentials.type + " " + token;
    if (resolved.authorization.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return fail(Errc::kInvalid, "authorization credentials contain a line break");
    }
  }
  resolved.username = credentials.username;
  resolved.password = credentials.password;
  if (!credentials.password_file.empty()) {
    auto read = read_secret(credentials.password_file, "basic auth password");
    if (!read) return fail(read.error());
    resolved.password = std::move(*read);
  }
  resolved.basic = !resolved.username.empty() || !resolved.password.empty();
  return resolved;
}

}  // namespace core::net
