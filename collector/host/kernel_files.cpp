// SPDX-License-Identifier: Apache-2.0
#include "collector/host/kernel_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <system_error>

namespace collector::host {
namespace {

using core::Errc;
using core::Result;

// Of a complaint: a hostile line may be long.
constexpr std::size_t kSeenBytesMax = 60;

// 2^64: no counter of a kernel is above.
constexpr double kCountMax = 18446744073709551616.0;

class OpenFile {
 public:
  explicit OpenFile(const std::string& path)
      : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

std::string reason(int number) { return std::generic_category().message(number); }

std::string printable(std::string_view text) {
  std::string result(text.substr(0, kSeenBytesMax));
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return result;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const OpenFile file(path);
  if (file.number() < 0) {
    const int number = errno;
    const bool absent = number == ENOENT || number == ENOTDIR || number == ENXIO;
    return core::fail(absent ? Errc::kNotFound : Errc::kFailed, "{}: {}", path, reason(number));
  }
  std::string text;
  std::array<char, 16384> block;  // NOLINT: filled by read()
  for (;;) {
    const ssize_t got = ::read(file.number(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return core::fail(Errc::kFailed, "{}: {}", path, reason(errno));
    if (got == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > bytes_max) {
      return core::fail(Errc::kLimitExceeded, "{}: more than {} bytes", path, bytes_max);
    }
  }
}

std::optional<std::string> read_attribute(const std::string& path) {
  auto text = read_file(path, kAttributeBytesMax);
  if (!text) return std::nullopt;
  const std::string_view trimmed = trim(*text);
  if (trimmed.size() == text->size()) return std::move(*text);
  return std::string(trimmed);
}

Result<std::vector<std::string>> list_folder(const std::string& path, std::size_t entries_max) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator each(path, error);
  for (; !error && each != std::filesystem::directory_iterator(); each.increment(error)) {
    if (names.size() == entries_max) {
      return core::fail(Errc::kLimitExceeded, "{}: more than {} entries", path, entries_max);
    }
    names.push_back(each->path().filename().string());
  }
  if (error) {
    const bool absent = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
    return core::fail(absent ? Errc::kNotFound : Errc::kFailed, "{}: {}", path, error.message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos) return fields;
    const std::size_t end = std::min(line.find_first_of(" \t", start), line.size());
    fields.push_back(line.substr(start, end - start));
    line.remove_prefix(end);
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const std::size_t start = text.find_first_not_of(kBlanks);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(kBlanks) - start + 1);
}

std::optional<double> parse_number(std::string_view text) {
  // from_chars also takes "inf" and "nan", which no file of numbers means.
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || std::abs(value) > kCountMax) return std::nullopt;
  return value;
}

std::optional<double> leading_number(std::string_view version) {
  std::string_view number = version.substr(0, std::min(version.find_first_not_of("0123456789."), version.size()));
  const std::size_t dot = number.find('.');
  if (dot != std::string_view::npos) number = number.substr(0, number.find('.', dot + 1));
  return parse_number(number);
}

std::optional<double> parse_hex(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || text.empty() || end != text.data() + text.size()) return std::nullopt;
  return static_cast<double>(value);
}

std::optional<double> read_number(const std::string& path) {
  const auto text = read_attribute(path);
  return text ? parse_number(*text) : std::nullopt;
}

double NumberReader::decimal(std::string_view text) {
  const auto value = parse_number(text);
  expect(value.has_value(), "a number", text);
  return value.value_or(0);
}

double NumberReader::hex(std::string_view text) {
  const auto value = parse_hex(text);
  expect(value.has_value(), "a hexadecimal number", text);
  return value.value_or(0);
}

double NumberReader::decimal_at(const std::vector<std::string_view>& fields, std::size_t index) {
  return decimal(index < fields.size() ? fields[index] : std::string_view());
}

double NumberReader::hex_at(const std::vector<std::string_view>& fields, std::size_t index) {
  return hex(index < fields.size() ? fields[index] : std::string_view());
}

void NumberReader::expect(bool fine, std::string_view what, std::string_view seen) {
  if (fine || !problem_.empty()) return;
  problem_ = fmt::format("expected {}, got \"{}\"", what, printable(seen));
}

Result<void> NumberReader::done() const {
  if (problem_.empty()) return {};
  return core::fail(Errc::kInvalid, "{}: {}", path_, problem_);
}

}  // namespace collector::host
