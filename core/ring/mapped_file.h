// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/result.h"

namespace core::ring {

// Pages of a mapping that the kernel could not bring: the file was cut short, or its disk failed. SIGBUS, which would
// end the process, puts empty memory in their place and counts them here.
struct LostPages {
  std::atomic<std::uint64_t> count{0};
};

// A file of fixed size, locked against other processes and mapped shared.
//
// Thread safety: any thread. The bytes are the user's to order.
class MappedFile {
 public:
  struct Options {
    bool lock_memory = false;
    bool huge_pages = false;
  };

  // Makes the file, with disk space for every byte of it. kLimitExceeded if the disk has no room, in which case no file
  // is left behind.
  static Result<std::unique_ptr<MappedFile>> create(const std::string& path, std::uint64_t bytes,
                                                    const Options& options);
  // Maps the file as large as it is. kNotFound; kUnavailable if another process has it.
  static Result<std::unique_ptr<MappedFile>> open(const std::string& path, const Options& options);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::byte* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

  // Lets go of the memory of whole pages in this stretch, not of what is in the file.
  void release(std::uint64_t offset, std::uint64_t bytes);

  // What has become of the file or its pages, in words; empty if nothing has.
  std::string problem() const;
  // Puts another path's file in the place of this one's path.
  Result<void> rename_to(const std::string& path);

 private:
  MappedFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Result<void> map(const Options& options);

  std::string path_;
  int descriptor_ = -1;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
  LostPages lost_;
};

}  // namespace core::ring
