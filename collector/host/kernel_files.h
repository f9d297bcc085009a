// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace collector::host {

// Bounds of what is read of a host: far above what a kernel shows, far below what would hurt.
inline constexpr std::size_t kFileBytesMax = 4 << 20;
inline constexpr std::size_t kAttributeBytesMax = 4 << 10;
inline constexpr std::size_t kFolderEntriesMax = 4096;

// The bytes of a file; never waits for a pipe's other end. kNotFound if there is none, kLimitExceeded past
// `bytes_max`.
core::Result<std::string> read_file(const std::string& path, std::size_t bytes_max = kFileBytesMax);
// An attribute of sysfs without the blanks around it; none if it cannot be read, as one that makes no sense for a
// device cannot.
std::optional<std::string> read_attribute(const std::string& path);
// The names in a folder, sorted. kNotFound if there is none, kLimitExceeded past `entries_max`.
core::Result<std::vector<std::string>> list_folder(const std::string& path,
                                                   std::size_t entries_max = kFolderEntriesMax);

std::vector<std::string_view> split_lines(std::string_view text);
// By runs of blanks.
std::vector<std::string_view> split_fields(std::string_view line);
std::string_view trim(std::string_view text);

// A plain decimal number, sign and fraction allowed, the whole text and nothing else; none for anything else, nor for
// one beyond the 64 bits that a kernel counts with.
std::optional<double> parse_number(std::string_view text);
// The number that a version begins with, of two parts at most: 22.04 of 22.04.1-lts.
std::optional<double> leading_number(std::string_view version);
std::optional<double> parse_hex(std::string_view text);  // without or with 0x
std::optional<double> read_number(const std::string& path);

// The numbers of one file. The first thing that is not as it should be is remembered, and said by done(): what was read
// until then must not be used without asking.
//
// Thread safety: confined to one thread.
class NumberReader {
 public:
  explicit NumberReader(std::string path) : path_(std::move(path)) {}

  double decimal(std::string_view text);
  double hex(std::string_view text);
  // The field at `index`, or a complaint that the line is too short.
  double decimal_at(const std::vector<std::string_view>& fields, std::size_t index);
  double hex_at(const std::vector<std::string_view>& fields, std::size_t index);
  void expect(bool fine, std::string_view what, std::string_view seen = {});

  core::Result<void> done() const;

 private:
  std::string path_;
  std::string problem_;
};

}  // namespace collector::host
