// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace actions::backup {

// A folder (mode 0700) for what is made for a backup or restored to be looked at; removed with this object. What a
// killed agent left there goes when the same name is used again, or with clear_scratch().
//
// Thread safety: confined to one thread; no two of one name at a time.
class Scratch {
 public:
  // Below `root`, which is created. The same name gives the same path, so that restic finds its last snapshot of it.
  static core::Result<Scratch> make(const std::string& root, std::string_view name);
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();

  const std::string& path() const { return path_; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

// Whether so much can be written to the file system of `folder` with a twentieth of it, at most 10 GiB, left free: what
// fills a disk beside a node does harm. kLimitExceeded with the numbers.
core::Result<void> expect_room(const std::string& folder, std::uint64_t bytes);

// Removes all that is below `root`.
core::Result<void> clear_scratch(const std::string& root);

// Lower-case hexadecimal digits; reads the file in pieces.
core::Result<std::string> sha256_of_file(const std::string& path);
// Creates `path` with mode 0600. kUnavailable if it cannot be written whole.
core::Result<void> write_private_file(const std::string& path, std::string_view bytes);
// kLimitExceeded for a larger one.
core::Result<std::string> read_file(const std::string& path, std::size_t bytes_max);

}  // namespace actions::backup
