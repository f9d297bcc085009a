// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "core/config/codec.h"

namespace core::config {

// The path of a file, as Prometheus reads one: relative to the folder of the configuration file that names it.
struct FilePath {
  std::string path;
  bool empty() const { return path.empty(); }
  auto operator<=>(const FilePath&) const = default;
};

template <>
struct Codec<FilePath> {
  static Result<FilePath> read(const Node& node) {
    Result<std::string> text = Codec<std::string>::read(node);
    if (!text) return fail(text.error());
    const std::filesystem::path given(*text);
    if (given.empty() || given.is_absolute()) return FilePath{std::move(*text)};
    return FilePath{(std::filesystem::path(node.position().file).parent_path() / given).string()};
  }
  static std::string print(const FilePath& value) { return value.path; }
  static TypeDescription describe() { return {"path", {}}; }
};

}  // namespace core::config
