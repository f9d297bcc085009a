// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace core::config {

// A place in a configuration file, counted from 1.
struct Position {
  std::string file;
  int line = 0;
  int column = 0;
  std::string to_string() const;  // file:line:column
};

struct Entry;

// A parsed YAML value that knows where it stands. Keeps the whole document alive; cheap to copy.
//
// Thread safety: immutable after construction.
class Node {
 public:
  // An absent value (null, no position).
  Node();

  // The first document of `text`; an empty one is a null node. Errors: kInvalid with file:line:column, for syntax, a
  // key given twice in one map, aliases nested beyond reason, or a file over 16 MiB.
  static Result<Node> parse(std::string_view text, std::string file);
  static Result<Node> parse_file(const std::string& path);

  bool is_null() const;
  bool is_scalar() const;
  bool is_sequence() const;
  bool is_map() const;
  // True for a scalar written in quotes: "5" is then text, never a number or null.
  bool is_quoted() const;

  // REQUIRES: is_scalar().
  const std::string& scalar() const;
  // The elements of a sequence; empty for anything else.
  std::vector<Node> items() const;
  // The pairs of a map in the order of the file; empty for anything else.
  std::vector<Entry> entries() const;
  // The value of a key; a null node if absent.
  Node find(std::string_view key) const;

  // "a map", "a list", "nothing", or the scalar itself in quotes: for "expected X, got Y".
  std::string describe() const;
  Position position() const;
  // The whole document as it was read.
  std::string_view source_text() const;

  // kInvalid, "file:line:column: message".
  template <class... Args>
  Error error(fmt::format_string<Args...> format, Args&&... args) const {
    return error_text(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  struct Document;
  struct Value;
  Node(std::shared_ptr<const Document> document, const Value* value);
  Error error_text(std::string message) const;

  std::shared_ptr<const Document> document_;
  const Value* value_ = nullptr;
};

struct Entry {
  Node key;
  Node value;
};

}  // namespace core::config
