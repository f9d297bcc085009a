// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/codec.h"

namespace re2 {
class RE2;
}

namespace collector::probe {

// A regular expression of a module: RE2's syntax, found anywhere in the text unless anchored, `.` without a line break.
//
// Thread safety: immutable after construction.
class Pattern {
 public:
  Pattern() = default;
  // kInvalid with RE2's words.
  static core::Result<Pattern> compile(std::string text);

  // REQUIRES: compiled. Bytes that are not UTF-8 are matched one by one.
  bool found_in(std::string_view text) const;
  // The text of the whole match and of every group; none if there is no match.
  std::optional<std::vector<std::string>> groups(std::string_view text) const;
  // $1, ${1}, $name and ${name} of `text_template` replaced by what `groups` has; $$ is a dollar, an unknown group
  // nothing.
  std::string expand(std::string_view text_template, const std::vector<std::string>& groups) const;

  const std::string& text() const { return text_; }
  bool empty() const { return regex_ == nullptr; }
  bool operator==(const Pattern& other) const { return text_ == other.text_ && empty() == other.empty(); }

 private:
  std::string text_;
  std::shared_ptr<const re2::RE2> regex_;
  std::shared_ptr<const re2::RE2> bytewise_;  // the same for what is not UTF-8
};

}  // namespace collector::probe

namespace core::config {

template <>
struct Codec<collector::probe::Pattern> {
  static Result<collector::probe::Pattern> read(const Node& node);
  static std::string print(const collector::probe::Pattern& value) { return value.text(); }
  static TypeDescription describe() { return {"regex", {}}; }
};

}  // namespace core::config
